#!/usr/bin/env python3
"""A module includes itself and lower levels only; private headers never leave their module."""
import re

import tidy

LEVELS = {
    "base": 0, "smtp": 1, "record": 2, "repair": 2, "fault": 2, "policy": 3, "sink": 3,
    "engine": 4, "explain": 5, "net": 6, "http": 7, "vault": 8, "admin": 8, "app": 9,
    "sim": 6,   # the simulator, in tests: all that is pure, and nothing from net
}


def module_of(path):
    """'engine' for src/engine/x.c and include/lockstep/engine/x.h; None where no level holds."""
    parts = path.parts
    if parts[:2] == ("tests", "sim"):
        return "sim"
    for lead in (("src",), ("include", "lockstep")):
        if parts[:len(lead)] == lead and len(parts) > len(lead) + 1:
            return parts[len(lead)]
    return None


def judge(root, path, module, included):
    public = re.match(r"lockstep/(\w+)/", included)
    if public:
        other = public.group(1)
        if other not in LEVELS:
            return f"module '{other}' is not in the table of levels"
        if other != module and LEVELS[other] >= LEVELS[module]:
            return f"'{module}' (level {LEVELS[module]}) may not see '{other}' ({LEVELS[other]})"
    elif "/" in included or not (root / path).with_name(included).exists():
        return "a private header belongs to its own folder"
    elif path.parts[0] == "include":
        return "a public header may not include a private one"
    return None


def problems(root):
    root = tidy.pathlib.Path(root)
    found = []
    for path in tidy.c_files(root):
        path = path.relative_to(root)
        module = module_of(path)
        if module is None:
            continue
        if module not in LEVELS:
            found.append(f"{path}: module '{module}' is not in the table of levels")
            continue
        for number, line in enumerate((root / path).read_text().split("\n"), 1):
            include = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            wrong = include and judge(root, path, module, include.group(1))
            if wrong:
                found.append(f"{path}:{number}: \"{include.group(1)}\": {wrong}")
    return found


if __name__ == "__main__":
    tidy.main(problems)
