#!/usr/bin/env python3
"""Breaks the engine, one decision at a time, and sees whether a scenario notices.

usage: mutate.py [FILE...]      default: every file of src/engine

Each condition of an `if` that stands on one line is made always and never true, each && and ||
becomes the other. Works on a copy in build/mutants. Prints every mutant that lives: a decision that
no scenario holds in place, or one that makes no difference. Last line: `N killed, N alive`.
"""
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tidy"))

import tidy  # noqa: E402  (found only after the line above)

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "mutants"
PLAY_SECONDS = 60


def closing(line, start):
    """The place of the parenthesis that closes the one before start; -1: not on this line."""
    depth = 1
    for at in range(start, len(line)):
        depth += {"(": 1, ")": -1}.get(line[at], 0)
        if depth == 0:
            return at
    return -1


def mutants(text):
    """(line, what, text) of every way to break it. Comments and strings have other lengths in
    bare code, so its lines are used, and only those that hold neither."""
    lines = text.split("\n")
    bare = tidy.bare_code(text).split("\n")
    for number, line in enumerate(lines):
        if line != bare[number] or line.lstrip().startswith("#"):
            continue

        def broken(what, changed):
            whole = "\n".join(lines[:number] + [changed] + lines[number + 1:])
            return number + 1, f"{what}: {line.strip()}", whole

        for match in re.finditer(r"\bif \(", line):
            start, end = match.end(), closing(line, match.end())
            if end > 0:
                yield broken("always", f"{line[:start]}true || ({line[start:end]}){line[end:]}")
                yield broken("never", f"{line[:start]}false && ({line[start:end]}){line[end:]}")
        for match in re.finditer(r"&&|\|\|", line):
            other = "||" if match.group() == "&&" else "&&"
            yield broken(f"{match.group()} is {other}",
                         line[:match.start()] + other + line[match.end():])


def prepare():
    shutil.rmtree(COPY, ignore_errors=True)
    for path in tidy.files(ROOT, "*.c", "*.h", "*.smtp", "*.in", "CMake*"):
        target = COPY / path.relative_to(ROOT)
        if "bench" not in target.relative_to(COPY).parts:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    # Mutants of precedence are meant; what a compiler thinks of them does not matter.
    subprocess.run(["cmake", "-S", COPY, "-B", COPY / "build", "-G", "Ninja",
                    "-DLOCKSTEP_TESTS=OFF", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS=-O1",
                    "--compile-no-warning-as-error"], check=True, stdout=subprocess.DEVNULL)
    flags = COPY / "CMakeLists.txt"
    flags.write_text(flags.read_text().replace("-Werror", "-w"))


def passes():
    """None: does not compile. Otherwise whether every scenario is still right."""
    if subprocess.run(["ninja", "-C", COPY / "build", "lockstep"], capture_output=True,
                      check=False).returncode:
        return None
    scenarios = sorted(COPY.glob("tests/scenarios/**/*.smtp"))
    try:
        return subprocess.run([COPY / "build" / "lockstep", "play", *scenarios],
                              capture_output=True, timeout=PLAY_SECONDS,
                              check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def main(names):
    paths = [pathlib.Path(name).resolve() for name in names] or \
        sorted((ROOT / "src" / "engine").glob("*.c"))
    prepare()
    if not passes():
        print("the scenarios fail without any mutant")
        return 1
    killed = alive = 0
    for path in paths:
        place = path.relative_to(ROOT)
        text = path.read_text()
        for line, what, changed in mutants(text):
            (COPY / place).write_text(changed)
            result = passes()
            if result:
                print(f"{place}:{line}: {what}", flush=True)
            killed += result is False
            alive += result is True
        (COPY / place).write_text(text)
    print(f"{killed} killed, {alive} alive")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
