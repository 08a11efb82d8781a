"""What the checks share: the repository's files, and the way a check reports.

A check is a file check_<name>.py with a function problems(root, *more) that gives a list of
sentences, empty when all is well. It is run as `check_<name>.py ROOT [more...]`.
"""
import pathlib
import re
import subprocess
import sys


def files(root, *patterns):
    """Paths below root that match and that git keeps or would keep; sorted."""
    root = pathlib.Path(root)
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others",
               "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=False)
    if listed.returncode == 0:
        found = [root / name for name in listed.stdout.decode().split("\0") if name]
    else:
        found = [path for path in root.rglob("*")
                 if not {"build", ".git"} & set(path.relative_to(root).parts)]
    return sorted({path for path in found if path.is_file()
                   and (not patterns or any(path.match(pattern) for pattern in patterns))})


def c_files(root):
    return files(root, "*.c", "*.h")


def bare_code(text):
    """C without comments and without what stands in quotes; the lines stay where they are."""
    def blank(match):
        found = match.group(0)
        keep = "\n" * found.count("\n")
        return keep + " " if found.startswith("/") else found[0] + keep + found[0]

    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def functions(text):
    """(name, first line, lines, body) of each function; the layout is clang-format's, so a body
    opens with a brace alone at the line's start and closes with one."""
    lines = bare_code(text).split("\n")
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            head = start
            while head > 0 and lines[head - 1].strip() and not re.search(r"[;}]\s*$|^#",
                                                                         lines[head - 1]):
                head -= 1
            signature = " ".join(lines[head:start])
            name = re.search(r"(\w+)\s*\(", signature)
            yield (name.group(1) if name else signature, head + 1, number - head + 1,
                   "\n".join(lines[start:number + 1]))
            start = None


def main(problems):
    found = problems(*sys.argv[1:])
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)
