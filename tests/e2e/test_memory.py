"""What a core of the process would show: of a secret that was used nothing but the one copy that is
kept for the next login, and of a client's password nothing at all.
"""

import pathlib
import smtplib
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, packages, place, proxy, relays, secure_relays, suite  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.process import Process  # noqa: E402
from support.secure_relays import PASSWORD, SENDER, USER  # noqa: E402
from support.token_endpoint import SECRET, TokenEndpoint  # noqa: E402

RECIPIENT = f"one@{relays.DOMAIN}"
MESSAGE = relays.MARK + b" 1\r\n\r\nwords\r\n"


def setUpModule():
    if b"__asan_init" in pathlib.Path(place.lockstep()).read_bytes():
        raise unittest.SkipTest("sanitizers keep copies of their own")
    global folder, authority, leaf
    folder = place.Folder("memory")
    unittest.addModuleCleanup(folder.remove)
    authority = Authority(folder.path)
    leaf = authority.issue("localhost", "127.0.0.1")


def memory(pid):
    """All that the process may write to, piece by piece."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        ranges = [line.split()[0].split("-") for line in maps if line.split()[1][:2] == "rw"]
    with open(f"/proc/{pid}/mem", "rb", 0) as everything:
        for first, end in ranges:
            try:
                everything.seek(int(first, 16))
                yield everything.read(int(end, 16) - int(first, 16))
            except OSError:  # gone meanwhile
                pass


class Memory(unittest.TestCase):
    def start(self, address, **words):
        lockstep = proxy.Proxy(addresses=[address], options=["--core-dumps"], **words)
        self.addCleanup(lockstep.stop)
        return lockstep

    def send(self, lockstep, secured, password=None):
        with smtplib.SMTP("localhost", lockstep.port, "client.test", timeout=30) as server:
            if secured:
                server.starttls(context=ssl.create_default_context(cafile=authority.certificate))
            if password:
                server.login("device", password)
            server.sendmail(SENDER, [RECIPIENT], MESSAGE)

    def assert_left(self, lockstep, secret, copies):
        """Once its sessions have ended."""
        place.await_true("the session to end", lambda: '"ending"' in lockstep.process.log())
        shown = list(memory(lockstep.process.pid))
        self.assertGreater(sum(map(len, shown)), 1 << 20)
        for form in artefacts.disguises(secret):
            count = sum(piece.count(form) for piece in shown)
            self.assertLessEqual(count, copies if form == secret.encode() else 0, form)

    def offer(self):
        return f"tls: {{offer: starttls, certificate: {leaf.certificate}, key: {leaf.key}}}\n"


class Upstream(Memory):
    """What lockstep logs in with."""

    @classmethod
    def setUpClass(cls):
        cls.relay = secure_relays.Dovecot()
        cls.addClassCleanup(cls.relay.stop)
        cls.endpoint = TokenEndpoint(leaf, user=USER)
        cls.addClassCleanup(cls.endpoint.stop)
        cls.relay.trust(cls.endpoint)

    def through(self, scheme, mechanism, credential):
        return self.start(
            f"{scheme}://127.0.0.1:{self.relay.port}",
            settings=f"credentials:\n  known: {{user: {USER}, {credential}}}",
            listener=self.offer() + "routes:\n  - {credential: known}\n",
            relay=f"auth: [{mechanism}]\n" + (
                "allow_clear: on" if scheme == "smtp"
                else f"ca: {self.relay.authority.certificate}"))

    def test_passwords(self):
        credential = f"password_file: {folder.private('password', PASSWORD)}"
        for mechanism in self.relay.mechanisms:
            for scheme in ("smtp", "starttls"):
                with self.subTest(mechanism=mechanism, scheme=scheme):
                    lockstep = self.through(scheme, mechanism, credential)
                    self.send(lockstep, scheme == "starttls")
                    self.assert_left(lockstep, PASSWORD, 1)
                    lockstep.stop()

    def test_tokens(self):
        for mechanism in self.relay.bearers:
            with self.subTest(mechanism=mechanism):
                lockstep = self.through("starttls", mechanism, (
                    f"oauth2: {{{self.endpoint.yaml(authority.certificate)}, "
                    f"grant: client-credentials, client-secret_file: {folder.private('client', SECRET)}, "
                    f"token_file: {folder.path}/{mechanism}}}"))
                self.send(lockstep, True)
                for secret in self.endpoint.secrets:
                    self.assert_left(lockstep, secret, 2)


class Client(Memory):
    """What clients log in with."""

    @classmethod
    def setUpClass(cls):
        cls.own = artefacts.new_secret()

    def sink(self, *words):
        sink = Process("sink", [place.lockstep(), "sink", "--listen", "127.0.0.1:0", *words],
                       folder.path)
        self.addCleanup(sink.stop)
        return f"smtp://127.0.0.1:{sink.await_ready()[0]}"

    def test_passed_on(self):
        address = self.sink("--auth", f"device:{self.own}")
        for secured in (False, True):
            with self.subTest(secured=secured):
                lockstep = self.start(address, listener=self.offer() + "auth: {clear: on}")
                self.send(lockstep, secured, self.own)
                self.assert_left(lockstep, self.own, 0)

    def test_checked_here(self):
        address = self.sink()
        crypted = subprocess.run([packages.program("openssl"), "passwd", "-6", "-stdin"],
                                 input=self.own, text=True, capture_output=True, check=True,
                                 timeout=30).stdout.strip()
        for secured in (False, True):
            with self.subTest(secured=secured):
                lockstep = self.start(
                    address, listener=self.offer() + "auth: {clients: check, clear: on, "
                    f"file: {folder.private('hashes', f'device:{crypted}')}}}")
                self.send(lockstep, secured, self.own)
                self.assert_left(lockstep, self.own, 0)


if __name__ == "__main__":
    suite.main()
