#!/usr/bin/env python3
"""Every C file is as clang-format 14 leaves it; ./dev format makes it so."""
import shutil
import subprocess

import tidy


def problems(root):
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    command = [tool, "--dry-run", "--Werror", "--ferror-limit=1"]
    run = subprocess.run(command + tidy.c_files(root), capture_output=True, text=True, check=False)
    found = [line for line in run.stderr.split("\n") if ": error:" in line]
    return found or ([run.stderr] if run.returncode else [])


if __name__ == "__main__":
    tidy.main(problems)
