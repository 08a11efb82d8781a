"""PROXY headers, in and out: who the client is, says whoever passes its connection on."""

import contextlib
import json
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import sysconfig
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import packages, place, proxy, relays, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402
from support.haproxy import HAProxy  # noqa: E402

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT = "192.0.2.7"
SERVER = "198.51.100.2"
LINE = f"PROXY TCP4 {CLIENT} {SERVER} 4711 25\r\n".encode()
LINE_SIX = b"PROXY TCP6 2001:db8::7 2001:db8::2 4711 25\r\n"
LOCAL = SIGNATURE + b"\x20\0\0\0"
BALANCER = "127.0.0.1"
STRANGER = "127.0.0.9"
MESSAGE = b"X-Lockstep-Test: 1\r\n\r\nwords\r\n"


def binary(client=CLIENT, server=SERVER, port=4711, values=b""):
    six = ":" in client
    family = socket.AF_INET6 if six else socket.AF_INET
    block = (socket.inet_pton(family, client) + socket.inet_pton(family, server) +
             port.to_bytes(2, "big") + (25).to_bytes(2, "big") + values)
    return (SIGNATURE + (b"\x21\x21" if six else b"\x21\x11") + len(block).to_bytes(2, "big") +
            block)


def value(kind, text):
    return bytes([kind]) + len(text).to_bytes(2, "big") + text


def tls_value(name=b"", verify=0, flags=7):
    return value(0x20, bytes([flags]) + verify.to_bytes(4, "big") + value(0x21, b"TLSv1.3") +
                 (value(0x22, name) if name else b""))


def setUpModule():
    global folder, authority, leaf, combined, scanner
    folder = place.Folder("proxy-header")
    authority = Authority(folder.path)
    leaf = authority.issue("localhost", "127.0.0.1")
    combined = folder.path / "both.pem"
    combined.write_bytes(leaf.certificate.read_bytes() + leaf.key.read_bytes())
    scanner = authority.issue("scanner-7", client=True)


def tearDownModule():
    folder.remove()


def trusting(certificate=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if certificate is not None:
        context.load_cert_chain(certificate.certificate, certificate.key)
    return context


def tls_words(**words):
    return ("{" + f"certificate: {leaf.certificate}, key: {leaf.key}, " +
            ", ".join(f"{name.replace('_', '-')}: {word}" for name, word in words.items()) + "}")


class Party(unittest.TestCase):
    def relay(self, **words):
        handler = Polite(**words)
        upstream = Upstream(handler)
        self.addCleanup(upstream.stop)
        return handler, upstream

    def start(self, port, listener="", **words):
        if "proxy-from" not in listener:
            listener = f"proxy-from: [{BALANCER}]\n{listener}"
        started = proxy.Proxy(port, listener=listener, transcripts=True,
                              settings="admin: {listen: \"127.0.0.1:0\"}", **words)
        self.addCleanup(started.stop)
        return started

    def talk(self, lockstep, header=b"", source=BALANCER, port=None):
        talk = wire.Conversation.__new__(wire.Conversation)
        talk.heard = lambda side, text: None
        talk.held = b""
        talk.socket = socket.create_connection((BALANCER, port or lockstep.port), timeout=20,
                                               source_address=(source, 0))
        talk.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(talk.close)
        if header:
            talk.say(header)
        return talk

    def send(self, talk, to="one"):
        replies = [talk.reply()] + [talk.ask(line) for line in (
            b"EHLO c.test", b"MAIL FROM:<a@client.test>",
            f"RCPT TO:<{to}@{relays.DOMAIN}>".encode(), b"DATA")]
        self.assertEqual([reply.code for reply in replies], [220, 250, 250, 250, 354], replies)
        talk.say(wire.stuffed(MESSAGE))
        self.assertEqual(talk.reply().code, 250)
        self.assertEqual(talk.ask(b"QUIT").code, 221)
        return replies

    def sessions(self, lockstep, count=1, **wanted):
        """What ended, from the log; as many as that have come to be there."""
        def found():
            rows = [json.loads(line) for line in lockstep.process.log().splitlines()
                    if '"event":"session"' in line]
            rows = [row for row in rows
                    if all(row.get(key) == word for key, word in wanted.items())]
            return rows if len(rows) >= count else None
        return place.await_true(f"{count} sessions with {wanted}", found)

    def transcripts(self, lockstep):
        return [path for path in sorted((lockstep.folder.path / "transcripts").glob("*.smtp"))]

    def assert_plays(self, lockstep):
        """What was recorded plays back, and so says the same again."""
        played = subprocess.run([place.lockstep(), "play", *self.transcripts(lockstep)],
                                capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(played.returncode, 0, played.stdout + played.stderr)


class Header(Party):
    """The header itself, from a socket of the test."""

    def test_is_read_whole_and_byte_by_byte(self):
        relay, upstream = self.relay()
        lockstep = self.start(upstream.port)
        headers = ((LINE, f"{CLIENT}:4711"), (LINE_SIX, "[2001:db8::7]:4711"),
                   (binary(), f"{CLIENT}:4711"),
                   (binary("2001:db8::7", "2001:db8::2"), "[2001:db8::7]:4711"),
                   (binary(values=value(2, b"mx.test") + value(1, b"smtp") + value(0xEE, b"")),
                    f"{CLIENT}:4711"))
        for number, (header, client) in enumerate(headers):
            for trickled in (False, True):
                with self.subTest(header=header, trickled=trickled):
                    talk = self.talk(lockstep)
                    (talk.trickle if trickled else talk.say)(header)
                    self.send(talk)
        self.assertEqual(len(relay.delivered), 2 * len(headers))
        ended = self.sessions(lockstep, 2 * len(headers), ending="quit")
        self.assertEqual([row["client"] for row in ended],
                         [client for _, client in headers for _ in range(2)])
        self.assertTrue(all(row["through"].startswith(f"{BALANCER}:") for row in ended))
        for path in self.transcripts(lockstep):
            self.assertRegex(path.read_text(), rf"C open \S+ to=\S+ through={BALANCER}:\d+\n")
        self.assert_plays(lockstep)

    def test_behind_it_in_one_packet_the_first_command_is_no_early_talk(self):
        _, upstream = self.relay()
        lockstep = self.start(upstream.port, "repairs: {early-talk: off}")
        for header in (LINE, binary()):
            talk = self.talk(lockstep, header + b"EHLO c.test\r\n")
            self.assertEqual([talk.reply().code, talk.reply().code], [220, 250])
            self.assertEqual(talk.ask(b"QUIT").code, 221)
        self.sessions(lockstep, 2, ending="quit")
        self.assertIn(" along\n", self.transcripts(lockstep)[0].read_text())
        self.assert_plays(lockstep)
        with self.subTest("who has nobody in front is as early as ever"):
            talk = self.talk(lockstep, LINE + b"EHLO c.test\r\nMAIL FROM:<a@b>\r\n")
            self.assertEqual(talk.reply().code, 554)

    def test_what_is_none_is_refused_and_never_taken_for_smtp(self):
        relay, upstream = self.relay()
        lockstep = self.start(upstream.port, "timeouts: {proxy: 300ms}")
        broken = binary()
        rows = (
            (b"EHLO c.test\r\nMAIL FROM:<a@b>\r\n", "proxy-missing", "something else came first"),
            (b"\x16\x03\x01\x02\x00", "proxy-missing", "something else came first"),
            (LINE.replace(b"TCP4", b"TCP5"), "proxy-broken", "it names neither TCP4 nor"),
            (LINE.replace(b"\r", b""), "proxy-broken", "its line ends without CR"),
            (b"PROXY " + b"x" * 200, "proxy-broken", "longer than 107 bytes"),
            (broken[:12] + b"\x33" + broken[13:], "proxy-broken", "its version or command"),
            (binary(values=value(3, b"\0\0\0\0")), "proxy-broken", "its checksum does not fit"),
            (SIGNATURE + b"\x21\x11\xFF\xFF", "proxy-broken", "longer than 8192 bytes"),
            (LINE[:20], "proxy-timeout", "none came whole in time"),
            (broken[:20], "proxy-timeout", "none came whole in time"),
            (b"", "proxy-timeout", "none came whole in time"),
        )
        for number, (said, ending, why) in enumerate(rows):
            with self.subTest(said=said):
                talk = self.talk(lockstep, said)
                reply = talk.reply()
                self.assertTrue(reply.startswith(b"421 4.3.5 "), reply)
                self.assertIn(BALANCER.encode(), reply)
                self.assertIn(why.encode(), reply)
                self.assertEqual(talk.rest(), b"")
                row = self.sessions(lockstep, number + 1)[number]
                self.assertEqual(row["ending"], ending)
                self.assertIn(why, row["why"])
        self.assertEqual(upstream.heard, [])
        self.assertEqual(relay.said, [], "the relay was called")
        metrics = lockstep.ask("/metrics")[1]
        for ending, count in (("missing", 2), ("broken", 6), ("timeout", 3)):
            self.assertRegex(metrics, rf'ending="proxy-{ending}"\S* {count}\n')
        listed = json.loads(lockstep.ask("/api/v1/sessions?limit=100")[1])["sessions"]
        self.assertEqual(len(listed), len(rows))

    def test_of_a_stranger_is_refused_as_where_none_is_expected(self):
        _, upstream = self.relay()
        lockstep = self.start(upstream.port)
        talk = self.talk(lockstep, LINE, source=STRANGER)
        self.assertIn(b"421 4.3.5 No PROXY header is expected here", talk.rest())
        talk = self.talk(lockstep, source=STRANGER)
        self.send(talk)
        row = self.sessions(lockstep, ending="quit")[0]
        self.assertTrue(row["client"].startswith(f"{STRANGER}:"))
        self.assertNotIn("through", row)

    def test_says_who_may_connect_and_how_often(self):
        _, upstream = self.relay()
        lockstep = self.start(upstream.port, f"allow: [{CLIENT}]\nsessions-per-client: 2")
        self.assertEqual(self.talk(lockstep, LINE_SIX).reply().code, 554)
        held = [self.talk(lockstep, header) for header in (LINE, binary())]
        self.assertEqual([talk.reply().code for talk in held], [220, 220])
        self.assertEqual(self.talk(lockstep, LINE).reply().code, 421)
        metrics = lockstep.ask("/metrics")[1]
        self.assertRegex(metrics, r'clients_refused_total\S*why="not-allowed"\S* 1\n')
        self.assertRegex(metrics, r'clients_refused_total\S*why="too-many"\S* 1\n')
        listed = json.loads(lockstep.ask(f"/api/v1/sessions?client={CLIENT}&state=live")[1])
        self.assertEqual(len(listed["sessions"]), 2)
        with self.subTest("who looks whether anybody is here is not a client"):
            self.assertEqual(self.talk(lockstep, LOCAL).reply().code, 220)
        with self.subTest("who is nobody is"):
            self.assertEqual(self.talk(lockstep, b"PROXY UNKNOWN\r\n").reply().code, 554)
        for talk in held:
            self.assertEqual(talk.ask(b"QUIT").code, 221)
            talk.close()
        place.await_true("room for another session of that client",
                         lambda: self.talk(lockstep, LINE).reply().code == 220)

    def test_says_who_may_not(self):
        _, upstream = self.relay()
        lockstep = self.start(upstream.port, f"deny: [{CLIENT}, {BALANCER}]\n"
                              "certificates: [\"scanner-*\"]")
        self.assertEqual(self.talk(lockstep, LINE).reply().code, 554)
        for header in (LINE_SIX, binary("2001:db8::7", "2001:db8::2",
                                        values=tls_value(b"scanner-7", verify=1))):
            talk = self.talk(lockstep, header)
            self.assertEqual(talk.reply().code, 220)
            talk.ask(b"EHLO c.test")
            self.assertEqual(talk.ask(b"MAIL FROM:<a@client.test>").code // 100, 5)
        self.send(self.talk(lockstep, binary("2001:db8::7", "2001:db8::2",
                                             values=tls_value(b"scanner-7"))))
        self.assertRegex(lockstep.ask("/metrics")[1],
                         r'clients_refused_total\S*why="denied"\S* 1\n')

    def test_comes_before_tls(self):
        for offer in ("implicit", "both"):
            relay, upstream = self.relay()
            lockstep = self.start(upstream.port, f"tls: {tls_words(offer=offer)}")
            for header in (LINE, binary()):
                for together in (False, True):
                    with self.subTest(offer=offer, header=header, together=together):
                        talk = self.talk(lockstep)
                        # What is said while it is corked leaves in one packet, or in 200 ms.
                        talk.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, together)
                        talk.say(header)
                        talk.secure(trusting(), "localhost")
                        talk.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
                        self.send(talk)
            ended = self.sessions(lockstep, 4, ending="quit")
            self.assertEqual({row["client"] for row in ended}, {f"{CLIENT}:4711"})
            self.assertEqual({row["client_tls"] for row in ended}, {"TLSv1.3"})
            self.assert_plays(lockstep)

    def test_is_for_both_whoever_speaks_in_clear_behind_it(self):
        _, upstream = self.relay()
        lockstep = self.start(upstream.port,
                              f"tls: {tls_words(offer='both', wait='200ms')}\n"
                              "repairs: {early-talk: off}")
        self.send(self.talk(lockstep, LINE))
        talk = self.talk(lockstep, LINE + b"EHLO c.test\r\n")
        self.assertEqual([talk.reply().code, talk.reply().code], [220, 250])

    def test_starttls_goes_on_behind_it(self):
        _, upstream = self.relay()
        lockstep = self.start(upstream.port, f"tls: {tls_words(offer='starttls', required='on')}")
        talk = self.talk(lockstep, binary())
        self.assertEqual(talk.reply().code, 220)
        self.assertIn(b"STARTTLS", talk.ask(b"EHLO c.test"))
        self.assertEqual(talk.ask(b"MAIL FROM:<a@b>").code, 530)
        self.assertEqual(talk.ask(b"STARTTLS").code, 220)
        talk.secure(trusting(), "localhost")
        self.assertNotIn(b"STARTTLS", talk.ask(b"EHLO c.test"))
        self.assertEqual(talk.ask(b"MAIL FROM:<a@b>").code, 250)
        self.assertEqual(talk.ask(b"QUIT").code, 221)
        row = self.sessions(lockstep, ending="quit")[0]
        self.assertEqual((row["client"], row["client_tls"]), (f"{CLIENT}:4711", "TLSv1.3"))

    def test_tls_in_it_is_that_of_the_session(self):
        _, upstream = self.relay()
        other, elsewhere = self.relay()
        lockstep = self.start(
            upstream.port, "tls: {required: on}\nroutes: [{certificate: scanner-7, relay: other}]",
            relays=f"other: {{address: \"smtp://127.0.0.1:{elsewhere.port}\"}}")
        rows = ((tls_value(b"scanner-7"), True), (tls_value(b"scanner-7", verify=1), True),
                (tls_value(b"scanner-7", flags=1), True), (tls_value(flags=0), False),
                (b"", False))
        for values, secured in rows:
            with self.subTest(values=values):
                talk = self.talk(lockstep, binary(values=values))
                self.assertEqual(talk.reply().code, 220)
                self.assertNotIn(b"STARTTLS", talk.ask(b"EHLO c.test"))
                self.assertEqual(talk.ask(b"MAIL FROM:<a@b>").code, 250 if secured else 530)
                self.assertEqual(talk.ask(b"QUIT").code, 221)
        ended = self.sessions(lockstep, len(rows), ending="quit")
        self.assertEqual([row["client_tls"] for row in ended], ["TLSv1.3"] * 3 + ["none"] * 2)
        self.assertEqual([row["relay"].endswith(f":{elsewhere.port}") for row in ended],
                         [True] + [False] * 4, "by a certificate that nobody vouches for")
        self.assertIn(" certificate=scanner-7\n", "".join(
            path.read_text() for path in self.transcripts(lockstep)))
        self.assert_plays(lockstep)

    def test_tls_in_it_without_the_certificate_that_is_required_is_not_enough(self):
        _, upstream = self.relay()
        words = tls_words(offer="starttls", required="on", client_certificate="require",
                          client_ca=authority.certificate)
        lockstep = self.start(upstream.port, f"tls: {words}")
        for values, code in ((tls_value(flags=1), 530), (tls_value(b"scanner-7"), 250)):
            talk = self.talk(lockstep, binary(values=values))
            self.assertEqual(talk.reply().code, 220)
            talk.ask(b"EHLO c.test")
            self.assertEqual(talk.ask(b"MAIL FROM:<a@b>").code, code)

    def test_ends_with_who_ends(self):
        _, upstream = self.relay()
        lockstep = self.start(upstream.port)
        for said in (b"", LINE[:10], binary()[:20]):
            self.talk(lockstep, said).close()
        self.sessions(lockstep, 3, ending="client-lost")
        waiting = self.talk(lockstep, LINE[:10])
        self.talk(lockstep, LINE).reply()
        lockstep.drain()
        with contextlib.suppress(wire.Broken):
            self.assertNotEqual(waiting.reply().code, 220)
        self.sessions(lockstep, ending="stopped")


class Balancers(Party):
    """Those who speak it: HAProxy and swaks."""

    def balance(self, lockstep, **ports):
        balancer = HAProxy(lockstep.port, ports)
        self.addCleanup(balancer.stop)
        return balancer

    def test_haproxy_passes_on_who_the_client_is(self):
        relay, upstream = self.relay()
        lockstep = self.start(upstream.port)
        balancer = self.balance(lockstep, v1=("", "send-proxy", ""), v2=("", "send-proxy-v2", ""))
        for name, source in (("v1", "127.0.0.7"), ("v2", "127.0.0.8")):
            with self.subTest(name):
                talk = self.talk(lockstep, source=source, port=balancer.port[name])
                self.send(talk)
                rows = [row for row in self.sessions(lockstep, ending="quit")
                        if row["client"].startswith(f"{source}:")]
                self.assertEqual(len(rows), 1)
                self.assertTrue(rows[0]["through"].startswith(f"{BALANCER}:"))
        self.assertEqual(relay.delivered, [MESSAGE] * 2)

    def test_haproxy_ends_tls_and_says_with_whom(self):
        _, upstream = self.relay()
        other, elsewhere = self.relay()
        lockstep = self.start(
            upstream.port, "tls: {required: on}\nroutes: [{certificate: scanner-7, relay: other}]",
            relays=f"other: {{address: \"smtp://127.0.0.1:{elsewhere.port}\"}}")
        bind = f"ssl crt {combined} ca-file {authority.certificate} verify optional"
        balancer = self.balance(lockstep, tls=(bind, "send-proxy-v2-ssl-cn", ""))
        for certificate, relay_port in ((scanner, elsewhere.port), (None, upstream.port)):
            talk = self.talk(lockstep, source="127.0.0.7", port=balancer.port["tls"])
            talk.secure(trusting(certificate), "localhost")
            replies = self.send(talk)
            self.assertNotIn(b"STARTTLS", replies[1])
            row = self.sessions(lockstep, 1 if certificate else 2, ending="quit")[-1]
            self.assertTrue(row["client"].startswith("127.0.0.7:"))
            self.assertEqual(row["client_tls"], "TLSv1.3")
            self.assertEqual(row["relay"], f"127.0.0.1:{relay_port}")

    def test_haproxy_looks_whether_anybody_is_here(self):
        _, upstream = self.relay()
        for name, server, allow in (("v2", "send-proxy-v2", CLIENT), ("v1", "send-proxy", BALANCER)):
            with self.subTest(name):
                lockstep = self.start(upstream.port, f"allow: [{allow}]")
                balancer = self.balance(lockstep, checked=(
                    "", f"{server} check inter 200ms check-send-proxy",
                    f"option smtpchk EHLO {name}.balancer.test"))
                rows = self.sessions(lockstep, 2, ending="quit")
                self.assertTrue(all(row["client"] == row["through"] for row in rows), rows)
                tag = f"tag={name}.balancer.test"
                listed = json.loads(lockstep.ask(f"/api/v1/sessions?{tag}")[1])
                self.assertGreaterEqual(len(listed["sessions"]), 2)
                self.assertNotIn("is DOWN", balancer.process.log())

    def test_swaks_speaks_both(self):
        relay, upstream = self.relay()
        lockstep = self.start(upstream.port)
        rows = (("1", "TCP4", CLIENT, SERVER), ("1", "TCP6", "2001:db8::7", "2001:db8::2"),
                ("2", "AF_INET", CLIENT, SERVER), ("2", "AF_INET6", "2001:db8::7", "2001:db8::2"))
        for version, family, client, server in rows:
            with self.subTest(version=version, family=family):
                sent = subprocess.run(
                    [packages.program("swaks"), "--server", BALANCER, "--port", str(lockstep.port),
                     "--from", "a@client.test", "--to", f"one@{relays.DOMAIN}", "--helo", "c.test",
                     "--proxy-version", version, "--proxy-family", family, "--proxy-source", client,
                     "--proxy-source-port", "4711", "--proxy-dest", server, "--proxy-dest-port",
                     "25"], capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(sent.returncode, 0, sent.stdout + sent.stderr)
        clients = [row["client"] for row in self.sessions(lockstep, len(rows), ending="quit")]
        self.assertEqual(clients, [f"{CLIENT}:4711", "[2001:db8::7]:4711"] * 2)
        self.assertEqual(len(relay.delivered), len(rows))


class Postfix(relays.Postfix):
    name = "postfix-proxy"
    wrapped = False

    def _settings(self, here):
        return super()._settings(here) + f"""
smtpd_upstream_proxy_protocol = haproxy
smtpd_tls_security_level = may
smtpd_tls_cert_file = {leaf.certificate}
smtpd_tls_key_file = {leaf.key}
smtpd_tls_wrappermode = {"yes" if self.wrapped else "no"}
"""

    def _services(self):
        return super()._services() + "\ntlsmgr unix - - n 1000? 1 tlsmgr"


class WrappedPostfix(Postfix):
    wrapped = True


class Exim(relays.Exim):
    """The light one of Debian knows no PROXY header."""

    name = "exim-proxy"
    packages = ("exim4-daemon-heavy", "libmariadb3", "libspf2-2", "libpq5", "libldap-2.5-0",
                "libperl5.36", "libsqlite3-0")
    libraries = (f"usr/lib/{sysconfig.get_config_var('MULTIARCH')}",)

    def _settings(self, _jail):
        return "tls_advertise_hosts =\nhosts_proxy = 127.0.0.1\n"


class Relays(Party):
    """Those who hear one from lockstep."""

    def assert_tells(self, relay, version, line, more="", **words):
        lockstep = self.start(relay.port, relay=f"proxy: {version}\n{more}", **words)
        self.send(self.talk(lockstep, LINE))
        place.await_true("the relay's log to name the client",
                         lambda: re.search(line, relay.log()) or None)
        self.sessions(lockstep, ending="quit")
        text = self.transcripts(lockstep)[0].read_text()
        self.assertRegex(text, rf"U open( tls)?\n\+\d+ ! proxy {version}\n")
        self.assertRegex(text, rf"@ relay\.proxy {version}\n")
        self.assert_plays(lockstep)

    def test_postfix(self):
        with Postfix() as relay:
            for version in ("v1", "v2"):
                with self.subTest(version):
                    relay.forget()
                    self.assert_tells(relay, version, rf"client=unknown\[{CLIENT}\]")
                    place.await_true("the message", lambda: relay.stored("one"))

    def test_postfix_in_tls_from_the_first_byte(self):
        with WrappedPostfix() as relay:
            for version in ("v1", "v2"):
                with self.subTest(version):
                    self.assert_tells(relay, version, rf"client=unknown\[{CLIENT}\]",
                                      f"ca: {authority.certificate}",
                                      addresses=[f"smtps://localhost:{relay.port}"])

    def test_exim(self):
        with Exim() as relay:
            for version in ("v1", "v2"):
                with self.subTest(version):
                    self.assert_tells(relay, version, rf"<= a@client\.test .*\[{CLIENT}\]")

    def test_who_connects_directly_is_told_with_the_address_he_connected_to(self):
        header = self.overhear("v1", lambda lockstep: self.send(self.talk(lockstep,
                                                                          source=STRANGER)))
        self.assertRegex(header, rb"^PROXY TCP4 127\.0\.0\.9 127\.0\.0\.1 \d+ \d+\r\n$")
        self.assertTrue(header.endswith(f" {self.port}\r\n".encode()), header)

    def overhear(self, version, act, listener=""):
        """The header that a relay of ours hears, which must come alone."""
        heard = []

        def handler(talk):
            talk.held += talk._read()
            heard.append(talk.held)
            talk.held = b""
            Polite()(talk)

        upstream = Upstream(handler)
        self.addCleanup(upstream.stop)
        lockstep = self.start(upstream.port, listener, relay=f"proxy: {version}")
        self.port = lockstep.port
        act(lockstep)
        return heard[0]

    def test_tls_of_the_client_is_told_in_version_2(self):
        words = tls_words(offer="implicit", client_certificate="ask",
                          client_ca=authority.certificate)

        def act(certificate):
            def send(lockstep):
                talk = self.talk(lockstep, LINE)
                self.send(talk.secure(trusting(certificate), "localhost"))
            return send

        self.assertEqual(self.overhear("v2", act(scanner), f"tls: {words}"),
                         binary(values=tls_value(b"scanner-7")))
        self.assertEqual(self.overhear("v2", act(None), f"tls: {words}"),
                         binary(values=tls_value(verify=1, flags=1)))
        self.assertEqual(self.overhear("v1", act(scanner), f"tls: {words}"), LINE)

    def test_one_lockstep_tells_the_next(self):
        _, upstream = self.relay()
        inner = self.start(upstream.port, "tls: {required: on}")
        outer = self.start(inner.port, relay="proxy: v2")
        talk = self.talk(outer, binary("2001:db8::7", "2001:db8::2", values=tls_value(b"mx.test")))
        self.send(talk)
        row = self.sessions(inner, ending="quit")[0]
        self.assertEqual((row["client"], row["client_tls"]), ("[2001:db8::7]:4711", "TLSv1.3"))
        self.assertIn("C open 2001:db8::7 tls to=[2001:db8::2]:25 through=127.0.0.1:",
                      self.transcripts(inner)[0].read_text())

    def test_is_said_at_every_connection(self):
        heard = []
        lock = threading.Lock()

        def handler(talk):
            with lock:
                heard.append(talk.line())
                first = len(heard) == 1
            Polite(replies={"MAIL": b"421 4.3.2 closing\r\n"} if first else {})(talk)

        upstream = Upstream(handler)
        self.addCleanup(upstream.stop)
        lockstep = self.start(upstream.port, relay="proxy: v1")
        self.send(self.talk(lockstep, LINE))
        self.assertEqual(heard, [LINE, LINE])


if __name__ == "__main__":
    suite.main()
