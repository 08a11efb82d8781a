"""After all others: nothing that lockstep wrote in any test has a secret in it, in any disguise."""

import base64
import pathlib
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, packages, place, suite  # noqa: E402

PLANTED = "kept: to/myself+100%"

# How a secret goes over some wire, or might come to stand in a log.
TELLING = {
    "raw": PLANTED,
    "a log line": f'{{"event":"login","as":"scanner","with":"{PLANTED}"}}',
    "AUTH PLAIN": base64.b64encode(f"\0scanner\0{PLANTED}".encode()).decode(),
    "AUTH PLAIN of another": base64.b64encode(f"a\0scanner\0{PLANTED}".encode()).decode(),
    "AUTH LOGIN": base64.b64encode(PLANTED.encode()).decode(),
    "XOAUTH2": base64.b64encode(
        f"user=scanner\1auth=Bearer {PLANTED}\1\1".encode()).decode(),
    "OAUTHBEARER": base64.b64encode(
        f"n,a=scanner,\1host=a\1port=25\1auth=Bearer {PLANTED}\1\1".encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(f"xy{PLANTED}?".encode()).decode().rstrip("="),
    "percent-encoded": f"grant_type=refresh&refresh_token={urllib.parse.quote(PLANTED, safe='')}",
    "in a form": urllib.parse.urlencode({"password": PLANTED}),
    "hex": PLANTED.encode().hex(),
}


class Secrets(unittest.TestCase):
    def test_one_that_is_planted_is_found(self):
        for name, text in TELLING.items():
            with self.subTest(as_=name):
                folder = place.Folder("planted")
                self.addCleanup(folder.remove)
                (folder.path / "deep").mkdir()
                (folder.path / "deep/log").write_bytes(b"before\0\xff\n" + text.encode() + b"\n")
                (folder.path / "harmless").write_text("kept: to/myself+99%", encoding="ascii")
                self.assertEqual(artefacts.found(["another secret", PLANTED], folder.path),
                                 [(PLANTED, str(folder.path / "deep/log"))])

    def test_of_this_run_none_is(self):
        folder = artefacts.folder()
        if not folder or not folder.exists():
            packages.skip("no other test ran before this one")
        known = (folder / "secrets").read_text(encoding="utf-8").splitlines()
        kept = [path for path in (folder / "kept").rglob("*") if path.is_file()]
        print(f"{len(set(known))} secrets in {len(kept)} artefacts of "
              f"{sum(path.stat().st_size for path in kept)} bytes")
        self.assertTrue(known)
        self.assertTrue(kept)
        self.assertEqual(artefacts.found(known, folder / "kept"), [])


if __name__ == "__main__":
    suite.main()
