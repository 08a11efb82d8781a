#!/usr/bin/env python3
"""clang-tidy, as .clang-tidy sets it, has nothing to say about src/."""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess

import tidy


def inspect(tool, build, path):
    run = subprocess.run([tool, "--quiet", "-p", build, str(path)], capture_output=True,
                         text=True, check=False)
    found = [line for line in run.stdout.split("\n") if re.search(r": (error|warning):", line)]
    return found or ([f"{path}: {run.stderr}"] if run.returncode else [])


def problems(root, build):
    source = tidy.pathlib.Path(root).resolve() / "src"
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as listing:
        paths = sorted({entry["file"] for entry in json.load(listing)
                        if source in tidy.pathlib.Path(entry["file"]).parents})
    if not paths:
        return [f"{build} compiles nothing in {source}"]
    tool = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        found = workers.map(lambda path: inspect(tool, build, path), paths)
    return sorted({problem for some in found for problem in some})


if __name__ == "__main__":
    tidy.main(problems)
