#!/usr/bin/env python3
"""README.md keeps its word: its ```sh blocks run, its ```smtp blocks stand in a scenario.

Given the folder of a build, `build/release` in a command means that one.
"""
import re
import subprocess

import tidy

# Run by ./dev test as steps of their own: here they would run inside themselves.
RUN_ELSEWHERE = {"./dev test", "./dev demo"}


def blocks(text, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, flags=re.S | re.M)


def run(root, command, build):
    """A sentence about how the command failed, or None."""
    done = subprocess.run(["bash", "-c", command.replace("build/release", build)], cwd=root,
                          capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 0:
        return None
    return f"README.md: `{command}` ends with {done.returncode}: {done.stdout}{done.stderr}"


def problems(root, build="build/release"):
    text = (tidy.pathlib.Path(root) / "README.md").read_text()
    commands = [line.split("#")[0].strip() for block in blocks(text, "sh")
                for line in block.split("\n") if line.split("#")[0].strip()]
    found = [] if commands else ["README.md shows no command"]
    found += filter(None, (run(root, command, build) for command in commands
                           if command not in RUN_ELSEWHERE))
    scenarios = [path.read_text() for path in tidy.files(root, "*.smtp")]
    found += [f"README.md: no scenario holds the block that starts {block.splitlines()[0]}"
              for block in blocks(text, "smtp")
              if not any(block in scenario for scenario in scenarios)]
    return found


if __name__ == "__main__":
    tidy.main(problems)
