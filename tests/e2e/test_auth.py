"""Clients that authenticate through lockstep, and what is written down of it: no secret."""

import base64
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, packages, place, proxy, suite, wire  # noqa: E402
from support.process import Process  # noqa: E402

USER, PASSWORD = "scanner@client.test", artefacts.secret("pass-9-word")
TOKENS = [base64.b64encode(text.encode()).decode() for text in (
    PASSWORD, f"\0{USER}\0{PASSWORD}", f"{USER}\0{USER}\0{PASSWORD}")]
SENDER, RECIPIENT = "sender@client.test", "one@lockstep.test"
MESSAGE = b"Subject: authenticated\r\n\r\nwords\r\n"


class Auth(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = place.Folder("auth")
        cls.addClassCleanup(cls.folder.remove)
        cls.mail = cls.folder.path / "mail"
        cls.sink = Process("sink", [place.lockstep(), "sink", "--listen", "127.0.0.1:0",
                                    "--auth", f"{USER}:{PASSWORD}", "--maildir", cls.mail],
                           cls.folder.path)
        cls.addClassCleanup(cls.sink.stop)
        cls.lockstep = proxy.Proxy(cls.sink.await_ready()[0], transcripts=True)
        cls.addClassCleanup(cls.lockstep.stop)
        (cls.folder.path / "message").write_bytes(MESSAGE)

    def setUp(self):
        for path in (self.mail / "new").glob("*"):
            path.unlink()

    def assert_stored(self):
        stored = [path.read_bytes() for path in (self.mail / "new").glob("*")]
        self.assertEqual(len(stored), 1)
        self.assertIn(b"Subject: authenticated", stored[0])

    def run_client(self, name, *words, password=PASSWORD):
        path = self.folder.path / "message"
        with open(path, "rb") as given:
            return subprocess.run(
                [packages.program(name), *[str(word).format(
                    port=self.lockstep.port, user=USER, password=password, message=path)
                    for word in words]],
                stdin=given, capture_output=True, timeout=60, check=False).returncode

    CLIENTS = {
        "curl": ["--silent", "smtp://127.0.0.1:{port}", "--user", "{user}:{password}",
                 "--mail-from", SENDER, "--mail-rcpt", RECIPIENT, "--upload-file", "{message}"],
        "swaks": ["--server", "127.0.0.1", "--port", "{port}", "--from", SENDER, "--to", RECIPIENT,
                  "--auth", "LOGIN", "--auth-user", "{user}", "--auth-password", "{password}",
                  "--pipeline", "--data", "@{message}"],
        "msmtp": ["--file=/dev/null", "--host=127.0.0.1", "--port={port}", "--tls=off",
                  "--auth=plain", "--user={user}", "--passwordeval=echo {password}",
                  f"--from={SENDER}", RECIPIENT],
    }

    def test_clients_are_let_in(self):
        for name, words in self.CLIENTS.items():
            with self.subTest(client=name):
                self.setUp()
                self.assertEqual(self.run_client(name, *words), 0)
                self.assert_stored()

    def test_a_wrong_password_is_refused(self):
        for name, words in self.CLIENTS.items():
            with self.subTest(client=name):
                self.assertNotEqual(self.run_client(name, *words, password="wrong"), 0)
        self.assertEqual(list((self.mail / "new").glob("*")), [])

    def test_cancelled_and_tried_again(self):
        with wire.Conversation(self.lockstep.port) as talk:
            talk.open()
            self.assertEqual(talk.ask(b"AUTH LOGIN").code, 334)
            self.assertEqual(talk.ask(b"*").code // 100, 5)
            self.assertEqual(talk.ask(b"AUTH PLAIN").code, 334)
            self.assertEqual(talk.ask(TOKENS[1].encode()).code, 235)
            self.assertEqual(talk.ask(b"QUIT").code, 221)

    def tearDown(self):
        """No secret in a transcript or in the log, in clear or encoded."""
        transcripts = self.lockstep.folder.path / "transcripts"
        place.await_true("a transcript", lambda: list(transcripts.glob("*")))
        self.assertIn("AUTH", "".join(path.read_text() for path in transcripts.glob("*")))
        for root in (transcripts, self.lockstep.process.out_path, self.lockstep.process.err_path):
            self.assertEqual(artefacts.found([PASSWORD], root), [])


if __name__ == "__main__":
    suite.main()
