#!/usr/bin/env python3
"""Every row of the tables of verbs, extensions and repairs stands in a scenario, and every word of
the configuration has its sentence in the manual, which is the last string of its row."""
import re

import tidy

# Table, its header, and which of a row's strings is its word.
TABLES = (
    ("VERBS", "include/lockstep/smtp/verb.h"),
    ("EXTENSIONS", "include/lockstep/smtp/extension.h"),
    ("REPAIRS", "include/lockstep/repair/repair.h"),
)
SCHEMA = "src/policy/schema*.c"


def rows(text, table):
    """The first string of every X(...) row of the table; rows whose word is "" have none."""
    body = re.search(rf"#define {table}\(X\)(.*?)/\* clang-format on", text, flags=re.S)
    return [word for word in re.findall(r'\bX\([^"]*"([^"]*)"', body.group(1)) if word]


def words_without_sentence(text):
    for row in re.findall(r"^    \{BASE_\w+,.*?\},$", text, flags=re.S | re.M):
        strings = re.findall(r'"((?:\\.|[^"\\])*)"', row)
        last = re.search(r"\b(\w+)\}", row)
        if not last and not strings[-1].endswith("."):
            yield strings[1]


def problems(root):
    root = tidy.pathlib.Path(root)
    found = [f"{path.relative_to(root)}: {word} has no sentence"
             for path in sorted(root.glob(SCHEMA))
             for word in words_without_sentence(path.read_text())]
    scenarios = [path.read_bytes().decode("latin-1") for path in tidy.files(root, "*.smtp")
                 if "scenarios" in path.parts]
    if not scenarios:
        return found + ["there are no scenarios"]
    bare = re.sub(r"\b\d\d\d-", " ", "\n".join(scenarios))   # reply codes in front of keywords
    told = set(re.findall(r"[A-Z0-9-]+", bare.upper()))
    return found + [f"{header}: {table}: no scenario mentions {word}"
            for table, header in TABLES
            for word in rows((root / header).read_text(), table)
            if word.upper() not in told]


if __name__ == "__main__":
    tidy.main(problems)
