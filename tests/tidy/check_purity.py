#!/usr/bin/env python3
"""The pure library needs nothing from outside but a short list, and keeps nothing that changes."""
import re
import subprocess

import tidy

ALLOWED = {
    "memcpy", "memmove", "memset", "memcmp", "memchr", "memrchr", "memmem",
    "strlen", "strnlen", "strcmp", "strncmp", "strchr", "strrchr", "strspn", "strcspn", "strstr",
    "must_failed",
}
# What compilers add by themselves: position-independent code, the stack protector, and the
# checked forms of the mem functions where a distribution turns fortification on.
ADDED = re.compile(r"_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__mem(cpy|move|set)_chk")
# Written once by the loader, when it places constants that hold pointers.
CONSTANT = re.compile(r"\.data\.rel\.ro")


def nm(library, *options):
    command = ["nm", *options, library]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")


def problems(_root, library):
    found = []
    inside = {line.split()[0] for line in nm(library, "--defined-only", "-P") if " " in line}
    place = ""
    for line in nm(library, "-u", "-P"):
        if line.endswith(":"):
            place = line
        name = line.split()[0] if " " in line else ""
        if name and name not in inside | ALLOWED and not ADDED.fullmatch(name):
            found.append(f"{place} needs {name}, which is not on the list of pure symbols")
    for line in nm(library, "--defined-only", "-f", "sysv"):
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 7 and re.match(r"\.(data|bss|tdata|tbss)|\*COM\*", fields[6]) \
                and not CONSTANT.match(fields[6]):
            found.append(f"{fields[0]} is a global that can change")
    return found


if __name__ == "__main__":
    tidy.main(problems)
