#!/usr/bin/env python3
"""Each check is fed a tree that is right and one that is wrong, and must tell them apart."""
import contextlib
import importlib
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest


def tree(folder, files):
    for name, text in files.items():
        path = pathlib.Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def judge(check, files, *more):
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        tree(folder, files)
        return importlib.import_module(f"check_{check}").problems(folder, *more)


def function(lines):
    return "int f(void)\n{\n" + lines + "}\n"


class Checks(unittest.TestCase):
    def tell(self, check, good, *bads):
        """Good gives no problem, every bad exactly one."""
        self.assertEqual(judge(check, good), [])
        for bad in bads:
            self.assertEqual(len(judge(check, bad)), 1, bad)

    def test_layers(self):
        self.tell("layers",
                  {"src/engine/a.c": '#include "lockstep/smtp/line.h"\n#include "own.h"\n',
                   "src/engine/own.h": '#include "lockstep/engine/engine.h"\n'},
                  {"src/smtp/a.c": '#include "lockstep/engine/engine.h"\n'},
                  {"src/repair/a.c": '#include "lockstep/fault/fault.h"\n'},
                  {"include/lockstep/base/a.h": ' # include "lockstep/smtp/line.h"\n'},
                  {"src/engine/a.c": '#include "../smtp/private.h"\n', "src/smtp/private.h": ""},
                  {"src/engine/a.c": '#include "private.h"\n', "src/smtp/private.h": ""},
                  {"include/lockstep/engine/a.h": '#include "own.h"\n',
                   "include/lockstep/engine/own.h": ""},
                  {"tests/sim/a.c": '#include "lockstep/net/link.h"\n'},
                  {"src/util/a.c": ""},
                  {"src/engine/a.c": '#include "lockstep/util/a.h"\n'})

    def test_banned(self):
        self.tell("banned",
                  {"src/a.c": '/* strcpy(a, b) */\nchar *s = "gets(";\nint my_system(int);\n'},
                  {"src/a.c": "strcpy (a, b);\n"},
                  {"tests/unit/a.c": "/* why */ system(\"ls\");\n"})

    def test_size(self):
        self.tell("size",
                  {"src/a.c": function("    x();\n" * 57) + function("    if (a && b)\n" * 7)},
                  {"src/a.c": function("    x();\n" * 58)},
                  {"src/a.c": function("    if (a && b)\n" * 7 + "    a ? b : c;\n")},
                  {"src/a.c": "int a;\n" * 601})

    def test_words(self):
        self.tell("words",
                  {"src/a.c": "/* the network; stubborn */\n", "dev": "cd ./work/x\n"},
                  {"README.md": "TO" + "DO: more\n"},
                  {"src/a.c": "/* a St" + "ub. */\n"},
                  {"tests/a.py": "open('/wo" + "rk/x')\n"},
                  {"config/a.yaml": "file: /ho" + "me/me\n"})

    def test_top(self):
        self.tell("top", {"src/a.c": "", "dev": "", ".gitignore": ""}, {"Makefile": ""},
                  {"tools/a.py": ""})

    def test_tables(self):
        tables = {
            "include/lockstep/smtp/verb.h":
                'x\n#define VERBS(X) \\\n X(END, "", true) \\\n X(MAIL, "MAIL", 1)\n'
                "/* clang-format on */\n",
            "include/lockstep/smtp/extension.h":
                '#define EXTENSIONS(X) \\\n X(SIZE, "SIZE", 1)\n/* clang-format on */\n',
            "include/lockstep/repair/repair.h":
                '#define REPAIRS(X) \\\n X(A, a, "bare-lf", B, true, \\\n "says")\n'
                "/* clang-format on */\n",
            "src/policy/schema.c":
                '    {BASE_A, "", "mode", TYPE, 0, "x",\n     "What it does."},\n'
                '    {BASE_A, "", word, TYPE, 0, says},\n',
        }
        scenario = "tests/scenarios/a/b.smtp"
        self.tell("tables",
                  {**tables, scenario: "C> mail FROM:<a>\nU< 250-SIZE 10\n! repair bare-lf\n"},
                  {**tables, scenario: "C> MAIL FROM:<a>\n! repair bare-lf\n"},
                  {**tables, scenario: "C> MAILBOX\nU< 250-SIZE 10\n! repair bare-lf\n"},
                  {**tables, scenario: "C> MAIL FROM:<a>\nU< 250-SIZE 10\n! repair bare\n"},
                  {**tables, scenario: "C> mail FROM:<a>\nU< 250-SIZE 10\n! repair bare-lf\n",
                   "src/policy/schema.c": '    {BASE_A, "", "mode", TYPE, "x", ""},\n'},
                  tables)

    def test_format(self):
        style = (pathlib.Path(__file__).parents[2] / ".clang-format").read_text()
        self.tell("format",
                  {".clang-format": style, "src/a.c": function("    return 1;\n")},
                  {".clang-format": style, "src/a.c": function("  return 1;\n")})

    def test_readme(self):
        ran = "```sh\ntrue\n```\n"
        scenario = {"tests/scenarios/a.smtp": "# one\n# two\nC> QUIT\nC> again\n"}
        self.tell("readme",
                  {"README.md": ran + "```smtp\nC> QUIT\n```\n", **scenario},
                  {"README.md": "```sh\nfalse\n```\n"},
                  {"README.md": ran + "```smtp\nC> NOOP\n```\n", **scenario},
                  {"README.md": "no command at all\n"})


class Compiled(unittest.TestCase):
    """The checks that look at what a compiler made."""

    def library(self, folder, code):
        tree(folder, {"a.c": code, "b.c": "int helper(void)\n{\n    return 1;\n}\n"})
        for command in (["cc", "-fPIC", "-fno-builtin", "-c", "a.c", "b.c"],
                        ["ar", "rcs", "a.a", "a.o", "b.o"]):
            subprocess.run(command, cwd=folder, check=True)
        return f"{folder}/a.a"

    def test_purity(self):
        pure = "#include <string.h>\nint helper(void);\nstatic const char *const t[] = {\"a\"};\n" \
               "int f(int i) { return helper() + (int)strlen(t[i]); }\n"
        impure = ("#include <stdlib.h>\nvoid *f(void) { return malloc(1); }\n",
                  "int f(void) { static int calls; return ++calls; }\n",
                  "int counter = 1;\n",
                  "#include <time.h>\nlong f(void) { return time(0); }\n")
        check = importlib.import_module("check_purity")
        for code in (pure, *impure):
            with tempfile.TemporaryDirectory() as folder:
                found = check.problems("", self.library(folder, code))
                self.assertEqual(len(found), 0 if code is pure else 1, (code, found))

    def test_clang_tidy(self):
        rules = (pathlib.Path(__file__).parents[2] / ".clang-tidy").read_text()
        check = importlib.import_module("check_clang_tidy")
        for code, bad in (("int f(int a) { return a; }\n", 0),
                          ("int f(int *a) { if (a) return 1; return *a; }\n", 1)):
            with tempfile.TemporaryDirectory() as folder:
                tree(folder, {".clang-tidy": rules, "src/a.c": code, "compile_commands.json":
                              f'[{{"directory": "{folder}", "file": "{folder}/src/a.c",'
                              f' "command": "cc -c {folder}/src/a.c"}}]'})
                self.assertEqual(len(check.problems(folder, folder)), bad, code)


class Tally(unittest.TestCase):
    """The summary of ./dev test: no failure may be lost in it."""

    def test_counts(self):
        sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
        tally = importlib.import_module("tally")
        for output, passed, counts in (
                ("", True, (1, 0)),
                ("", False, (0, 1)),
                ("noise\n12 passed, 0 failed, 1 skipped\n", True, (12, 0)),
                ("12 passed, 2 failed\n", False, (12, 2)),
                ("12 passed, 0 failed\n", False, (12, 1)),
                ("Tested: \x1b[34m5\x1b[0m | Passing: 3 | Failing: 1 | Crashing: 1\n", False,
                 (3, 2))):
            self.assertEqual(tally.cases("any", output, passed), counts)
        self.assertEqual(tally.cases("sim", "1000 passed, 0 failed\n", True), (1, 0))
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            tree(folder, {"good": "passed a\n", "bad": "passed a\nfailed b\n", "none": ""})
            self.assertEqual([tally.main([f"{folder}/{name}"]) for name in
                              ("good", "bad", "none", "missing")], [0, 1, 1, 1])


if __name__ == "__main__":
    program = unittest.main(exit=False)
    failed = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
