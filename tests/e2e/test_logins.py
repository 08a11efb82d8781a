"""Clients that log in to lockstep: checked by a file of hashes, and by Dovecot."""

import base64
import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, packages, place, proxy, secure_relays, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402

USER, PASSWORD = secure_relays.USER, secure_relays.PASSWORD
WRONG = artefacts.secret("never-the-password")
SENDER, RECIPIENT = "sender@client.test", "one@lockstep.test"
# A first failure of an address costs nothing, nor does the second; a test may have no more.


def hashed(password):
    """As crypt(3) would."""
    return subprocess.run([packages.program("openssl"), "passwd", "-6", "-stdin"], text=True,
                          input=password, capture_output=True, timeout=30, check=True).stdout.strip()


class Logins(unittest.TestCase):
    def setUp(self):
        self.relay = Polite()
        self.upstream = Upstream(self.relay)
        self.addCleanup(self.upstream.stop)
        self.folder = place.Folder("logins")
        self.addCleanup(self.folder.remove)

    def serve(self, auth):
        self.lockstep = proxy.Proxy(self.upstream.port, transcripts=True,
                                    listener=f"auth: {{clients: check, clear: on, {auth}}}")
        self.addCleanup(self.lockstep.stop)

    def write(self, mode=0o600, **hashes):
        path = self.folder.path / "logins"
        path.write_text("# scanners\n" + "".join(
            f"{name}:{value}\n" for name, value in hashes.items()), encoding="ascii")
        path.chmod(mode)
        return path

    def log_in(self, password=PASSWORD, user=USER, talk=None):
        """The code of the answer to AUTH PLAIN."""
        token = base64.b64encode(f"\0{user}\0{password}".encode())
        with talk or wire.Conversation(self.lockstep.port) as talk:
            self.assertIn(b"PLAIN", talk.open())
            return talk.ask(b"AUTH PLAIN " + token).code

    def run_client(self, name, *words):
        message = self.folder.path / "message"
        message.write_bytes(b"Subject: let in\r\n\r\nwords\r\n")
        with open(message, "rb") as given:
            return subprocess.run(
                [packages.program(name), *[str(word).format(
                    port=self.lockstep.port, user=USER, password=PASSWORD, message=message)
                    for word in words]],
                stdin=given, capture_output=True, timeout=60, check=False).returncode

    def assert_no_secret(self):
        for root in (self.lockstep.folder.path / "transcripts", self.lockstep.process.out_path,
                     self.lockstep.process.err_path):
            self.assertEqual(artefacts.found([PASSWORD, WRONG], root), [])


class ByFile(Logins):
    def test_clients_are_let_in_and_the_relay_sees_no_login(self):
        self.serve(f"file: {self.write(**{USER: hashed(PASSWORD)})}")
        self.assertEqual(self.run_client(
            "curl", "--silent", "smtp://127.0.0.1:{port}", "--user", "{user}:{password}",
            "--mail-from", SENDER, "--mail-rcpt", RECIPIENT, "--upload-file", "{message}"), 0)
        self.assertEqual(self.run_client(
            "swaks", "--server", "127.0.0.1", "--port", "{port}", "--from", SENDER,
            "--to", RECIPIENT, "--auth", "LOGIN", "--auth-user", "{user}",
            "--auth-password", "{password}", "--data", "@{message}"), 0)
        self.assertEqual(self.run_client(
            "msmtp", "--file=/dev/null", "--host=127.0.0.1", "--port={port}", "--tls=off",
            "--auth=plain", "--user={user}", "--passwordeval=echo {password}",
            f"--from={SENDER}", RECIPIENT), 0)
        self.assertEqual(len(self.relay.delivered), 3)
        self.upstream.settle()
        self.assertNotIn(b"AUTH", b"".join(self.upstream.heard))
        self.assert_no_secret()

    def test_a_wrong_password_and_a_wrong_name_are_refused_alike(self):
        self.serve(f"file: {self.write(**{USER: hashed(PASSWORD)})}")
        self.assertEqual(self.log_in(WRONG), 535)
        self.assertEqual(self.log_in(PASSWORD, user="nobody"), 535)
        self.assertEqual(self.log_in(), 235)
        self.assert_no_secret()

    def test_the_file_counts_as_it_is_now(self):
        path = self.write(**{USER: hashed("another")})
        self.serve(f"file: {path}")
        self.assertEqual(self.log_in(), 535)
        self.write(**{USER: hashed(PASSWORD)})
        self.assertEqual(self.log_in(), 235)
        path.chmod(0o644)
        self.assertEqual(self.log_in(), 454)
        self.assertIn("can be read", self.lockstep.process.err_path.read_text()
                      + self.lockstep.process.out_path.read_text())
        path.unlink()
        self.assertEqual(self.log_in(), 454)

    def test_who_fails_again_and_again_has_to_wait(self):
        self.serve(f"file: {self.write(**{USER: hashed(PASSWORD)})}")
        for _ in range(5):
            self.assertEqual(self.log_in(WRONG), 535)
        began = time.monotonic()
        self.assertEqual(self.log_in(), 235)
        self.assertGreater(time.monotonic() - began, 2.9)
        began = time.monotonic()
        self.assertEqual(self.log_in(), 235)
        self.assertLess(time.monotonic() - began, 2.9)


class ByDovecot(Logins):
    @classmethod
    def setUpClass(cls):
        cls.dovecot = secure_relays.Dovecot()
        cls.addClassCleanup(cls.dovecot.stop)

    def test_dovecot_says_who_is_let_in(self):
        self.serve(f"socket: {self.dovecot.socket}")
        self.assertEqual(self.log_in(), 235)
        self.assertEqual(self.log_in(WRONG), 535)
        self.assertEqual(self.log_in(PASSWORD, user="nobody"), 535)
        self.assertEqual(self.log_in(), 235)
        self.assert_no_secret()

    def test_many_ask_at_the_same_time(self):
        self.serve(f"socket: {self.dovecot.socket}")
        token = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
        talks = [wire.Conversation(self.lockstep.port) for _ in range(20)]
        for talk in talks:
            self.addCleanup(talk.close)
            talk.open()
        for talk in talks:
            talk.say(b"AUTH PLAIN " + token + b"\r\n")
        self.assertEqual([talk.reply().code for talk in talks], [235] * len(talks))

    def test_without_dovecot_clients_shall_come_again(self):
        self.serve(f"socket: {self.folder.path}/nobody")
        self.assertEqual(self.log_in(), 454)


if __name__ == "__main__":
    suite.main()
