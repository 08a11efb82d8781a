"""TLS on either leg, and on both: from the first byte, found out by looking, refused, renewed."""

import contextlib
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import packages, place, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.fake import Polite, Secured, Upstream, server_context  # noqa: E402
from support.process import Process  # noqa: E402

EX_CONFIG = 78
MESSAGE = b"Subject: sealed\r\n\r\nwords\r\n"
IDLE = 300  # sessions


def setUpModule():
    global folder, authority, leaf, other
    folder = place.Folder("tls")
    authority = Authority(folder.path)
    other = Authority(folder.path, name="other")
    leaf = authority.issue("localhost", "127.0.0.1")


def tearDownModule():
    folder.remove()


class Tls(unittest.TestCase):
    def upstream(self, handler):
        upstream = Upstream(handler)
        self.addCleanup(upstream.stop)
        return upstream

    def secured(self, leaf_of_relay=None, **words):
        """A relay that speaks TLS from the first byte."""
        self.polite = Polite()
        self.relay = Secured(self.polite, leaf_of_relay or leaf, **words)
        return self.upstream(self.relay)

    def write(self, listener, upstream, relay="", scheme="smtp", settings=""):
        (self.room.path / "lockstep.yaml").write_text(f"""config_version: 1
workers: 1
{settings}
listeners:
  - name: main
    listen: 127.0.0.1:0
    relay: office
    {listener}
relays:
  office:
    address: [{scheme}://127.0.0.1:{upstream.port}]
    {relay}
""", encoding="ascii")

    def serve(self, listener="", upstream=None, relay="", scheme="smtp", settings="", options=()):
        self.room = place.Folder("tls-run")
        self.addCleanup(self.room.remove)
        self.write(listener, upstream or self.upstream(Polite()), relay, scheme, settings)
        self.process = Process("run", [place.lockstep(), "run", "-c",
                                       self.room.path / "lockstep.yaml", *options], self.room.path)
        self.addCleanup(self.process.stop)
        self.port = self.process.await_ready()[0]

    def offer(self, offer, more="", of=None):
        of = of or leaf
        return (f"tls: {{offer: {offer}, certificate: {of.certificate}, key: {of.key}"
                f"{', ' + more if more else ''}}}")

    def trusting(self, ca=None, **words):
        context = ssl.create_default_context(cafile=(ca or authority).certificate)
        for name, value in words.items():
            setattr(context, name, value)
        return context

    def talk(self, context=None):
        talk = wire.Conversation(self.port)
        self.addCleanup(talk.close)
        return talk.secure(context or self.trusting(), "localhost")

    def send(self, talk):
        talk.open()
        for line, code in ((b"MAIL FROM:<a@client.test>", 250), (b"RCPT TO:<b@relay.test>", 250),
                           (b"DATA", 354)):
            self.assertEqual(talk.ask(line).code, code)
        talk.say(wire.stuffed(MESSAGE))
        self.assertEqual(talk.reply().code, 250)
        self.assertEqual(talk.ask(b"QUIT").code, 221)
        self.assertEqual(talk.rest(), b"")

    def await_log(self, words, count=1):
        return place.await_true(
            f"{words!r} in the log",
            lambda: self.process.log().count(words) >= count and self.process.log())


class Client(Tls):
    def test_implicit(self):
        self.serve(self.offer("implicit"))
        talk = self.talk()
        self.assertEqual(talk.socket.version(), "TLSv1.3")
        self.send(talk)
        log = self.await_log("ending=quit")
        self.assertIn(" client_tls=TLSv1.3 relay_tls=none ", log)

    def test_a_large_message_and_many_small_reads(self):
        self.serve(self.offer("implicit"))
        talk = self.talk()
        talk.open()
        talk.trickle(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@relay.test>\r\n")
        self.assertEqual([talk.reply().code, talk.reply().code], [250, 250])
        self.assertEqual(talk.ask(b"DATA").code, 354)
        talk.say((b"x" * 76 + b"\r\n") * 50000 + b".\r\n")
        self.assertEqual(talk.reply().code, 250)

    def test_both_by_the_first_bytes(self):
        self.serve(self.offer("both", "wait: 2s"))
        self.send(self.talk())
        begun = time.monotonic()
        with wire.Conversation(self.port) as silent:
            self.send(silent)
        self.assertGreater(time.monotonic() - begun, 1.9)
        self.await_log("ending=quit", 2)

    def test_both_when_a_client_in_clear_speaks_first(self):
        self.serve(self.offer("both", "wait: 20s"))
        with wire.Conversation(self.port) as eager:
            eager.say(b"EHLO client.test\r\n")
            self.assertEqual(eager.reply().code, 220)
            self.assertEqual(eager.reply().code, 250)

    def test_both_when_the_first_bytes_come_one_by_one(self):
        self.serve(self.offer("both", "wait: 20s"))
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.trusting().wrap_bio(inward, outward, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in outward.read():
                plain.sendall(bytes([byte]))
            self.assertEqual(plain.recv(3)[:2], b"\x16\x03")

    def test_nothing_but_tls_where_it_is_implicit(self):
        self.serve(self.offer("implicit"))
        with wire.Conversation(self.port) as talk:
            talk.say(b"EHLO client.test\r\n")
            self.assertNotIn(b"220", talk.rest())
        self.await_log("ending=tls-failed why=\"")

    def test_a_handshake_that_never_ends(self):
        self.serve(self.offer("implicit"), settings="timeouts: {tls: 300ms}")
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as silent:
            self.assertEqual(silent.recv(1), b"")
        self.await_log("ending=tls-timeout")

    def test_a_client_that_leaves_before_its_handshake(self):
        self.serve(self.offer("both", "wait: 20s"))
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.await_log("ending=client-lost")

    def test_told_to_end_during_a_handshake(self):
        self.serve(self.offer("implicit"), options=["--core-dumps"])
        files = pathlib.Path(f"/proc/{self.process.pid}/fd")
        before = len(list(files.iterdir()))
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as silent:
            place.await_true("accepted", lambda: len(list(files.iterdir())) > before)
            self.assertEqual(self.process.stop(), 0)
            self.assertEqual(silent.recv(1), b"")

    def test_a_certificate_of_the_client(self):
        self.serve(self.offer("implicit", f"client-ca: {authority.certificate}, "
                                          "client-certificate: require"))
        known = authority.issue("scanner", client=True)
        stranger = other.issue("stranger", client=True)
        context = self.trusting()
        context.load_cert_chain(known.certificate, known.key)
        self.send(self.talk(context))
        for bad in (None, stranger):
            context = self.trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
            if bad:
                context.load_cert_chain(bad.certificate, bad.key)
            with self.assertRaises(ssl.SSLError):
                self.talk(context)
        self.await_log("ending=tls-failed", 2)


    def test_starttls(self):
        self.serve(self.offer("starttls"))
        with wire.Conversation(self.port) as talk:
            self.assertIn(b"STARTTLS", talk.open())
            self.assertEqual(talk.ask(b"STARTTLS").code, 220)
            talk.secure(self.trusting(), "localhost")
            reply = talk.ask(b"EHLO client.test")
            self.assertEqual(reply.code, 250)
            self.assertNotIn(b"STARTTLS", reply)
            for line, code in ((b"MAIL FROM:<a@client.test>", 250), (b"RCPT TO:<b@r.test>", 250),
                               (b"DATA", 354), (b".", 250), (b"QUIT", 221)):
                self.assertEqual(talk.ask(line).code, code, line)
        self.assertIn(" client_tls=TLSv1.3 ", self.await_log("ending=quit"))

    def test_starttls_with_more_behind_it_in_clear(self):
        self.serve(self.offer("starttls"))
        with wire.Conversation(self.port) as talk:
            talk.open()
            talk.say(b"STARTTLS\r\nMAIL FROM:<attacker@client.test>\r\n")
            reply = talk.reply()
            self.assertNotEqual(reply.code, 220, reply)
            self.assertEqual(talk.rest(), b"")

    def test_starttls_without_a_handshake(self):
        self.serve(self.offer("starttls"), settings="timeouts: {tls: 300ms}")
        with wire.Conversation(self.port) as talk:
            talk.open()
            self.assertEqual(talk.ask(b"STARTTLS").code, 220)
            self.assertEqual(talk.rest(), b"")
            talk.close()
        with wire.Conversation(self.port) as talk:
            talk.open()
            self.assertEqual(talk.ask(b"STARTTLS").code, 220)
            talk.say(b"EHLO client.test\r\n")
            self.assertNotIn(b"250", talk.rest())
        self.await_log(" session ", 2)

    def test_starttls_on_both_legs_of_a_port_for_everybody(self):
        self.polite = Polite(context=server_context(leaf))
        self.serve(self.offer("both", "wait: 2s"), upstream=self.upstream(self.polite),
                   scheme="starttls", relay=f"ca: {authority.certificate}")
        with wire.Conversation(self.port) as talk:
            talk.open()
            self.assertEqual(talk.ask(b"STARTTLS").code, 220)
            talk.secure(self.trusting(), "localhost")
            self.assertEqual(talk.ask(b"EHLO client.test").code, 250)
            self.assertEqual(talk.ask(b"MAIL FROM:<a@client.test>").code, 250)
            self.assertEqual(talk.ask(b"QUIT").code, 221)
        self.assertIn(" client_tls=TLSv1.3 relay_tls=TLSv1.3 ", self.await_log("ending=quit"))


class Legacy(Tls):
    """TLS 1.0 for those who know nothing newer, and for nobody else."""

    def connect(self, source):
        done = subprocess.run(
            [packages.program("openssl"), "s_client", "-connect", f"127.0.0.1:{self.port}",
             "-bind", f"{source}:0", "-tls1", "-cipher", "ALL:@SECLEVEL=0", "-quiet", "-crlf",
             "-CAfile", authority.certificate],
            input=b"QUIT\n", capture_output=True, timeout=20, check=False)
        return done.stdout

    def test_only_from_its_networks(self):
        old = authority.issue("localhost", file="old", key="rsa")
        self.serve(self.offer("implicit", "legacy-networks: [127.0.0.7/32], "
                                          "legacy-minimum: TLSv1.0", of=old))
        self.assertIn("listener `main`: `tls.legacy-minimum`", self.process.log())
        self.assertIn(b"220 ", self.connect("127.0.0.7"))
        self.await_log("client_tls=TLSv1 ")
        self.assertEqual(self.connect("127.0.0.8"), b"")
        self.await_log("ending=tls-failed")
        self.send(self.talk())


class Allow(Tls):
    def test_who_may_not_connect_is_told_and_counted(self):
        self.serve("allow: [127.0.0.4/30, 10.0.0.0/8]")
        for source, code in (("127.0.0.5", 220), ("127.0.0.1", 554), ("127.0.0.8", 554)):
            with socket.create_connection(("127.0.0.1", self.port), timeout=10,
                                          source_address=(source, 0)) as plain:
                self.assertEqual(int(plain.recv(1000)[:3]), code)
                if code == 554:
                    self.assertEqual(plain.recv(1000), b"")
        self.assertIn("client=127.0.0.", self.await_log("why=not-allowed"))


class Relay(Tls):
    def attempt(self):
        """The greeting of a new session."""
        with wire.Conversation(self.port) as talk:
            reply = talk.reply()
            if reply.code == 220:
                self.assertEqual(talk.ask(b"QUIT").code, 221)
            return reply

    def refused(self, words):
        """The log says why, which names the relay; the client only hears that it is so."""
        reply = self.attempt()
        self.assertEqual(reply, b"421 4.4.1 No answer from the relay, try again later\r\n")
        self.assertRegex(self.await_log("relay_error="), f'relay_error="[^"]*{words}')

    def test_smtps(self):
        self.serve(upstream=self.secured(), scheme="smtps", relay=f"ca: {authority.certificate}")
        with wire.Conversation(self.port) as talk:
            self.send(talk)
        self.assertEqual(self.polite.delivered, [MESSAGE])
        self.assertIn(" relay_tls=TLSv1.3 ", self.await_log("ending=quit"))

    def test_both_legs(self):
        self.serve(self.offer("implicit"), upstream=self.secured(), scheme="smtps",
                   relay=f"ca: {authority.certificate}")
        self.send(self.talk())
        self.assertEqual(self.polite.delivered, [MESSAGE])
        self.assertIn(" client_tls=TLSv1.3 relay_tls=TLSv1.3 ", self.await_log("ending=quit"))

    def test_certificates_that_will_not_do(self):
        wrong = authority.issue("mail.example")
        expired = authority.issue("127.0.0.1", file="expired", expired=True)
        strange = other.issue("127.0.0.1", file="strange")
        for bad, words in ((wrong, "does not match"), (expired, "expired"), (strange, "issuer")):
            with self.subTest(words=words):
                self.serve(upstream=self.secured(bad), scheme="smtps",
                           relay=f"ca: {authority.certificate}")
                self.refused(words)
                self.assertEqual(self.polite.said, [])

    def test_the_name_it_is_asked_for_may_be_another(self):
        wrong = authority.issue("mail.example")
        self.serve(upstream=self.secured(wrong), scheme="smtps",
                   relay=f"ca: {authority.certificate}\n    server-name: mail.example")
        self.assertEqual(self.attempt().code, 220)

    def test_whom_the_relay_need_not_be(self):
        strange = other.issue("elsewhere.example")
        mine, wrong = strange.fingerprint(), leaf.fingerprint()
        for relay, code in (("verify: none", 220),
                            (f"verify: ca\n    ca: {other.certificate}", 220),
                            (f"verify: ca\n    ca: {authority.certificate}", 421),
                            (f"verify: pin\n    fingerprint: [{mine}]", 220),
                            (f"verify: pin\n    fingerprint: [{wrong}]", 421)):
            with self.subTest(relay=relay):
                self.serve(upstream=self.secured(strange), scheme="smtps", relay=relay)
                self.assertEqual(self.attempt().code, code)

    def test_one_that_speaks_no_tls(self):
        self.serve(upstream=self.upstream(Polite()), scheme="smtps", relay="verify: none")
        self.refused("TLS")

    def test_one_that_never_shakes_hands(self):
        def silent(talk):
            while True:
                talk.line()
        self.serve(upstream=self.upstream(silent), scheme="smtps", relay="verify: none",
                   settings="timeouts: {connect: 1s}")
        self.refused("the handshake took too long")

    def test_our_own_certificate(self):
        ours = authority.issue("lockstep.example", client=True)
        upstream = self.secured()
        self.relay.context.load_verify_locations(authority.certificate)
        self.relay.context.verify_mode = ssl.CERT_REQUIRED
        self.serve(upstream=upstream, scheme="smtps",
                   relay=f"ca: {authority.certificate}\n    certificate: {ours.certificate}\n"
                         f"    key: {ours.key}")
        self.assertEqual(self.attempt().code, 220)

    def test_sessions_are_resumed(self):
        self.serve(upstream=self.secured(), scheme="smtps", relay=f"ca: {authority.certificate}")
        for _ in range(3):
            with wire.Conversation(self.port) as talk:
                self.send(talk)
        self.assertEqual(self.relay.resumed, [False, True, True])

    def test_keys_are_written_only_when_asked_for(self):
        keys = folder.path / "keys"
        self.serve(upstream=self.secured(), scheme="smtps", relay=f"ca: {authority.certificate}",
                   options=("--key-log", keys))
        self.assertEqual(self.attempt().code, 220)
        self.assertIn("CLIENT_TRAFFIC_SECRET_0 ", keys.read_text())
        self.assertEqual(keys.stat().st_mode & 0o077, 0)
        self.assertIn(f"are written to {keys}", self.process.log())


class Upgrade(Tls):
    """starttls:// relays."""

    def relay(self, leaf_of_relay=None, **facts):
        self.polite = Polite(context=server_context(leaf_of_relay or leaf), **facts)
        return self.upstream(self.polite)

    def envelope(self):
        """The replies up to RCPT's, or to the first refusal."""
        replies = []
        with wire.Conversation(self.port) as talk, contextlib.suppress(wire.Broken):
            replies.append(talk.reply())
            for line in (b"EHLO client.test", b"MAIL FROM:<a@client.test>", b"RCPT TO:<b@r.test>",
                         b"QUIT"):
                if replies[-1].code >= 400:
                    break
                replies.append(talk.ask(line))
        return replies

    def begin(self, upstream, relay=""):
        self.serve(upstream=upstream, scheme="starttls",
                   relay=f"ca: {authority.certificate}\n    {relay}")

    def test_starttls_with_the_relay(self):
        self.begin(self.relay())
        with wire.Conversation(self.port) as talk:
            self.send(talk)
        self.assertEqual(self.polite.delivered, [MESSAGE])
        self.assertIn(" relay_tls=TLSv1.3 ", self.await_log("ending=quit"))

    def test_certificates_that_will_not_do(self):
        expired = authority.issue("127.0.0.1", file="expired-too", expired=True)
        self.begin(self.relay(expired))
        last = self.envelope()[-1]
        self.assertEqual(last.code, 421, last)
        self.assertNotIn(b"expired", last)
        self.assertRegex(self.await_log("relay_error="), 'relay_error="[^"]*expired')

    def test_nothing_is_said_without_it(self):
        self.begin(self.upstream(Polite()))
        self.assertEqual(self.envelope()[-1].code, 421)

    def test_offered_is_enough_until_it_was_seen(self):
        upstream = self.relay()
        context, self.polite.context = self.polite.context, None
        self.begin(upstream, "tls: offered")
        self.assertEqual(self.envelope()[-1].code, 221)
        self.polite.context = context
        self.assertEqual(self.envelope()[-1].code, 221)
        self.polite.context = None
        self.assertEqual(self.envelope()[-1].code, 421)
        self.process.child.send_signal(signal.SIGHUP)
        self.await_log("is in force")
        self.assertEqual(self.envelope()[-1].code, 421, "a reload has forgotten it")
        self.assertIn("relay_tls=none", self.await_log("ending=quit", 2))


class Reload(Tls):
    def reload(self, words):
        before = self.process.log().count(words)
        self.process.child.send_signal(signal.SIGHUP)
        return self.await_log(words, before + 1)

    def shown(self, talk):
        return talk.socket.getpeercert()["serialNumber"]

    def test_a_new_certificate(self):
        upstream = self.upstream(Polite())
        mine = authority.issue("localhost", file="mine")
        self.serve(self.offer("implicit", of=mine), upstream)
        old = self.talk()
        old.open()
        first = self.shown(old)
        authority.issue("localhost", file="mine")
        self.assertEqual(self.shown(self.talk()), first)
        self.reload("is in force")
        self.assertNotEqual(self.shown(self.talk()), first)
        self.assertEqual(old.ask(b"NOOP").code, 250)
        self.assertEqual(old.ask(b"QUIT").code, 221)

    def test_a_bad_one_changes_nothing(self):
        upstream = self.upstream(Polite())
        mine = authority.issue("localhost", file="bad")
        self.serve(self.offer("implicit", of=mine), upstream)
        first = self.shown(self.talk())
        good = mine.certificate.read_bytes()
        for bad in (b"no certificate\n", leaf.certificate.read_bytes(), None):
            with self.subTest(bad=bad and bad[:30]):
                mine.certificate.unlink(missing_ok=True)
                if bad:
                    mine.certificate.write_bytes(bad)
                log = self.reload("the old one stays in force")
                self.assertIn("listener main: ", log)
                self.assertIn(str(mine.certificate), log)
                self.assertEqual(self.shown(self.talk()), first)
        mine.certificate.write_bytes(good)
        self.reload("is in force")

    def test_no_start_with_a_bad_one(self):
        self.room = place.Folder("tls-run")
        self.addCleanup(self.room.remove)
        mine = authority.issue("localhost", file="open")
        mine.key.chmod(0o644)
        self.write(self.offer("implicit", of=mine), self.upstream(Polite()))
        process = Process("run", [place.lockstep(), "run", "-c", self.room.path / "lockstep.yaml"],
                          self.room.path)
        self.addCleanup(process.stop)
        self.assertEqual(process.child.wait(10), EX_CONFIG)
        self.assertIn(str(mine.key), process.log())
        self.assertIn("lockstep.yaml: listener main: ", process.log())


class Cost(Tls):
    def test_idle_sessions_are_small(self):
        # Both legs of TLS: what OpenSSL keeps for a connection, twice, is the most of it.
        self.serve(self.offer("implicit") + f"\n    sessions-per-client: {IDLE + 10}",
                   upstream=self.secured(), scheme="smtps", relay=f"ca: {authority.certificate}")
        context = self.trusting()
        self.talk(context).open()
        before = self.process.rss_kib()
        for _ in range(IDLE):
            self.talk(context).open()
        each = (self.process.rss_kib() - before) / IDLE
        print(f"an idle session with TLS on both legs: {each:.1f} KiB")
        watched = b"__asan_init" in pathlib.Path(place.lockstep()).read_bytes()
        self.assertLess(each, 2000 if watched else 60)


if __name__ == "__main__":
    suite.main()
