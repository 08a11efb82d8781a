"""Relays and clients that make trouble on the way to TLS and a login. Each time the client hears
something that it can act on, no message is lost or doubled, and nothing unasked for is believed.
"""

import base64
import pathlib
import re
import smtplib
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, packages, place, proxy, relays, secure_relays, suite  # noqa: E402
from support import wire  # noqa: E402
from support.certificates import Authority, Leaf  # noqa: E402
from support.fake import Polite, Upstream, server_context  # noqa: E402
from support.secure_relays import PASSWORD, SENDER, USER  # noqa: E402

RECIPIENT = f"one@{relays.DOMAIN}"
MESSAGE = relays.MARK + b" 1\r\nSubject: trouble\r\n\r\nwords\r\n"
ROUTES = "routes:\n  - {credential: known}\n"


def setUpModule():
    global folder, authority, leaf
    folder = place.Folder("trouble")
    unittest.addModuleCleanup(folder.remove)
    authority = Authority(folder.path)
    leaf = authority.issue("localhost", "127.0.0.1")


def credential(password=PASSWORD):
    path = folder.private("password", password)
    return f"credentials:\n  known: {{user: {USER}, password_file: {path}}}"


def offer(offer_="starttls", more=""):
    return (f"tls: {{offer: {offer_}, certificate: {leaf.certificate}, key: {leaf.key}{more}}}\n")


class Trouble(unittest.TestCase):
    def start(self, address, relay="", listener=ROUTES, settings=None):
        lockstep = proxy.Proxy(addresses=[address], listener=listener, relay=relay,
                               transcripts=True, settings=credential() if settings is None
                               else settings)
        self.addCleanup(lockstep.stop)
        self.addCleanup(lockstep.keep_answers)
        return lockstep

    def attempt(self, lockstep, sender=SENDER):
        """The last reply to one message: a refusal, or what came behind its dot."""
        with wire.Conversation(lockstep.port) as talk:
            reply = talk.reply()
            for line in ("EHLO client.test", f"MAIL FROM:<{sender}>", f"RCPT TO:<{RECIPIENT}>",
                         "DATA"):
                if reply.code >= 400:
                    return reply
                reply = talk.ask(line.encode())
            if reply.code == 354:
                talk.say(wire.stuffed(MESSAGE))
                reply = talk.reply()
            return reply

    def assert_says(self, reply, start, *words):
        self.assertTrue(reply.startswith(start), reply)
        for word in words:
            self.assertIn(word.lower(), reply.lower())

    def transcripts(self, lockstep):
        return "".join(path.read_text(errors="replace") for path in
                       (lockstep.folder.path / "transcripts").glob("*"))

    def await_note(self, lockstep, words):
        place.await_true(f"{words} in a transcript",
                         lambda: words in self.transcripts(lockstep), 5)


class Certificates(Trouble):
    """A real relay shows a certificate that will not do, behind STARTTLS and at once."""

    def refused(self, shown, *words):
        with secure_relays.Exim(shown) as relay:
            for address in (f"starttls://127.0.0.1:{relay.port}",
                            f"smtps://127.0.0.1:{relay.tls_port}"):
                with self.subTest(address=address):
                    lockstep = self.start(address, f"ca: {authority.certificate}")
                    reply = self.attempt(lockstep)
                    self.assert_says(reply, b"421 4.", b"relay")
                    self.assertNotIn(b"127.0.0.1", reply)  # why is the log's to know
                    place.await_true("the reason in the log", lambda: all(
                        word in lockstep.process.log().lower()
                        for word in ("relay_error", "tls: ", *words)), 5)
            self.assertEqual(relay.files("one"), [])
            self.assertEqual(relay.logins(), [])

    def test_of_another_name(self):
        self.refused(authority.issue("elsewhere.test"), "match")

    def test_expired(self):
        self.refused(authority.issue("127.0.0.1", file="expired", expired=True), "expired")

    def test_of_another_authority(self):
        other = Authority(folder.path, "other")
        self.refused(other.issue("127.0.0.1", file="strange"), "issuer")

    def test_signed_by_itself(self):
        own = Leaf(folder.path / "own.pem", folder.path / "own.key")
        subprocess.run([packages.program("openssl"), "req", "-x509", "-newkey", "rsa:2048",
                        "-nodes", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", own.key,
                        "-out", own.certificate],
                       check=True, capture_output=True, timeout=60)
        self.refused(own, "self-signed")


class NoStarttls(Trouble):
    def test_nothing_is_said_in_clear(self):
        relay = Polite(keywords=("AUTH PLAIN LOGIN", "8BITMIME"))
        with Upstream(relay) as upstream:
            reply = self.attempt(self.start(f"starttls://127.0.0.1:{upstream.port}"))
            self.assert_says(reply, b"4", b"4.7.", b"tls")
            upstream.settle()
            self.assertNotIn(b"AUTH", upstream.heard[0])
            self.assertNotIn(b"MAIL", upstream.heard[0])
            self.assertEqual(relay.delivered, [])

    def test_stripped_where_it_was_offered_before(self):
        # With `tls: offered` a relay may do without, but not one that once did not.
        relay = Polite(context=server_context(leaf))
        with Upstream(relay) as upstream:
            lockstep = self.start(f"starttls://127.0.0.1:{upstream.port}",
                                  f"tls: offered\nca: {authority.certificate}", "", "")
            self.assertEqual(self.attempt(lockstep).code, 250)
            relay.context = None
            reply = self.attempt(lockstep)
            self.assert_says(reply, b"4", b"4.7.", b"tls")
            self.await_note(lockstep, "! finding starttls-stripped")
            self.assertEqual(len(relay.delivered), 1)


class Injection(Trouble):
    """Bytes that came in clear behind STARTTLS belong to somebody in between."""

    def test_behind_the_clients_starttls(self):
        with Upstream(Polite()) as upstream:
            lockstep = self.start(f"smtp://127.0.0.1:{upstream.port}", "", offer(), "")
            with wire.Conversation(lockstep.port) as talk:
                talk.open()
                talk.say(b"STARTTLS\r\nMAIL FROM:<evil@client.test>\r\nRCPT TO:<one@fake.test>\r\n")
                heard = talk.rest()
            self.assertFalse(heard.startswith(b"220"), heard)
            self.assertNotIn(b"\n250", b"\n" + heard)
            upstream.settle()
            self.assertNotIn(b"evil", b"".join(upstream.heard))
            self.await_note(lockstep, "! answer STARTTLS code=421")

    def test_behind_the_relays_220(self):
        relay = Polite(context=server_context(leaf), replies={
            "STAR": b"220 2.0.0 go on\r\n250-fake.test\r\n250 AUTH PLAIN\r\n"})
        with Upstream(relay) as upstream:
            lockstep = self.start(f"starttls://127.0.0.1:{upstream.port}",
                                  f"ca: {authority.certificate}")
            reply = self.attempt(lockstep)
            self.assert_says(reply, b"4")
            upstream.settle()
            self.assertNotIn(b"AUTH", upstream.heard[0])
            self.assertNotIn(b"MAIL", upstream.heard[0])
            self.assertEqual(relay.delivered, [])
            self.await_note(lockstep, "! finding clear-behind-starttls")


class Answers(Trouble):
    """Only 235 is a login."""

    def test_other_good_answers(self):
        for answer in (b"250 2.7.0 ok\r\n", b"354 go on\r\n", b"334 \r\n", b"235ok\r\n"):
            with self.subTest(answer=answer):
                relay = Polite(keywords=("AUTH PLAIN", "8BITMIME"),
                               replies={"AUTH": answer, "*\r\n": b"501 cancelled\r\n"})
                with Upstream(relay) as upstream:
                    lockstep = self.start(f"smtp://127.0.0.1:{upstream.port}", "allow_clear: on")
                    self.assert_says(self.attempt(lockstep), b"4")
                    self.assertEqual(relay.delivered, [])
                    upstream.settle()
                    self.assertNotIn(b"MAIL", b"".join(upstream.heard))

    def test_asked_for_only_at_mail(self):
        # A relay that says nothing of AUTH until somebody sends mail without.
        class Hiding(Polite):
            logged_in = False

            def say(self, talk, word, text):
                if word == "AUTH":
                    self.logged_in = True
                    text = b"235 2.7.0 ok\r\n"
                elif word == "MAIL" and not self.logged_in:
                    text = b"530 5.7.0 Authentication required\r\n"
                return super().say(talk, word, text)

        relay = Hiding(keywords=("8BITMIME",))
        with Upstream(relay) as upstream:
            lockstep = self.start(f"smtp://127.0.0.1:{upstream.port}",
                                  "allow_clear: on\nauth: [PLAIN]")
            reply = self.attempt(lockstep)
            self.assertEqual(reply.code, 250, reply)
            self.assertEqual(relay.delivered, [MESSAGE])


class Refused(Trouble):
    """Real relays that do not know the password, or not as that sender's."""

    @classmethod
    def setUpClass(cls):
        cls.relay = secure_relays.Postfix()
        cls.addClassCleanup(cls.relay.stop)
        cls.address = f"starttls://127.0.0.1:{cls.relay.port}"
        cls.trust = f"ca: {cls.relay.authority.certificate}\n"

    def setUp(self):
        self.relay.forget()

    def failures(self):
        return len(re.findall(r"SASL \S+ authentication failed", self.relay.log()))

    def test_a_wrong_password(self):
        wrong = artefacts.new_secret()
        for policy, start in (("retry", b"454 4.7.0 "), ("reject", b"550 5.7.8 "),
                              ("pass", b"553 5.7.1 "), ("close", b"421 4.7.0 ")):
            with self.subTest(policy=policy):
                lockstep = self.start(self.address, f"{self.trust}auth-refused: {policy}",
                                      settings=credential(wrong))
                before = self.failures()
                self.assert_says(self.attempt(lockstep), start)
                place.await_true("the relay to say so", lambda: self.failures() > before)
                self.assertEqual(self.failures(), before + 1, "it was tried again and again")
                self.assertIn("refused credential known by SCRAM-SHA-256: 535 5.7.8 ",
                              lockstep.process.log())
                self.await_note(lockstep, "! auth refused credential=known")
        self.assertEqual(self.relay.files("one"), [])

    def test_somebody_elses_address(self):
        lockstep = self.start(self.address, self.trust)
        reply = self.attempt(lockstep, "other@client.test")
        self.assert_says(reply, b"553 5.7.1 ", b"not owned by user")
        self.assertEqual(self.attempt(lockstep).code, 250)

    def test_the_sender_decides_who_logs_in(self):
        # AUTH waits for MAIL, and the wrong one of two credentials is never tried.
        listener = (f"routes:\n  - {{sender: \"{SENDER}\", credential: known}}\n"
                    "  - {sender: \"*@client.test\", credential: other}\n")
        settings = credential() + (f"\n  other: {{user: other, "
                                   f"password_file: {folder.private('other', artefacts.new_secret())}}}")
        lockstep = self.start(self.address, self.trust, listener, settings)
        before = self.failures()
        self.assertEqual(self.attempt(lockstep).code, 250)
        self.assertEqual(self.failures(), before)
        self.assert_says(self.attempt(lockstep, "other@client.test"), b"454 4.7.0 ")


class OwnLogins(Trouble):
    """Clients that log in, with real Dovecot to ask, before a relay that wants another login."""

    @classmethod
    def setUpClass(cls):
        cls.dovecot = secure_relays.Dovecot()
        cls.addClassCleanup(cls.dovecot.stop)
        cls.address = f"starttls://127.0.0.1:{cls.dovecot.port}"
        cls.trust = f"ca: {cls.dovecot.authority.certificate}"
        cls.own = artefacts.new_secret()
        crypted = subprocess.run([packages.program("openssl"), "passwd", "-6", "-stdin"],
                                 input=cls.own, text=True, capture_output=True, check=True,
                                 timeout=30).stdout.strip()
        cls.hashes = folder.private("hashes", f"device:{crypted}\n")

    def setUp(self):
        self.dovecot.forget()
        self.before = len(self.dovecot.logins())

    def check(self, lockstep, user, password, starttls=True):
        """Sends as a client that logs in with smtplib; the code of the refusal, or 250."""
        context = ssl.create_default_context(cafile=authority.certificate)
        try:
            with smtplib.SMTP("localhost", lockstep.port, "client.test", timeout=30) as server:
                if starttls:
                    server.starttls(context=context)
                server.login(user, password)
                server.sendmail(SENDER, [RECIPIENT], MESSAGE)
                return 250
        except smtplib.SMTPResponseException as error:
            return error.smtp_code

    def test_checked_by_a_file_and_replaced(self):
        lockstep = self.start(self.address, self.trust, offer() + ROUTES +
                              f"auth: {{clients: check, required: on, file: {self.hashes}}}")
        self.assertEqual(self.check(lockstep, "device", self.own), 250)
        self.assertEqual(self.check(lockstep, "device", PASSWORD), 535)
        self.assertEqual(self.check(lockstep, USER, PASSWORD), 535)
        self.assertEqual([number for number, _ in self.dovecot.arrived("one")], [1])
        place.await_true("a login as USER", lambda: len(self.dovecot.logins()) > self.before)

    def test_checked_by_dovecot(self):
        lockstep = self.start(self.address, self.trust, offer() + ROUTES +
                              f"auth: {{clients: check, required: on, "
                              f"socket: {self.dovecot.socket}}}")
        self.assertEqual(self.check(lockstep, USER, PASSWORD), 250)
        self.assertEqual(self.check(lockstep, USER, self.own), 535)
        self.assertEqual([number for number, _ in self.dovecot.arrived("one")], [1])

    def test_not_without_tls_and_not_without_a_login(self):
        lockstep = self.start(self.address, self.trust, offer() + ROUTES +
                              f"auth: {{clients: check, required: on, file: {self.hashes}}}")
        with wire.Conversation(lockstep.port) as talk:
            self.assertNotIn(b"AUTH", talk.open())
            plain = base64.b64encode(f"\0device\0{self.own}".encode())
            self.assertGreaterEqual(talk.ask(b"AUTH PLAIN " + plain).code, 500)
            self.assert_says(talk.ask(f"MAIL FROM:<{SENDER}>".encode()), b"530 5.7.")

    def test_the_form_that_old_outlook_looks_for(self):
        lockstep = self.start(self.address, self.trust, ROUTES +
                              f"auth: {{clients: check, clear: on, equals: on, "
                              f"file: {self.hashes}}}")
        with wire.Conversation(lockstep.port) as talk:
            offered = talk.open().splitlines()
            self.assertTrue([line for line in offered if line[4:].startswith(b"AUTH=")], offered)
            self.assertTrue([line for line in offered if line[4:].startswith(b"AUTH ")], offered)
            # AUTH LOGIN with the name on the first line, as old libraries send it.
            self.assertEqual(talk.ask(b"auth login " + base64.b64encode(b"device")).code, 334)
            self.assertEqual(talk.ask(base64.b64encode(self.own.encode())).code, 235)
            self.assertEqual(talk.ask(f"MAIL FROM:<{SENDER}>".encode()).code, 250)


class RequiredTls(Trouble):
    def test_of_the_client(self):
        with Upstream(Polite()) as upstream:
            lockstep = self.start(f"smtp://127.0.0.1:{upstream.port}", "",
                                  offer(more=", required: on"), "")
            self.assert_says(self.attempt(lockstep), b"530 5.7.0 ", b"STARTTLS")
            with wire.Conversation(lockstep.port) as talk:
                self.assertIn(b"STARTTLS", talk.open())
                self.assertEqual(talk.ask(b"STARTTLS").code, 220)
                talk.secure(ssl.create_default_context(cafile=authority.certificate), "localhost")
                self.assertNotIn(b"STARTTLS", talk.ask(b"EHLO client.test"))
                self.assertEqual(talk.ask(f"MAIL FROM:<{SENDER}>".encode()).code, 250)


if __name__ == "__main__":
    suite.main()
