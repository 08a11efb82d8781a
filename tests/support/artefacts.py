"""What lockstep wrote in the tests, and the secrets they used. The last test of the suite
(test_secrets.py) looks for each of these in all of those.

Outputs of a process.Process that runs lockstep, and its transcripts, are kept by themselves. What a
test got in another way (an answer of the admin, what a command printed) it keeps with `keep_text`.
"""

import base64
import itertools
import os
import pathlib
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

NUMBERS = itertools.count(1)

# Shorter ones would be found where they are not: every third byte of base64 is up to chance.
SECRET_BYTES_MIN = 8


def folder():
    """Where all is kept; None when the tests are not run as a suite."""
    named = os.environ.get("LOCKSTEP_ARTEFACTS")
    return pathlib.Path(named) if named else None


def secret(text):
    """Notes a password, token or key that may stand in no artefact, and gives it back."""
    if len(text.encode()) < SECRET_BYTES_MIN or "\n" in text:
        raise ValueError("a secret of the tests is one line of at least 8 bytes")
    if folder():
        folder().mkdir(parents=True, exist_ok=True)
        with open(folder() / "secrets", "a", encoding="utf-8") as known:
            known.write(text + "\n")  # one short write: tests run side by side
    return text


def new_secret():
    """One that nobody had before, with bytes that every encoding must care for."""
    return secret(f"{secrets.token_urlsafe(9)}+/%{secrets.token_urlsafe(6)}")


def keep(path):
    """Keeps a copy of a file or folder that lockstep wrote, as it is now."""
    if folder() and path.exists():
        target = _place(path.name)
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copyfile(path, target)


def keep_text(name, text):
    if folder():
        _place(name).write_bytes(text if isinstance(text, bytes) else text.encode())


def _place(name):
    kept = folder() / "kept" / f"{pathlib.Path(sys.argv[0]).stem}-{os.getpid()}"
    kept.mkdir(parents=True, exist_ok=True)
    return kept / f"{next(NUMBERS)}-{name}"


def disguises(text):
    """Every form of it that may not be written: as it is, percent-encoded, in hex, and what of it
    shows in base64 of anything it stands in, such as AUTH PLAIN or a token's line."""
    raw = text.encode()
    forms = {raw, urllib.parse.quote(text, safe="").encode(),
             urllib.parse.quote_plus(text).encode(), raw.hex().encode(),
             raw.hex().upper().encode()}
    for before in range(3):
        # Characters that bytes before or after it have a part in are left out.
        coded = base64.b64encode(bytes(before) + raw).rstrip(b"=")
        coded = coded[-(-before * 8 // 6):(before + len(raw)) * 8 // 6]
        forms |= {coded, coded.replace(b"+", b"-").replace(b"/", b"_")}
    return forms


def found(known, root):
    """(secret, file) for each of the known secrets that shows in a file below `root`."""
    forms = {form: text for text in known for form in disguises(text)}
    with tempfile.NamedTemporaryFile() as wanted:
        wanted.write(b"".join(form + b"\n" for form in forms))
        wanted.flush()
        done = subprocess.run(
            ["grep", "--recursive", "--text", "--only-matching", "--null", "--fixed-strings",
             f"--file={wanted.name}", root], env={**os.environ, "LC_ALL": "C"},
            capture_output=True, check=False)
    if done.returncode > 1:
        raise RuntimeError(done.stderr.decode())
    lines = (line.partition(b"\0") for line in done.stdout.splitlines())
    return sorted({(forms[form], path.decode()) for path, _, form in lines})
