"""On the path between a client and a relay, each on a host of its own, neither of which knows.

Three network namespaces; nftables on the one in the middle leads what goes to port 25 to lockstep,
rewritten (REDIRECT) or as it is (TPROXY), by IPv4 and by IPv6: by the rules of `lockstep net apply`, or
by rules of somebody else that catch more than they should.
"""

import contextlib
import re
import signal
import socket
import struct
import unittest

from support import artefacts, packages, place, suite, wire
from support.hosts import Hosts, Peer
from support.pipelining_client import send
from support.process import Process
from support.proxy import Proxy
from support.relays import DOMAIN, MARK, Postfix, Sink

OWN = 0x4C530001  # what lockstep marks its connections to relays with
OURS = 0x4C530002  # and these rules what is to stay on the gateway
TABLE = 176
BOTH = '["127.0.0.1:2525", "[::1]:2525"]'

COMMON = f"""
table inet lockstep_test {{
  chain divert {{
    type filter hook prerouting priority mangle; policy accept;
    meta l4proto tcp socket transparent 1 socket wildcard 0 meta mark set {OURS} accept
    %s
  }}
  %s
}}
"""
RULES = {
    "tproxy": COMMON % (f"""
    iifname "client" tcp dport {{ 25, 26 }} meta nfproto ipv4 tproxy ip to 127.0.0.1:2525 meta mark set {OURS} accept
    iifname "client" tcp dport {{ 25, 26 }} meta nfproto ipv6 tproxy ip6 to [::1]:2525 meta mark set {OURS} accept
""", ""),
    "redirect": COMMON % ("", """
  chain rewrite {
    type nat hook prerouting priority dstnat; policy accept;
    iifname "client" tcp dport { 25, 26 } redirect to :2525
  }
"""),
}


class PathPostfix(Postfix):
    """On port 25 of its host, for clients from anywhere."""

    interfaces = protocols = "all"

    def _services(self):
        return f"{super()._services()}\n25 inet n - n - - smtpd"


class PathSink(Sink):
    """On port 25 of its host."""

    listens = ("0.0.0.0:25", "[::]:25")


class Path(unittest.TestCase):
    def setUp(self):
        packages.program("nft")
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.hosts = self.stack.enter_context(Hosts())
        self.addresses = (self.hosts.relay.four, self.hosts.relay.six)

    def lead(self, way):
        """Rules and routes of the gateway that are not lockstep's."""
        gateway = self.hosts.gateway
        gateway.run("nft", "-f", "-", input=RULES[way])
        for family, net in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
            gateway.run("ip", family, "rule", "add", "fwmark", str(OURS), "lookup", str(TABLE))
            gateway.run("ip", family, "route", "add", "local", net, "dev", "lo", "table",
                        str(TABLE))

    def gate(self, way, more="", by_hand=False, **options):
        """lockstep on the gateway, with its own rules, or with some that catch more."""
        listener = f"intercept: {way}\nports: [25]\n{more}"
        options.setdefault("listen", '"*:2525"')
        options.setdefault("relays", "original: {source: client}")
        options.setdefault("addresses", ["smtp://192.0.2.1"])
        options.setdefault("to", "original")
        with self.hosts.gateway.inside():
            gate = self.stack.enter_context(Proxy(listener=listener, **options))
        if by_hand:
            self.lead(way)
        else:
            self.hosts.gateway.run(place.lockstep(), "net", "apply", "-c",
                                   gate.folder.path / "lockstep.yaml")
        return gate

    def relay(self, kind, *arguments):
        with self.hosts.relay.inside():
            return self.stack.enter_context(kind(*arguments))

    def peer(self, serve, port=25):
        """What is heard on the relay's host, by both families."""
        return [self.stack.enter_context(Peer(self.hosts.relay, (address, port), serve))
                for address in self.addresses]

    def dial(self, address, port=25, host=None):
        with (host or self.hosts.client).inside():
            return self.stack.enter_context(wire.Conversation(port, address))

    def refusal(self, talk):
        """Its only words."""
        words = talk.reply()
        self.assertEqual(talk.socket.recv(1), b"")
        return words

    def lines(self, gate, word, count=1):
        """Those of the log that say it, once there are so many."""
        def found():
            lines = re.findall(f'^.*"event":"{word}".*$', gate.process.log(), re.MULTILINE)
            return lines if len(lines) >= count else None
        return place.await_true(f"the log to say {word}", found)


def greet(connection, client):
    """A relay that says as little as it can: it greets, hears something, and ends."""
    connection.sendall(b"220 peer ESMTP\r\n")
    heard = connection.recv(65536)
    connection.sendall(b"221 bye\r\n")
    return client, heard


def echo(connection, client):
    """Greets, hears all there is, and then says it again, behind how much it was."""
    connection.sendall(b"220 peer ESMTP\r\n")
    heard = b""
    while more := connection.recv(65536):
        heard += more
    connection.sendall(b"%d\r\n" % len(heard) + heard)
    return client, heard


def reset(connection, client):
    connection.sendall(b"220 peer ESMTP\r\n")
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return client


class Interception(Path):
    def mail(self, way):
        relay = self.relay(PathPostfix)
        self.gate(way)
        swaks = packages.program("swaks")
        for address in self.addresses:
            said = self.hosts.client.run(
                swaks, "--server", address, "--from", "a@client.test", "--to", f"one@{DOMAIN}",
                "--helo", "client.test", "--header", f"{MARK.decode()} {address}")
            self.assertIn("220 relay.lockstep.test ESMTP Postfix", said)
        place.await_true("both messages", lambda: len(relay.stored("one")) == 2)
        for client in (self.hosts.client.four, self.hosts.client.six):
            self.assertIn(f"client=unknown[{client}]", relay.log())
        self.assertNotIn("10.77.2.1", relay.log())
        self.assertNotIn("fd77:2::1", relay.log())

    def test_postfix_sees_the_client_behind_redirect(self):
        self.mail("redirect")

    def test_postfix_sees_the_client_behind_tproxy(self):
        self.mail("tproxy")

    def batches(self, way):
        """The relay takes one command at a time, and ends a session that types ahead."""
        relay = self.relay(PathSink, "exim")
        gate = self.gate(way, relays="original: {source: own}", transcripts=True)
        for number, address in enumerate(self.addresses):
            talk = self.dial(address)
            talk.open()
            message = b"%s %d\r\n\r\none write\r\n" % (MARK, number)
            self.assertTrue(send(talk, b"a@client.test", [f"one@{DOMAIN}".encode()], message))
            talk.ask(b"QUIT")
        self.assertEqual(len(relay.stored("one")), 2)
        self.assertEqual(relay.violations(), 0)
        self.lines(gate, "session", 2)
        paths = list((gate.folder.path / "transcripts").iterdir())
        texts = [path.read_text() for path in paths]
        for client, relay_at in ((self.hosts.client.four, "10.77.2.2:25"),
                                 (self.hosts.client.six, "[fd77:2::2]:25")):
            self.assertEqual(sum(f"C open {client} to={relay_at}\n" in text for text in texts), 1)
        self.hosts.gateway.run(place.lockstep(), "play", *paths)

    def test_a_relay_without_pipelining_hears_no_batch_behind_redirect(self):
        self.batches("redirect")

    def test_a_relay_without_pipelining_hears_no_batch_behind_tproxy(self):
        self.batches("tproxy")

    def test_without_source_client_the_relay_sees_the_gateway(self):
        peers = self.peer(greet)
        self.gate("tproxy", relays="", settings="log: {format: json}")
        for address in self.addresses:
            self.dial(address).open()
        for peer, address in zip(peers, ("10.77.2.1", "fd77:2::1")):
            place.await_true("the peer to be served", lambda peer=peer: peer.seen)
            self.assertEqual(peer.seen[0][0][0], address)

    def test_lockstep_logs_in_where_the_client_wanted_to_go(self):
        password = artefacts.secret("on-the-path-4711")
        folder = place.Folder("login")
        self.addCleanup(folder.remove)
        folder.private("password", password)
        with self.hosts.relay.inside():
            sink = Process("sink", [place.lockstep(), "sink", "--auth", f"u:{password}", *(
                word for address in PathSink.listens for word in ("--listen", address))],
                folder.path)
            self.addCleanup(sink.stop)
            sink.await_ready()
        self.gate("tproxy", """destinations: ["10.77.2.0/24", "fd77:2::/64"]
allow: ["10.77.1.0/24", "fd77:1::/64"]
routes: [{credential: c}]""", relays="original: {allow_clear: on, source: client}", listen=BOTH,
                  settings=f"credentials: {{c: {{user: u, password_file: {folder.path}/password}}}}")
        for address in self.addresses:
            talk = self.dial(address)
            talk.open()
            self.assertTrue(send(talk, b"a@client.test", [b"b@x.test"], b"From: a\r\n\r\nx\r\n"))

    def test_the_clients_address_goes_to_any_relay(self):
        """Also to one that is not the original one; of another family it can't."""
        (four, six) = self.peer(greet, 2600)
        gate = self.gate("tproxy", relays="other: {address: "
                         "['smtp://10.77.2.2:2600', 'smtp://[fd77:2::2]:2600'], source: client}",
                         to="other")
        for address in self.addresses:
            self.dial(address).open()
        for peer, client in ((four, self.hosts.client.four), (six, self.hosts.client.six)):
            place.await_true("the peer to be served", lambda peer=peer: peer.seen)
            self.assertEqual(peer.seen[0][0][0], client)
        self.assertNotIn("warning", gate.process.log())

    def test_destinations_and_ports_bound_what_is_taken_up(self):
        peers = self.peer(greet) + self.peer(greet, 26)
        gate = self.gate("tproxy", 'destinations: ["fd77:2::/64"]', by_hand=True, listen=BOTH)
        refused = rb"554 5\.7\.1 \S+ You may not connect there through this gateway\r\n"
        self.assertRegex(self.refusal(self.dial(self.addresses[0])), refused)
        self.assertRegex(self.refusal(self.dial(self.addresses[1], 26)), refused)
        (line, *_) = self.lines(gate, "refused")
        self.assertIn('"destination":"10.77.2.2:25","why":"destination"', line)
        self.assertEqual(self.dial(self.addresses[1]).reply(), b"220 peer ESMTP\r\n")
        self.assertEqual([len(peer.seen) for peer in (peers[0], peers[2], peers[3])], [0, 0, 0])


class Loops(Path):
    direct = rb"421 4\.3\.2 \S+ No server here, only the way to others\r\n"

    def refuses_direct(self, way):
        gate = self.gate(way, listen='["*:2525"]')
        for address in (self.hosts.gateway.four, self.hosts.gateway.six):
            self.assertRegex(self.refusal(self.dial(address, 2525)), self.direct)
        for address in ("127.0.0.1", "::1"):
            self.assertRegex(self.refusal(self.dial(address, 2525, self.hosts.gateway)),
                             self.direct)
        (line, *_) = self.lines(gate, "refused")
        self.assertIn(f'"destination":"{self.hosts.gateway.four}:2525","why":"direct"', line)

    def test_who_connects_to_the_listener_is_refused_behind_redirect(self):
        self.refuses_direct("redirect")

    def test_who_connects_to_the_listener_is_refused_behind_tproxy(self):
        self.refuses_direct("tproxy")

    def test_a_connection_to_another_listener_is_not_taken_up(self):
        """The rules catch it, for it goes to port 25; and so lockstep would connect to itself."""
        gateway = self.hosts.gateway
        self.gate("tproxy", by_hand=True, listen=BOTH, listeners=f"""
- {{name: plain, listen: ["{gateway.four}:25"], relay: relay}}
- {{name: all, listen: ["*:26"], relay: relay}}""")
        self.assertRegex(self.refusal(self.dial(gateway.four)), self.direct)

    def loop(self, marked):
        """Rules that also lead the gateway's own connections to the listener."""
        self.peer(greet)
        gate = self.gate("redirect", relays="", listen='["*:2525"]')
        mark = f"meta mark {OWN} accept;" if marked else ""
        self.hosts.gateway.run("nft", "-f", "-", input=f"""
table inet lockstep_test {{
  chain own {{
    type nat hook output priority -100; policy accept;
    {mark}
    tcp dport 25 redirect to :2525
  }}
}}""")
        return gate

    def test_its_own_connection_is_refused_when_rules_bring_it_back(self):
        gate = self.loop(False)
        for address in self.addresses:
            self.assertRegex(self.dial(address).reply(), rb"4.. ")
        (line, *_) = self.lines(gate, "refused")
        self.assertIn('"why":"loop"', line)
        # As many as a session may try, and no more: nothing turned round.
        self.assertEqual(len(self.lines(gate, "session", 2)), 2)

    def test_rules_know_its_connections_by_their_mark(self):
        self.loop(True)
        for address in self.addresses:
            self.assertEqual(self.dial(address).reply(), b"220 peer ESMTP\r\n")


class Reading(Path):
    def test_another_reading_changes_how_connections_come(self):
        """The same sockets go on; behind the rules of TPROXY only those that agree are found."""
        peers = self.peer(greet)
        gate = self.gate("tproxy", by_hand=True, listen=BOTH, relays="original: {source: own}")
        path = gate.folder.path / "lockstep.yaml"
        text = path.read_text()
        redirected = text.replace("intercept: tproxy", "intercept: redirect")
        for number, (now, seen) in enumerate(((text, False), (redirected, True), (text, False))):
            if number > 0:
                path.write_text(now)
                gate.process.child.send_signal(signal.SIGHUP)
                place.await_true("another reading", lambda count=number: gate.process.log().count(
                    "read again and is in force") == count)
            for peer, address, client in zip(peers, self.addresses,
                                             (self.hosts.client.four, self.hosts.client.six)):
                talk = self.dial(address)
                self.assertEqual(talk.reply(), b"220 peer ESMTP\r\n")
                talk.ask(b"QUIT")
                place.await_true("the peer to be served",
                                 lambda peer=peer, count=number: len(peer.seen) > count)
                self.assertEqual(peer.seen[number][0][0] == client, seen)


class FailOpen(Path):
    FULL = "sessions: 1\nsessions-per-client: 1\nfail-open: on"

    def crowded(self, serve):
        """Each family's only session is there; whoever comes next passes."""
        peers = self.peer(serve)
        gate = self.gate("tproxy", self.FULL, listen=BOTH, settings="admin: {listen: 127.0.0.1:0}",
                         transcripts=True)
        self.assertEqual(self.dial(self.addresses[0]).reply(), b"220 peer ESMTP\r\n")
        return gate, peers

    def test_what_finds_no_room_passes_untouched(self):
        gate, peers = self.crowded(echo)
        text = bytes(range(256)) * 8192  # no SMTP, and more than any buffer holds
        for peer, address, client in zip(peers, self.addresses,
                                         (self.hosts.client.four, self.hosts.client.six)):
            talk = self.dial(address)
            self.assertEqual(talk.reply(), b"220 peer ESMTP\r\n")
            talk.socket.sendall(text)
            talk.socket.shutdown(socket.SHUT_WR)
            heard = b""
            while more := talk.socket.recv(65536):
                heard += more
            self.assertEqual(heard, b"%d\r\n" % len(text) + text)
            place.await_true("the peer to be served", lambda peer=peer: peer.seen)
            self.assertEqual(peer.seen[0][0][0], client)
            self.assertEqual(peer.seen[0][1], text)
        (line, *_) = self.lines(gate, "passed")
        self.assertIn('"destination":"10.77.2.2:25","why":"too-many","count":1', line)
        with self.hosts.gateway.inside():
            self.assertIn('clients_passed_total{listener="main",why="too-many"} 2\n',
                          gate.ask("/metrics")[1])

    def test_a_reset_passes_too(self):
        self.crowded(reset)
        talk = self.dial(self.addresses[1])
        self.assertEqual(talk.reply(), b"220 peer ESMTP\r\n")
        talk.say(b"QUIT\r\n")
        with self.assertRaises(ConnectionResetError):
            talk.socket.recv(1)

    def test_without_it_they_hear_421(self):
        self.peer(greet)
        gate = self.gate("tproxy", "sessions: 1\nsessions-per-client: 1", listen=BOTH)
        self.assertEqual(self.dial(self.addresses[0]).reply(), b"220 peer ESMTP\r\n")
        self.assertRegex(self.refusal(self.dial(self.addresses[0])), rb"421 4\.3\.2 ")
        (line, *_) = self.lines(gate, "refused")
        self.assertIn('"why":"too-many"', line)

    def untouched(self, peers):
        """Each client came to the relay by its own port, so nobody is between."""
        for peer, address in zip(peers, self.addresses):
            talk = self.dial(address)
            self.assertEqual(talk.reply(), b"220 peer ESMTP\r\n")
            own = talk.socket.getsockname()[:2]
            talk.say(b"QUIT\r\n")
            self.assertEqual(talk.reply(), b"221 bye\r\n")
            place.await_true("the peer to be served", lambda peer=peer, own=own: any(
                client == own and heard == b"QUIT\r\n" for client, heard in peer.seen))

    def test_when_lockstep_ends_its_clients_pass_and_sessions_are_finished(self):
        peers = self.peer(greet)
        gate = self.gate("tproxy", "fail-open: on", listen=BOTH)
        talk = self.dial(self.addresses[0])
        talk.open()
        talk.ask(b"MAIL FROM:<a@client.test>")
        gate.drain()
        # It says that it ends before its sockets are closed; until then lockstep passes them itself.
        place.await_true("nobody to listen on the gateway",
                         lambda: self.hosts.gateway.run("ss", "-Hltn").strip() == "")
        self.assertIn("ending: no new", gate.process.log())
        self.untouched(peers)

    def test_when_it_is_killed_they_pass(self):
        peers = self.peer(greet)
        gate = self.gate("tproxy", "fail-open: on", listen=BOTH)
        self.assertEqual(self.dial(self.addresses[0]).reply(), b"220 peer ESMTP\r\n")
        gate.process.child.kill()
        gate.process.child.wait(20)
        self.untouched(peers)

    def test_redirect_can_not_fail_open(self):
        self.peer(greet)
        gate = self.gate("redirect", listen='["*:2525"]')
        gate.process.child.kill()
        gate.process.child.wait(20)
        with self.assertRaises(ConnectionRefusedError):
            self.dial(self.addresses[0])


class Observe(Path):
    def test_no_byte_and_no_order_is_changed(self):
        """What no repair would leave alone, in segments of its own."""
        says = [b"220 peer ESMTP\r\n", b"250-peer\r\n250-PIPELINING\r\n250 STARTTLS \r\n",
                b"250 ok\n", b"250 ok\r\n550 no\r\n354 go\r\n", b"250 2.0.0 kept\r\n"]
        asks = [b"ehlo  client.test \r\n", b"MAIL FROM: <a@client.test>\r\n",
                b"RCPT TO:<b@x>\r\nRCPT TO: c@x\r\nDATA\r\n", b"From: a\r\n\r\n..\r\n.\r\n"]

        def serve(connection, client):
            heard = []
            connection.sendall(says[0])
            for ask, answer in zip(asks, says[1:]):
                heard.append(read_exactly(connection, len(ask)))
                connection.sendall(answer)
            return client, heard

        peers = self.peer(serve)
        self.gate("tproxy", listen=BOTH, settings="mode: observe")
        for peer, address, client in zip(peers, self.addresses,
                                         (self.hosts.client.four, self.hosts.client.six)):
            talk = self.dial(address)
            talk.socket.settimeout(20)
            heard = [read_exactly(talk.socket, len(says[0]))]
            for ask, answer in zip(asks, says[1:]):
                talk.say(ask)
                heard.append(read_exactly(talk.socket, len(answer)))
            self.assertEqual(heard, says)
            place.await_true("the peer to be served", lambda peer=peer: peer.seen)
            self.assertEqual(peer.seen[0][1], asks)
            self.assertEqual(peer.seen[0][0][0], client)


def read_exactly(connection, size):
    held = b""
    while len(held) < size:
        more = connection.recv(size - len(held))
        if not more:
            raise AssertionError(f"ended after {held!r}")
        held += more
    return held


def capabilities(process, kind):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        bits = int(re.search(rf"{kind}:\s+(\w+)", status.read()).group(1), 16)
    return {bit for bit in range(64) if bits >> bit & 1} - {PTRACE}


# Numbers of capabilities; the leak checker of a sanitized build keeps one for itself.
READ, BIND, ADMIN, RAW, PTRACE = 2, 10, 12, 13, 19


class Privilege(Path):
    def start(self, text, without=""):
        """lockstep on the gateway, as root with some capabilities missing."""
        folder = place.Folder("privilege")
        self.addCleanup(folder.remove)
        (folder.path / "lockstep.yaml").write_text(f"config_version: 1\nworkers: 1\n{text}\n")
        argv = [place.lockstep(), "run", "-c", folder.path / "lockstep.yaml"]
        if without:
            argv = [packages.program("setpriv"), "--bounding-set", without, *argv]
        with self.hosts.gateway.inside():
            process = Process("lockstep", argv, folder.path)
        self.addCleanup(process.stop)
        return process

    PLAIN = ("relays: {r: {address: smtp://192.0.2.1}}\n"
             "listeners: [{name: a, listen: 127.0.0.1:25, relay: r}]")
    TPROXY = "listeners: [{name: a, listen: '*:2525', relay: original, intercept: tproxy, ports: 25}]"
    REDIRECT = TPROXY.replace("tproxy", "redirect")
    BORROW = ("relays: {r: {address: smtp://192.0.2.1, source: client}}\n"
              "listeners: [{name: a, listen: 127.0.0.1:2525, relay: r}]")

    def refused(self, text, without):
        process = self.start(text, without)
        self.assertEqual(process.child.wait(20), 77)
        return process.log()

    def test_root_keeps_what_the_configuration_may_need(self):
        for text, kept in ((self.PLAIN, {READ, BIND}), (self.TPROXY, {READ, BIND, ADMIN}),
                           (self.REDIRECT, {READ, BIND, ADMIN}), (self.BORROW, {READ, BIND, RAW})):
            process = self.start(text)
            process.await_ready()
            for kind in ("CapEff", "CapPrm", "CapBnd"):
                self.assertEqual(capabilities(process, kind), kept)
            for kind in ("CapInh", "CapAmb"):
                self.assertEqual(capabilities(process, kind), set())
            process.stop()

    def test_what_is_missing_is_said(self):
        both = "-net_admin,-net_raw"
        said = self.refused(self.TPROXY, both)
        self.assertIn("listener `a`: `intercept: tproxy` needs CAP_NET_ADMIN (or CAP_NET_RAW): give "
                      "it with `setcap cap_net_admin,", said)
        self.assertIn("relay `r`: `source: client` needs", self.refused(self.BORROW, both))
        self.assertIn("needs CAP_NET_BIND_SERVICE: give it with `setcap",
                      self.refused(self.PLAIN, "-net_bind_service"))
        process = self.start(self.REDIRECT, both)
        process.await_ready()
        self.assertIn("can't be marked without CAP_NET_ADMIN", process.log())

    def test_a_reading_that_needs_more_is_refused_and_low_ports_can_be_had(self):
        process = self.start(self.PLAIN)
        process.await_ready()
        path = process.out_path.parent / "lockstep.yaml"
        path.write_text(f"config_version: 1\nworkers: 1\n{self.TPROXY}\n")
        process.child.send_signal(signal.SIGHUP)
        place.await_true("a complaint", lambda: "old one stays in force" in process.log())
        self.assertIn("`intercept: tproxy` needs CAP_NET_ADMIN", process.log())
        path.write_text(f"config_version: 1\nworkers: 1\n{self.PLAIN.replace(':25', ':26')}\n")
        process.child.send_signal(signal.SIGHUP)
        place.await_true("the new port", lambda: "listening on 127.0.0.1:26" in process.log())


if __name__ == "__main__":
    suite.main()
