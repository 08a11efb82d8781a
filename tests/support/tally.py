#!/usr/bin/env python3
"""Adds up results: tally.py FILE... prints one line, `N passed, N failed`.

FILE is what `ctest --output-junit` writes, or lines of `passed NAME` and `failed NAME`. A test that
counts its own cases says so in its last line in that form; criterion's summary is read as well; any
other test counts as one, and so does the simulator, whatever the number of its seeds.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree

OWN = re.compile(r"^(\d+) passed, (\d+) failed", re.M)
CRITERION = re.compile(r"Tested: \d+ \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")


def cases(name, output, passed):
    """(passed, failed) of one ctest test."""
    own = OWN.findall(output)
    criterion = CRITERION.findall(re.sub(r"\x1b\[[\d;]*m", "", output))
    if own and name != "sim":
        good, bad = map(int, own[-1])
    elif criterion:
        good = int(criterion[-1][0])
        bad = int(criterion[-1][1]) + int(criterion[-1][2])
    else:
        good, bad = int(passed), int(not passed)
    # A test that failed without counting a failure was cut short.
    return good, bad if passed else max(bad, 1)


def ctest(path):
    for test in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        yield cases(test.get("name"), test.findtext("system-out") or "",
                    test.get("status") == "run")


def steps(path):
    for line in path.read_text().splitlines():
        yield (1, 0) if line.startswith("passed ") else (0, 1)


def main(paths):
    passed = failed = 0
    for path in map(pathlib.Path, paths):
        # A suite that left no results did not build, and has a failed step for that.
        if path.exists():
            for good, bad in (ctest if path.suffix == ".xml" else steps)(path):
                passed, failed = passed + good, failed + bad
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
