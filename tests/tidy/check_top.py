#!/usr/bin/env python3
"""The top level holds a short list of names and nothing else."""
import tidy

# CMakePresets.json is here because CMake looks for it nowhere else.
ALLOWED = {"CMakeLists.txt", "CMakePresets.json", "src", "include", "config", "tests", "bench",
           "docker", "README.md", "LICENSE", "dev"}


def problems(root):
    names = {path.relative_to(root).parts[0] for path in tidy.files(root)}
    return [f"{name} does not belong at the top" for name in sorted(names - ALLOWED)
            if not name.startswith(".")]


if __name__ == "__main__":
    tidy.main(problems)
