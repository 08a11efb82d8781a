#!/usr/bin/env python3
"""Words that say "not finished", and paths of the machine something was made on."""
import re

import tidy

# Put together from pieces, so that this file does not hold what it looks for.
UNFINISHED = "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])
BANNED = re.compile(rf"\b(?:{UNFINISHED})\b|\b(?i:st" + r"ub)s?\b"
                    r"|(?<![\w.}])/(?:wo" + r"rk|ho" + r"me|ro" + r"ot|Us" + r"ers)/[\w.]")


def problems(root):
    found = []
    for path in tidy.files(root):
        if "corpus" in path.parts:
            continue
        for number, line in enumerate(path.read_bytes().decode("latin-1").split("\n"), 1):
            for word in BANNED.findall(line):
                found.append(f"{path}:{number}: {word}")
    return found


if __name__ == "__main__":
    tidy.main(problems)
