"""Logins that TLS has a part in, against relays that check everything: SCRAM bound to the connection,
both kinds, and EXTERNAL by lockstep's own certificate."""

import base64
import hashlib
import hmac
import pathlib
import ssl
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, place, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.fake import Polite, Secured, Upstream  # noqa: E402
from support.process import Process  # noqa: E402

USER, PASSWORD = "scanner", artefacts.new_secret()
SALT, ROUNDS = b"salt of the relay", 4096


def digest(key, text):
    return hmac.digest(key, text, "sha256")


def exported(secret, label, size, name):
    """RFC 8446 7.5, with an empty context; `name` is the hash of the cipher."""
    def expand(key, what, context, length):
        info = length.to_bytes(2, "big") + bytes([len(what) + 6]) + b"tls13 " + what
        info += bytes([len(context)]) + context
        return hmac.digest(key, info + b"\x01", name)[:length]  # one block is enough

    empty = hashlib.new(name).digest()
    return expand(expand(secret, label, empty, len(empty)), b"exporter", empty, size)


class Bound(Polite):
    """Offers SCRAM-SHA-256-PLUS behind TLS. `bindings` has what it was bound to, when it passed;
    `between` is for somebody between us: the relay sees another connection than its client."""

    def __init__(self, keys, between=False):
        super().__init__(keywords=("8BITMIME", "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN"),
                         replies={"MAIL": b"530 5.7.0 Authentication required\r\n"})
        self.keys = keys
        self.between = between
        self.bindings = []

    def binding(self, talk):
        """Its name and bytes."""
        if self.between:
            return b"tls-exporter", b"x" * 32
        if talk.socket.version() == "TLSv1.2":
            return b"tls-unique", talk.socket.get_channel_binding("tls-unique")
        secret = bytes.fromhex(self.keys.read_text().split("EXPORTER_SECRET ")[-1].split()[1])
        name = "sha384" if "SHA384" in talk.socket.cipher()[0] else "sha256"
        return b"tls-exporter", exported(secret, b"EXPORTER-Channel-Binding", 32, name)

    def say(self, talk, word, text):
        if word == "AUTH":
            text = self.log_in(talk)
        return super().say(talk, word, text)

    def log_in(self, talk):
        line = talk.heard.splitlines()[-1]
        if not line.startswith(b"AUTH SCRAM-SHA-256-PLUS "):
            return b"504 5.5.4 only bound\r\n"
        name, binding = self.binding(talk)
        first = base64.b64decode(line.split()[2])
        header, bare = first[:first.index(b"n=")], first[first.index(b"n="):]
        nonce = bare.split(b"r=")[1] + b"andours"
        server = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(SALT), ROUNDS)
        talk.say(b"334 %s\r\n" % base64.b64encode(server))
        final = base64.b64decode(talk.line())
        without, _, proof = final.rpartition(b",p=")
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), SALT, ROUNDS)
        client = digest(salted, b"Client Key")
        messages = b",".join((bare, server, without))
        signature = digest(hashlib.sha256(client).digest(), messages)
        right = bytes(one ^ other for one, other in zip(client, signature))
        bound = base64.b64encode(b"p=%s,," % name + binding)
        if (header != b"p=%s,," % name or without != b"c=%s,r=%s" % (bound, nonce)
                or base64.b64decode(proof) != right):
            return b"535 5.7.8 no\r\n"
        talk.say(b"334 %s\r\n" % base64.b64encode(
            b"v=" + base64.b64encode(digest(digest(salted, b"Server Key"), messages))))
        if talk.line().strip():
            return b"501 5.5.2 that was all\r\n"
        self.bindings.append(name.decode())
        del self.replies["MAIL"]
        return b"235 2.7.0 welcome\r\n"


class Certified(Polite):
    """Knows its client by his certificate, and lets him act as USER only."""

    def __init__(self):
        super().__init__(keywords=("AUTH EXTERNAL PLAIN",),
                         replies={"MAIL": b"530 5.7.0 Authentication required\r\n"})

    def say(self, talk, word, text):
        if word == "AUTH":
            text = b"535 5.7.8 no\r\n"
            line = talk.heard.splitlines()[-1]
            names = dict(pair[0] for pair in talk.socket.getpeercert()["subject"])
            if (line == b"AUTH EXTERNAL " + base64.b64encode(USER.encode())
                    and names["commonName"] == "scanner.client.test"):
                del self.replies["MAIL"]
                text = b"235 2.7.0 welcome\r\n"
        return super().say(talk, word, text)


class Binding(unittest.TestCase):
    def setUp(self):
        self.folder = place.Folder("binding")
        self.addCleanup(self.folder.remove)
        self.authority = Authority(self.folder.path)
        self.leaf = self.authority.issue("localhost", "127.0.0.1")

    def bound(self, between=False, **versions):
        """Sends through a relay that wants to be bound; the code of the answer to MAIL."""
        keys = self.folder.path / "keys"
        self.relay = Bound(keys, between)
        behind = Secured(self.relay, self.leaf, **versions)
        behind.context.keylog_filename = str(keys)
        return self.deliver(behind)

    def deliver(self, behind, relay="", user=USER):
        """As a device that knows of no login."""
        here = self.folder.path
        upstream = Upstream(behind)
        self.addCleanup(upstream.stop)
        (here / "password").write_text(PASSWORD)
        (here / "password").chmod(0o600)
        secret = "" if relay else f", password_file: {here}/password"
        (here / "lockstep.yaml").write_text(f"""config_version: 1
workers: 1
listeners:
  - name: main
    listen: 127.0.0.1:0
    relay: office
    routes: [{{credential: scanner}}]
relays:
  office: {{address: ["smtps://127.0.0.1:{upstream.port}"], ca: {self.authority.certificate}{relay}}}
credentials:
  scanner: {{user: {user}{secret}}}
""", encoding="ascii")
        self.process = Process("run", [place.lockstep(), "run", "-c", here / "lockstep.yaml"], here)
        self.addCleanup(self.process.stop)
        with wire.Conversation(self.process.await_ready()[0]) as talk:
            talk.reply()
            talk.ask(b"HELO scanner.client.test")
            return talk.ask(b"MAIL FROM:<sender@client.test>").code

    def test_by_the_exporter_of_tls_1_3(self):
        self.assertEqual(self.bound(minimum=ssl.TLSVersion.TLSv1_3), 250)
        self.assertEqual(self.relay.bindings, ["tls-exporter"])

    def test_by_the_first_finished_message_of_tls_1_2(self):
        self.assertEqual(self.bound(maximum=ssl.TLSVersion.TLSv1_2), 250)
        self.assertEqual(self.relay.bindings, ["tls-unique"])

    def test_somebody_between_gets_no_login(self):
        self.assertIn(self.bound(between=True, minimum=ssl.TLSVersion.TLSv1_3), (454, 550))
        self.assertEqual(self.relay.bindings, [])
        self.assertIn("refused credential scanner by SCRAM-SHA-256-PLUS",
                      self.process.out_path.read_text() + self.process.err_path.read_text())

    def test_by_our_own_certificate(self):
        ours = self.authority.issue("scanner.client.test", client=True)
        for user, code in ((USER, 250), ("somebody-else", 454)):
            with self.subTest(user=user):
                behind = Secured(Certified(), self.leaf)
                behind.context.verify_mode = ssl.CERT_REQUIRED
                behind.context.load_verify_locations(self.authority.certificate)
                self.assertEqual(self.deliver(
                    behind, f", auth: [EXTERNAL], certificate: {ours.certificate}, key: {ours.key}",
                    user), code)


if __name__ == "__main__":
    suite.main()
