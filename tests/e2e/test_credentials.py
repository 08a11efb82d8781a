"""Every place a credential can come from, in front of a relay that wants it, and what changes
there while lockstep runs."""

import base64
import os
import pathlib
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, place, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402
from support.process import Process  # noqa: E402

# Each is also the user's name there and what the sender says before its @.
SOURCES = {
    "file": "password_file: {here}/file",
    "environment": "password_env: LOCKSTEP_TEST_PASSWORD",
    "command": "password_command: /bin/cat {here}/command",
    "systemd": "credential: systemd",
    "store": "store: shop",
    "postfix": "import: {here}/sasl_passwd",
    "msmtp": "import: {here}/msmtprc",
    "netrc": "import: {here}/netrc",
}


class Relay(Polite):
    """Takes mail from whoever says the password of its user."""

    def __init__(self):
        super().__init__(keywords=("AUTH PLAIN",))
        self.passwords = {}
        self.logins = []

    def other(self, talk, line):
        words = line.split()
        if words[0].upper() != b"AUTH":
            if words[0].upper() == b"MAIL" and not getattr(talk, "known", False):
                return b"530 5.7.0 log in first\r\n"
            return b"250 2.0.0 ok\r\n"
        _, user, password = base64.b64decode(words[2]).decode().split("\0")
        talk.known = self.passwords[user] == password
        self.logins.append((user, talk.known))
        return b"235 2.7.0 welcome\r\n" if talk.known else b"535 5.7.8 wrong\r\n"


class Credentials(unittest.TestCase):
    def setUp(self):
        folder = place.Folder("credentials")
        self.addCleanup(folder.remove)
        self.here = folder.path
        self.relay = Relay()
        self.upstream = Upstream(self.relay)
        self.addCleanup(self.upstream.stop)
        secrets = self.relay.passwords = {
            source: artefacts.secret(f"{source}-pass-word-{i}") for i, source in enumerate(SOURCES)}
        self.environment = dict(os.environ, LOCKSTEP_TEST_PASSWORD=secrets["environment"],
                                CREDENTIALS_DIRECTORY=str(self.here))
        self.put("file", secrets["file"] + "\n")
        self.put("command", secrets["command"] + "\nand more\n")
        self.put("systemd", secrets["systemd"], 0o440)
        self.put("sasl_passwd", "# by sender\nnobody@client.test nobody:nothing\n"
                                f"postfix@client.test\n  postfix:{secrets['postfix']}\n")
        self.put("msmtprc", "defaults\nauth on\naccount a\nhost 127.0.0.1\nuser msmtp\n"
                            f"passwordeval echo '{secrets['msmtp']}' | cat\n")
        self.put("netrc", f'machine 127.0.0.1 login netrc password "{secrets["netrc"]}"\n')
        self.secret("--create-key", "set", "shop", typed=secrets["store"])

    def put(self, name, text, mode=0o600):
        path = self.here / name
        path.write_text(text)
        path.chmod(mode)

    def secret(self, *words, typed):
        where = ("--directory", self.here / "store", "--key-file", self.here / "key")
        ran = subprocess.run([place.lockstep(), "secret", *where, *words], input=typed, text=True,
                             check=True, timeout=30, capture_output=True)
        artefacts.keep_text("secret", ran.stdout + ran.stderr)

    def configure(self, sources):
        routes = "\n".join(f'      - {{sender: "{name}@client.test", credential: {name}}}'
                           for name in sources)
        credentials = "\n".join(
            f"  {name}: {{{'' if 'import' in where else f'user: {name}, '}"
            f"{where.format(here=self.here)}}}" for name, where in sources.items())
        self.put("lockstep.yaml", f"""config_version: 1
workers: 1
store: {{directory: {self.here}/store, key_file: {self.here}/key}}
listeners:
  - name: main
    listen: 127.0.0.1:0
    relay: office
    routes:
{routes}
relays:
  office: {{address: ["smtp://127.0.0.1:{self.upstream.port}"], allow_clear: on}}
credentials:
{credentials}
""")

    def serve(self, sources=None):
        self.configure(sources or SOURCES)
        self.process = Process("run", [place.lockstep(), "run", "-c", self.here / "lockstep.yaml"],
                               self.here, env=self.environment)
        self.addCleanup(self.process.stop)
        self.port = self.process.await_ready()[0]

    def mail(self, source):
        """The answer to MAIL of a device that knows of no login."""
        with wire.Conversation(self.port) as talk:
            talk.open()
            return talk.ask(f"MAIL FROM:<{source}@client.test>".encode())

    def assert_taken(self, source):
        reply = self.mail(source)
        self.assertEqual(reply.code, 250, f"{source}: {reply} {self.process.log()}")

    def test_every_source(self):
        self.serve()
        for source in SOURCES:
            with self.subTest(source):
                self.assert_taken(source)
                self.assert_taken(source)
        self.assertEqual(self.relay.logins,
                         [(source, True) for source in SOURCES for _ in range(2)])

    def test_what_changes_while_it_runs(self):
        self.serve()
        for source in SOURCES:
            self.assert_taken(source)
        new = artefacts.secret("another-pass-word-9")
        self.put("file", new)
        self.put("command", new)
        self.put("netrc", f"default login netrc password {new}\n")
        self.secret("set", "shop", typed=new)
        for source in ("file", "command", "store", "netrc"):
            self.relay.passwords[source] = new
            with self.subTest(source):
                self.assert_taken(source)

    def test_a_wrong_password_is_tried_no_more_often_than_it_changes(self):
        self.serve()
        self.relay.passwords["file"] = artefacts.secret("never-told-4")
        self.relay.logins.clear()
        self.assertEqual(self.mail("file").code, 454)
        self.assertEqual(self.relay.logins, [("file", False)])

    def test_what_others_can_read_is_not_used(self):
        for name in "file", "sasl_passwd", "msmtprc":
            (self.here / name).chmod(0o640)
        self.serve()
        for source, name in (("file", "file"), ("postfix", "sasl_passwd"), ("msmtp", "msmtprc")):
            with self.subTest(source):
                self.assertEqual(self.mail(source).code, 454)
                self.assertIn(f"chmod 600 {self.here}/{name}", self.process.log())
        self.assertEqual(self.relay.logins, [])

    def test_another_configuration(self):
        self.serve()
        self.assert_taken("file")
        self.relay.passwords["file"] = self.relay.passwords["environment"]
        sources = dict(SOURCES, file=SOURCES["environment"])
        self.configure(sources)
        self.reload("is in force")
        self.assert_taken("file")
        self.configure(dict(sources, store="store: other"))
        self.put("lockstep.yaml", (self.here / "lockstep.yaml").read_text().replace(
            f"key_file: {self.here}/key", f"key_file: {self.here}/file"))
        self.reload("stays in force")
        self.assertIn(f"{self.here}/file is no key", self.process.log())
        self.assert_taken("store")

    def reload(self, says):
        self.process.child.send_signal(signal.SIGHUP)
        place.await_true(says, lambda: says in self.process.log())


if __name__ == "__main__":
    suite.main()
