#!/usr/bin/env python3
"""Functions and files that can be seen whole. Prints the largest of each.

Complexity counts the ways through a function: one, and one more for each branch, loop, && and ||.
A switch counts once: over a closed enum it is a table, and the compiler checks that it is whole.
"""
import re

import tidy

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600
COMPLEXITY_MAX = 15
BRANCH = re.compile(r"\b(?:if|for|while|switch)\b|&&|\|\||\?")


def complexity(body):
    return 1 + len(BRANCH.findall(body))


def problems(root):
    found = []
    longest = {"function": (0, ""), "file": (0, ""), "most complex function": (0, "")}

    def measure(kind, number, limit, place):
        longest[kind] = max(longest[kind], (number, place))
        if number > limit:
            found.append(f"{place}: {kind}: {number}, at most {limit}")

    for path in tidy.c_files(root):
        text = path.read_text()
        place = path.relative_to(root)
        measure("file", text.count("\n"), FILE_LINES_MAX, str(place))
        for name, line, lines, body in tidy.functions(text):
            measure("function", lines, FUNCTION_LINES_MAX, f"{place}:{line}: {name}")
            measure("most complex function", complexity(body), COMPLEXITY_MAX,
                    f"{place}:{line}: {name}")
    for kind, (number, place) in longest.items():
        print(f"longest {kind}: {number} lines, {place}" if kind != "most complex function"
              else f"{kind}: {number} ways, {place}")
    return found


if __name__ == "__main__":
    tidy.main(problems)
