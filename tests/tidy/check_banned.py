#!/usr/bin/env python3
"""No function that can't be used safely, and no jump out of one."""
import re

import tidy

BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|gets|alloca|setjmp|longjmp|"
                    r"sigsetjmp|siglongjmp|system)\s*\(")


def problems(root):
    found = []
    for path in tidy.c_files(root):
        for number, line in enumerate(tidy.bare_code(path.read_text()).split("\n"), 1):
            for name in BANNED.findall(line):
                found.append(f"{path}:{number}: {name} is banned")
    return found


if __name__ == "__main__":
    tidy.main(problems)
