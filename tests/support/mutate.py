#!/usr/bin/env python3
"""Breaks the engine, one decision at a time, and sees whether a scenario notices.

usage: mutate.py [FILE...]      default: every file of src/engine and src/repair, src/smtp/body.c

Each condition of an `if` or of a `?` is made always and never true, each && and || becomes the
other, each comparison takes in one value more or less. Only the broken file is compiled, and linked
in front of the library, in build/mutants; the tree is not touched. Judges, quickest first: the
scenarios in one way, then in all ways, then the file's unit test and the simulator. Whoever takes
too long has failed. Prints each mutant that no scenario kills, and who did. Last line:
`N killed by scenarios, N by other tests, N alive`.
"""
import json
import pathlib
import re
import resource
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / "build" / "mutants"
JUDGE_SECONDS = 20
SEEDS = "300"
SILENT = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|^#.*?$",
                    re.DOTALL | re.MULTILINE)
OURS = re.compile(r"\b(?:must|_Static_assert)\(")
OTHER = {"&&": "||", "||": "&&", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=",
         "!=": "=="}


def closing(text, start):
    """The place of the parenthesis that closes the one before start."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise ValueError("parentheses do not match")


def blank(text, start, end):
    return text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]


def bare_code(text):
    """The same places, but nothing in comments, strings and our own assertions."""
    for match in SILENT.finditer(text):
        text = blank(text, *match.span())
    for match in OURS.finditer(text):
        text = blank(text, match.start(), closing(text, match.end()))
    return text


def mutants(text):
    """(line, what, text) of every way to break it."""
    bare = bare_code(text)

    def broken(what, start, end, new):
        begin = text.rfind("\n", 0, start) + 1
        shown = " ".join(text[begin:text.find("\n", end)].split())
        return text.count("\n", 0, start) + 1, f"{what}: {shown}", text[:start] + new + text[end:]

    for match in re.finditer(r"\bif \(", bare):
        start, end = match.end(), closing(bare, match.end())
        yield broken("always", start, end, f"true || ({text[start:end]})")
        yield broken("never", start, end, f"false && ({text[start:end]})")
    for match in re.finditer(r" \? ", bare):
        yield broken("always", *match.span(), " || true ? ")
        yield broken("never", *match.span(), " && false ? ")
    for match in re.finditer(r" (&&|\|\||[<>]=?|[!=]=) ", bare):
        old = match.group(1)
        yield broken(f"{old} is {OTHER[old]}", *match.span(1), OTHER[old])


def ninja(*words):
    return subprocess.run(["ninja", "-C", TREE, *words], check=True, capture_output=True,
                          text=True).stdout


def compiling(path):
    """The command that compiles a broken copy of that file to mutant.o."""
    for entry in json.loads((TREE / "compile_commands.json").read_text()):
        if pathlib.Path(entry["file"]) == path:
            words = shlex.split(entry["command"])
            words[words.index("-o") + 1] = "mutant.o"
            words[words.index("-c") + 1] = "mutant.c"
            # What a compiler thinks of a mutant does not matter.
            return words + ["-I", str(path.parent), "-w"]
    raise ValueError(f"{path} is not compiled")


def linking(target):
    """The command that links the target, broken, to `mutant`: what comes first is taken."""
    line = ninja("-t", "commands", target).rstrip().split("\n")[-1]
    words = shlex.split(line.removeprefix(": && ").removesuffix(" && :"))
    words[words.index("-o") + 1] = "mutant"
    words.insert(words.index("liblockstep.a"), "mutant.o")
    return words


def succeeds(words):
    return subprocess.run(words, cwd=TREE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          timeout=JUDGE_SECONDS, check=False).returncode == 0


def judges(path):
    """(name, how to link it, how to ask it), quickest first."""
    scenarios = sorted(map(str, (ROOT / "tests" / "scenarios").glob("**/*.smtp")))
    yield "scenarios", linking("lockstep"), ["./mutant", "play", "--once", *scenarios]
    yield "scenarios", None, ["./mutant", "play", *scenarios]
    if (ROOT / "tests" / "unit" / f"test_{path.stem}.c").exists():
        yield "unit test", linking("tests/unit/lockstep_unit"), \
            ["./mutant", "--filter", f"{path.stem}/*"]
    yield "simulator", linking("tests/sim/sim"), ["./mutant", "--seeds", "1", SEEDS]


def killer(compiler, jury):
    """Who kills the mutant in mutant.c: a judge's name, "nobody", or "compiler"."""
    if not succeeds(compiler):
        return "compiler"
    for name, link, ask in jury:
        if link and not succeeds(link):
            raise ValueError(f"{shlex.join(link)} fails")
        try:
            if not succeeds(ask):
                return name
        except subprocess.TimeoutExpired:
            return name
    return "nobody"


def main(names):
    paths = [pathlib.Path(name).resolve() for name in names] or \
        [*sorted(ROOT.glob("src/engine/*.c")), *sorted(ROOT.glob("src/repair/*.c")),
         ROOT / "src" / "smtp" / "body.c"]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    subprocess.run(["cmake", "-S", ROOT, "-B", TREE, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
                    "-DCMAKE_C_FLAGS=-O1"], check=True, stdout=subprocess.DEVNULL)
    ninja()
    count = {"scenarios": 0, "other": 0, "nobody": 0}
    for path in paths:
        compiler, jury = compiling(path), list(judges(path))
        text = path.read_text()
        (TREE / "mutant.c").write_text(text)
        if killer(compiler, jury) != "nobody":
            print(f"{path}: its tests fail without any mutant")
            return 1
        for line, what, changed in mutants(text):
            (TREE / "mutant.c").write_text(changed)
            by = killer(compiler, jury)
            if by == "compiler":
                continue
            if by != "scenarios":
                print(f"{path.relative_to(ROOT)}:{line}: {by}: {what}", flush=True)
            count[by if by in count else "other"] += 1
    print(f"{count['scenarios']} killed by scenarios, {count['other']} by other tests, "
          f"{count['nobody']} alive")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
