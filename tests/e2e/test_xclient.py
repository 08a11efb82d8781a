"""Who the client is: told to real relays with XCLIENT and XFORWARD, and heard from a proxy in front."""

import base64
import json
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, packages, place, proxy, relays, secure_relays, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402

CLIENT = "127.0.0.5"
ENVELOPE = [b"MAIL FROM:<sender@client.test>", b"RCPT TO:<one@lockstep.test>"]
MESSAGE = relays.MARK + b" 1\r\nSubject: who\r\n\r\nwords\r\n"


class Postfix(relays.Postfix):
    """Believes XCLIENT and XFORWARD of lockstep, and of nobody else."""

    name = "postfix-xclient"
    believes = "xclient"

    def _settings(self, here):
        return (super()._settings(here) +
                f"\nsmtpd_authorized_{self.believes}_hosts = 127.0.0.1\nsmtpd_sasl_auth_enable = yes")


class PostfixForward(Postfix):
    name = "postfix-xforward"
    believes = "xforward"


class PostfixProxy(relays.Postfix):
    """Is told who connects by PROXY headers."""

    name = "postfix-proxy"

    def _settings(self, here):
        return super()._settings(here) + "\nsmtpd_upstream_proxy_protocol = haproxy"


class PostfixBoth(secure_relays.Postfix):
    """Takes mail only from who logged in, and believes XCLIENT behind TLS."""

    def _settings(self, here):
        return super()._settings(here) + "\nsmtpd_authorized_xclient_hosts = 127.0.0.1"


class PostfixAll(PostfixBoth):
    """And is told who connects by PROXY headers: of whoever that is XCLIENT is believed."""

    def _settings(self, here):
        return (super()._settings(here) + ", 127.0.0.77\nsmtpd_upstream_proxy_protocol = haproxy")


class Dovecot(secure_relays.Dovecot):
    name = "dovecot-xclient"

    def _config(self):
        return super()._config() + "\nlogin_trusted_networks = 127.0.0.1\n"


class Haraka(relays.Haraka):
    """Its own plugin; it may only be told of from this machine."""

    name = "haraka-xclient"
    plugins = ("xclient", "store")


class Session(unittest.TestCase):
    def serve(self, relay, settings="xclient: on", listener="", port=None):
        lockstep = proxy.Proxy(port or relay.port, listener=listener, relay=settings,
                               transcripts=True)
        self.addCleanup(lockstep.stop)
        self.lockstep = lockstep

    def start(self, relay):
        self.addCleanup(relay.stop)
        self.relay = relay
        return relay

    def deliver(self, talk, message=MESSAGE):
        for line in ENVELOPE:
            self.assertEqual(talk.ask(line).code, 250)
        self.assertEqual(talk.ask(b"DATA").code, 354)
        talk.say(wire.stuffed(message))
        self.assertEqual(talk.reply().code, 250)

    def await_log(self, pattern):
        place.await_true(f"{pattern} in the relay's log", lambda: re.search(pattern, self.relay.log()))
        return re.search(pattern, self.relay.log())

    def sessions(self):
        """What lockstep's log says of sessions that have ended."""
        lines = (json.loads(line) for line in self.lockstep.process.log().splitlines())
        return [line for line in lines if line["event"] == "session"]

    def await_session(self):
        place.await_true("the session to be logged", self.sessions)
        return self.sessions()[0]


class Out(Session):
    def test_postfix_logs_the_client(self):
        self.serve(self.start(Postfix()))
        with wire.Conversation(self.lockstep.port, source=CLIENT) as talk:
            port = talk.socket.getsockname()[1]
            self.assertNotIn(b"XCLIENT", talk.open(b"spike.test"))
            self.deliver(talk)
            self.assertEqual(talk.ask(b"RSET").code, 250)
            talk.ask(ENVELOPE[0])
            self.assertEqual(talk.ask(b"RCPT TO:<x@elsewhere.test>").code, 250)  # of mynetworks
            self.assertEqual(talk.ask(b"QUIT").code, 221)
        self.assertTrue(port)
        self.await_log(rf"client=unknown\[{CLIENT}\]")
        place.await_true("the message", lambda: len(self.relay.stored("one")) == 1)
        self.assertIn(f"from spike.test (unknown [{CLIENT}])", self.relay.traces("one")[0])

    def test_postfix_logs_the_login(self):
        self.serve(self.start(Postfix()), listener="auth: {clients: accept, clear: on}")
        login = base64.b64encode(b"\0anna m+ller\0" + artefacts.secret("password-of-anna").encode())
        with wire.Conversation(self.lockstep.port, source=CLIENT) as talk:
            talk.open(b"spike.test")
            self.assertEqual(talk.ask(b"AUTH PLAIN " + login).code, 235)
            self.deliver(talk)
        self.await_log(rf"client=unknown\[{CLIENT}\], sasl_method=XCLIENT, "
                       r"sasl_username=anna.m\+ller")

    def test_a_name_that_postfix_refuses_is_the_clients_own(self):
        self.serve(self.start(Postfix()))
        with wire.Conversation(self.lockstep.port, source=CLIENT) as talk:
            talk.open(b"spike.test")
            talk.ask(b"MAIL FROM:<stranger@client.test>")
            self.assertEqual(talk.ask(ENVELOPE[1]).code, 553)
        self.await_log(rf"reject: RCPT from unknown\[{CLIENT}\]: .* helo=<spike\.test>")

    def test_postfix_logs_whom_xforward_names(self):
        self.serve(self.start(PostfixForward()), "xforward: on")
        with wire.Conversation(self.lockstep.port, source=CLIENT) as talk:
            talk.open(b"spike.test")
            self.deliver(talk)
            self.deliver(talk)
        pattern = rf"client=\S+\[127\.0\.0\.1\], .*orig_client=unknown\[{CLIENT}\]"
        place.await_true("both in the log",
                         lambda: len(re.findall(pattern, self.relay.log())) == 2)

    def test_a_relay_that_offers_neither_gets_the_mail(self):
        self.serve(self.start(relays.Postfix()), "xclient: on\nxforward: on")
        with wire.Conversation(self.lockstep.port, source=CLIENT) as talk:
            talk.open(b"spike.test")
            self.deliver(talk)
        place.await_true("the message", lambda: len(self.relay.stored("one")) == 1)
        transcript = self.transcript()
        self.assertEqual(transcript.count("! finding xclient-missing"), 1)
        self.assertEqual(transcript.count("! finding xforward-missing"), 1)

    def transcript(self):
        self.await_session()
        path, = (self.lockstep.folder.path / "transcripts").glob("*.smtp")
        return path.read_text(encoding="latin-1")

    def test_haraka_knows_the_client(self):
        self.serve(self.start(Haraka()))
        with wire.Conversation(self.lockstep.port, source=CLIENT) as talk:
            talk.open(b"spike.test")
            self.deliver(talk)
        self.assertEqual(self.relay.stored("one"), [MESSAGE])
        self.assertRegex(self.relay.traces("one")[0], rf"from spike\.test \(.*\[?{CLIENT}\]?\)")

    def test_dovecot_knows_who_logs_in(self):
        self.serve(self.start(Dovecot()), listener="auth: {clients: pass}")
        login = base64.b64encode(
            f"\0{secure_relays.USER}\0{secure_relays.PASSWORD}".encode())
        with wire.Conversation(self.lockstep.port, source=CLIENT) as talk:
            talk.open(b"spike.test")
            self.assertEqual(talk.ask(b"AUTH PLAIN " + login).code, 235)
            self.deliver(talk)
        self.assertEqual(self.relay.stored("one"), [MESSAGE])
        self.await_log(rf"Login: user=<{secure_relays.USER}>, .*rip={re.escape(CLIENT)}, ")


class In(Session):
    """swaks is the proxy that speaks for others."""

    def swaks(self, *words, code=0):
        done = subprocess.run(
            [packages.program("swaks"), "--server", "127.0.0.1", "--port", str(self.lockstep.port),
             "--from", "sender@client.test", "--to", "one@lockstep.test", "--helo", "proxy.test",
             "--local-interface", "127.0.0.1", *words],
            capture_output=True, timeout=60, check=False, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def test_postfix_logs_whom_swaks_speaks_for(self):
        self.serve(self.start(Postfix()), listener="xclient-from: [127.0.0.1]")
        said = self.swaks("--xclient-addr", "127.0.0.77", "--xclient-name", "spike.test",
                          "--xclient-port", "4711", "--xclient-proto", "SMTP",
                          "--xclient-helo", "helo.test")
        self.assertIn("XCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT", said)
        self.await_log(r"client=spike\.test\[127\.0\.0\.77\]")
        session = self.await_session()
        self.assertEqual(session["client"], "127.0.0.77:4711")
        self.assertRegex(session["through"], r"^127\.0\.0\.1:\d+$")

    def test_a_proxy_header_names_whom_swaks_speaks_for(self):
        self.serve(self.start(PostfixProxy()), "proxy: v1", "xclient-from: [127.0.0.1]")
        self.swaks("--xclient-addr", "127.0.0.77", "--xclient-port", "4711")
        self.await_log(r"smtpd\[\d+\]: \w+: client=\S+\[127\.0\.0\.77\]")

    def test_swaks_tells_in_two_commands(self):
        self.serve(self.start(Postfix()), listener="xclient-from: [127.0.0.1]")
        self.swaks("--xclient-helo", "spike.test", "--xclient-delim",
                   "--xclient-addr", "IPV6:2001:db8::77", "--quit-after", "RCPT")
        self.assertEqual(self.await_session()["client"], "[2001:db8::77]:0")

    def both_ways(self, relay, listener, relay_words):
        """Before `relay`, to which lockstep logs in for 127.0.0.77, and clients log in here."""
        here = place.Folder("in")
        self.addCleanup(here.remove)
        ours = Authority(here.path).issue("localhost", "127.0.0.1")
        (here.path / "password").write_text(secure_relays.PASSWORD, encoding="ascii")
        (here.path / "password").chmod(0o600)
        self.lockstep = proxy.Proxy(
            addresses=[f"starttls://127.0.0.1:{relay.port}"],
            settings=f"credentials: {{scanner: {{user: {secure_relays.USER}, "
                     f"password_file: {here.path}/password}}}}",
            listener=f"{listener}\nauth: {{clients: accept}}\n"
                     f"tls: {{offer: starttls, certificate: {ours.certificate}, key: {ours.key}}}\n"
                     "routes: [{client: 127.0.0.77, credential: scanner}]",
            relay=f"{relay_words}\nca: {relay.authority.certificate}", transcripts=True)
        self.addCleanup(self.lockstep.stop)

    def login(self, *words):
        self.swaks(*words, "--tls", "--xclient-addr", "127.0.0.77", "--auth", "PLAIN", "--auth-user", "anna",
                   "--auth-password", artefacts.secret("password-of-anna"), "--from",
                   secure_relays.SENDER)
        self.await_log(rf"client=unknown\[127\.0\.0\.77\], sasl_method=\S+, "
                       rf"sasl_username={secure_relays.USER}")
        session = self.await_session()
        self.assertEqual((session["login"], session["credential"]), ("anna", "scanner"))

    def test_starttls_then_xclient_then_auth_both_ways(self):
        self.both_ways(self.start(PostfixBoth()), "xclient-from: [127.0.0.1]", "xclient: on")
        self.login()

    def test_proxy_then_starttls_then_xclient_then_auth_both_ways(self):
        """The header says that 127.0.0.8 speaks, who says that it is 127.0.0.77 who does."""
        self.both_ways(self.start(PostfixAll()),
                       "proxy-from: [127.0.0.1]\nallow: [127.0.0.8]\nxclient-from: [127.0.0.8]",
                       "proxy: v2\nxclient: on")
        self.login("--proxy-version", "1", "--proxy-family", "TCP4", "--proxy-source", "127.0.0.8",
                   "--proxy-source-port", "4711", "--proxy-dest", "127.0.0.1",
                   "--proxy-dest-port", "25")


class Believed(Session):
    def setUp(self):
        self.polite = Polite()
        self.upstream = Upstream(self.polite)
        self.addCleanup(self.upstream.stop)
        self.serve(self.upstream, settings="", listener="xclient-from: [127.0.0.1/32]")

    def test_a_stranger_is_not(self):
        with wire.Conversation(self.lockstep.port, source=CLIENT) as talk:
            self.assertNotIn(b"XCLIENT", talk.open())
            self.assertEqual(talk.ask(b"XCLIENT ADDR=127.0.0.1").code, 550)
            self.assertEqual(talk.ask(b"XFORWARD ADDR=127.0.0.1").code, 502)
        self.assertNotIn("through", self.await_session())

    def test_whoever_was_told_of_is_not(self):
        with wire.Conversation(self.lockstep.port, source="127.0.0.1") as talk:
            self.assertIn(b"250 XCLIENT NAME ADDR", talk.open().replace(b"250-", b"250 "))
            self.assertEqual(talk.ask(b"XCLIENT ADDR=127.0.0.1 ADDR=x").code, 501)
            self.assertEqual(talk.ask(b"XCLIENT ADDR=192.0.2.7").code, 220)
            self.assertEqual(talk.ask(b"XCLIENT ADDR=127.0.0.1").code, 550)

    def test_what_comes_with_xclient_is_said_by_the_new_client(self):
        with wire.Conversation(self.lockstep.port, source="127.0.0.1") as talk:
            talk.open(b"proxy.test")
            talk.say(b"XCLIENT ADDR=192.0.2.7 HELO=spike.test\r\nEHLO spike.test\r\n")
            self.assertEqual(talk.reply().code, 220)
            self.assertNotIn(b"XCLIENT", talk.reply())
            self.deliver(talk)
        self.assertEqual(self.polite.delivered, [MESSAGE])
        self.assertEqual(self.await_session()["client"], "192.0.2.7:0")

    def test_within_a_transaction_nobody_is(self):
        with wire.Conversation(self.lockstep.port, source="127.0.0.1") as talk:
            talk.open()
            self.assertEqual(talk.ask(ENVELOPE[0]).code, 250)
            self.assertEqual(talk.ask(b"XCLIENT ADDR=192.0.2.7").code, 503)
            self.assertEqual(talk.ask(ENVELOPE[1]).code, 250)


if __name__ == "__main__":
    suite.main()
