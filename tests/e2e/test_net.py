#!/usr/bin/env python3
"""`lockstep net`: rules and routes for listeners that intercept, in network namespaces.

One host for what is installed, checked and taken away; three, of which none but the gateway knows of
lockstep, for what then becomes of connections.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import packages, place, suite  # noqa: E402
from support.hosts import Host, Hosts, Peer  # noqa: E402
from support.process import Process  # noqa: E402

LISTENER = """  - name: {name}
    listen: {listen}
    relay: original
    intercept: {intercept}
    ports: [{ports}]
    {more}
"""
BOTH = '["127.0.0.1:2525", "[::1]:2525"]'

# All that may be told apart of what a host has.
LISTINGS = (("nft", "list", "ruleset"), ("ip", "rule"), ("ip", "-6", "rule"),
            ("ip", "route", "show", "table", "all"), ("ip", "-6", "route", "show", "table", "all"))

# Of others, with names and numbers next to ours.
FOREIGN = """
table inet lockstep_not { comment "lockstep: no"; chain c { type filter hook prerouting priority mangle; tcp dport 25 meta mark set 7; }; }
table ip lockstep { chain c { type nat hook prerouting priority dstnat; }; }
table inet filter { chain forward { type filter hook forward priority filter; ct state invalid drop; }; }
"""


def listener(intercept, name="main", ports="25, 587", more="", listen=None):
    listen = listen or (BOTH if intercept == "tproxy" else '"*:2525"')
    return LISTENER.format(name=name, listen=listen, intercept=intercept, ports=ports, more=more)


def configuration(*listeners, source="own"):
    return ("config_version: 1\nworkers: 1\nlisteners:\n" + "".join(listeners) +
            f"relays:\n  original: {{source: {source}}}\n")


class Net(unittest.TestCase):
    def setUp(self):
        packages.need_root("it makes network namespaces")
        for program in ("nft", "ip"):
            packages.program(program)
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = place.Folder("net")
        self.stack.callback(self.folder.remove)

    def file(self, text, name="lockstep.yaml"):
        path = self.folder.path / name
        path.write_text(text, encoding="ascii")
        return path

    def net(self, deed, file=None, *more, code=0, before=()):
        """What it says, on both outputs together."""
        argv = [*before, place.lockstep(), "net", deed, *more, *(("-c", file) if file else ())]
        with self.host.inside():
            done = subprocess.run([str(word) for word in argv], capture_output=True, text=True,
                                  timeout=60, check=False)
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, said)
        return said

    def listing(self):
        return "".join(self.host.run(*argv) for argv in LISTINGS)


class Installing(Net):
    def setUp(self):
        super().setUp()
        try:
            self.host = Host("gateway")
        except OSError as error:
            packages.skip(f"no network namespaces here: {error}")
        self.stack.callback(self.host.close)
        self.host.run("nft", "-f", "-", input=FOREIGN)
        for family in ("-4", "-6"):
            self.host.run("ip", family, "rule", "add", "pref", "2525", "fwmark", "7", "lookup", "7")
            self.host.run("ip", family, "route", "add", "local", "default", "dev", "lo", "table",
                          "7")
        self.before = self.listing()

    def round_trip(self, text):
        file = self.file(text)
        self.net("plan", file)
        self.assertEqual(self.listing(), self.before, "a plan changes nothing")
        self.assertIn("table inet lockstep is missing\n", self.net("check", file, code=1))
        self.assertEqual(self.net("apply", file), "")
        self.assertEqual(self.net("check", file), "")
        once = self.listing()
        self.assertNotEqual(once, self.before)
        self.net("apply", file)
        self.assertEqual(self.listing(), once, "twice is once")
        self.assertEqual(self.net("remove"), "")
        self.assertEqual(self.listing(), self.before, "nothing is left behind")
        self.assertEqual(self.net("remove"), "")
        # What plan prints are the commands that apply gives.
        self.host.run("sh", "-e", "-c", self.net("plan", file))
        self.assertEqual(self.net("check", file), "")
        self.assertEqual(self.listing(), once)
        self.net("remove")
        self.assertEqual(self.listing(), self.before)

    def test_tproxy_leaves_nothing_behind(self):
        self.round_trip(configuration(listener("tproxy")))

    def test_redirect_leaves_nothing_behind(self):
        self.round_trip(configuration(listener("redirect")))

    def test_all_at_once_leave_nothing_behind(self):
        for name in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            self.host.set(f"net.{name}", 1)
        self.round_trip(configuration(
            listener("redirect", more="destinations: [192.0.2.0/24, 198.51.100.1, "
                                      '"2001:db8::/32"]'),
            listener("tproxy", "open", ports="465, 25, 26, 27, 28, 29, 30, 31",
                     listen='"*:2526"',
                     more="fail-open: on\n    destinations: [203.0.113.0/25]"),
            listener("redirect", "one", ports="24", listen='"127.0.0.2:2527"').replace(
                "127.0.0.2", "10.99.0.1"), source="client"))

    def test_one_plan_replaces_another(self):
        tproxy, redirect = (self.file(configuration(listener(way)), way)
                            for way in ("tproxy", "redirect"))
        self.net("apply", redirect)
        only = self.listing()
        self.net("apply", tproxy)
        self.assertEqual(self.net("check", tproxy), "")
        said = self.net("check", redirect, code=1)
        self.assertIn("chain rewrite: missing: ", said)
        self.assertIn("no longer wanted: `ip -6 rule add pref 2525 ", said)
        self.net("apply", redirect)
        self.assertEqual(self.listing(), only)

    def test_the_rules_of_one_listener(self):
        file = self.file(configuration(listener("tproxy", ports="25"),
                                       listener("tproxy", "other", ports="26",
                                                listen="127.0.0.1:2526")))
        self.net("apply", file, "--listener", "other")
        self.assertEqual(self.net("check", file, "--listener", "other"), "")
        self.assertIn('missing: meta nfproto ipv4 tcp dport 25 jump take-1-ipv4 comment '
                      '"listener main"', self.net("check", file, code=1))
        self.net("apply", file)
        self.assertIn("leads to listener `main` too",
                      self.net("remove", None, "--listener", "other", code=69))
        self.net("apply", file, "--listener", "other")
        self.net("remove", None, "--listener", "other")
        self.assertEqual(self.listing(), self.before)

    def handle(self, chain, rule):
        listed = self.host.run("nft", "-a", "list", "chain", "inet", "lockstep", chain)
        return next(line for line in listed.splitlines() if rule in line).split()[-1]

    def test_what_somebody_changed_is_named(self):
        file = self.file(configuration(listener("tproxy", more="fail-open: on")))
        self.net("apply", file)
        change = self.handle("take-1-ipv6", "tproxy")
        for argv in (
                f"nft replace rule inet lockstep take-1-ipv6 handle {change} meta l4proto tcp drop",
                f"nft delete rule inet lockstep new handle {self.handle('new', 'fib daddr')}",
                "nft add rule inet lockstep here tcp dport 2500 accept",
                "ip -6 rule del pref 2525 fwmark 0x4c530002",
                "ip route del local default dev lo table 2525",
                "ip route add 192.0.2.1 dev lo table 2525",
                "sysctl -qw net.ipv4.conf.default.src_valid_mark=1"):
            self.host.run(*argv.split())
        said = self.net("check", file, code=1)
        table = "table inet lockstep: chain"
        for line in (
                f"{table} take-1-ipv6: missing: meta l4proto tcp tproxy ip6 to [::1]:2525 meta mark "
                "set 0x4c530002 counter accept",
                f"{table} take-1-ipv6: not lockstep's: meta l4proto tcp drop",
                f"{table} new: missing: fib daddr type local return",
                f"{table} here: not lockstep's: tcp dport 2500 accept",
                "missing: `ip -6 rule add pref 2525 fwmark 0x4C530002 lookup 2525 protocol 125`",
                "missing: `ip -4 route add local default dev lo table 2525 proto 125`",
                "not lockstep's: a route in `ip -4 route show table 2525`"):
            self.assertIn(line + "\n", said)
        for setting in ("ipv4/conf/default/src_valid_mark is 1", "ipv4/ip_forward is 0",
                        "ipv6/conf/all/forwarding is 0"):
            self.assertIn(f"setting net/{setting}: ", said)
        self.assertEqual(len(said.splitlines()), 10, said)
        # It is put right again, but for what others do.
        self.assertIn("somebody else has a route in routing table 2525",
                      self.net("apply", file, code=69))
        self.host.run("ip", "route", "del", "192.0.2.1", "table", "2525")
        self.net("apply", file)
        self.assertEqual(len(self.net("check", file, code=1).splitlines()), 3)

    def test_a_rule_in_front_of_ours_is_named(self):
        file = self.file(configuration(listener("tproxy")))
        self.net("apply", file)
        for family in ("-4", "-6"):
            self.host.run("ip", family, "rule", "add", "pref", "99", "lookup", "99")
            self.assertEqual(self.net("check", file), "")
            self.host.run("ip", family, "route", "add", "unreachable", "default", "table", "99")
            self.assertEqual(self.net("check", file, code=1),
                             "another rule in front of ours leads marked packets elsewhere: `ip "
                             f"{family} rule`\n")
            self.host.run("ip", family, "rule", "del", "pref", "99")
        self.assertEqual(self.net("check", file), "")

    def test_settings_in_the_way_are_named(self):
        """Each of them was seen to end all connections, or to let none pass."""
        file = self.file(configuration(listener("tproxy")))
        self.net("apply", file)
        for name, value in (("conf.all.src_valid_mark", 1), ("conf.lo.src_valid_mark", 1),
                            ("tcp_fwmark_accept", 1), ("tcp_syncookies", 2)):
            with self.host.inside():
                path = pathlib.Path("/proc/sys/net/ipv4", name.replace(".", "/"))
                before = path.read_text()
                path.write_text(str(value))
                said = self.net("check", file, code=1)
                self.assertEqual(len(said.splitlines()), 1, said)
                command = said.split("`")[1].split()
                self.assertIn(f"setting net/ipv4/{name.replace('.', '/')} is {value}: ", said)
            self.host.run(*command)
            self.assertEqual(self.net("check", file), "")
            self.host.set(f"net.ipv4.{name}", before)

    def test_rules_in_another_order_are_named(self):
        file = self.file(configuration(listener("tproxy")))
        self.net("apply", file)
        first = self.handle("take-1-ipv4", "tproxy")
        self.host.run("nft", "delete", "rule", "inet", "lockstep", "take-1-ipv4", "handle", first)
        self.host.run("nft", "add", "rule", "inet", "lockstep", "take-1-ipv4",
                      *"meta l4proto tcp tproxy ip to 127.0.0.1:2525 meta mark set 0x4c530002 "
                      "counter accept".split())
        self.assertIn("chain take-1-ipv4: in another place: meta l4proto tcp reject",
                      self.net("check", file, code=1))

    def test_a_table_of_somebody_else_is_left_alone(self):
        file = self.file(configuration(listener("tproxy")))
        self.host.run("nft", "add", "table", "inet", "lockstep")
        there = self.listing()
        self.assertIn("that lockstep did not make", self.net("apply", file, code=69))
        self.assertIn("table inet lockstep is not lockstep's", self.net("check", file, code=1))
        self.assertIn("it stays", self.net("remove"))
        self.assertEqual(self.listing(), there)

    def test_the_rules_of_another_lockstep_are_not_replaced(self):
        first = self.file(configuration(listener("tproxy")))
        second = self.file(configuration(listener("tproxy", "second")), "second")
        self.net("apply", first)
        there = self.listing()
        self.assertIn("lead to listener `main`, which", self.net("apply", second, code=69))
        self.assertEqual(self.listing(), there)

    def test_a_part_that_fails_undoes_the_rest(self):
        file = self.file(configuration(listener("tproxy")))
        self.host.set("net.ipv6.conf.all.disable_ipv6", 1)
        before = self.listing()
        said = self.net("apply", file, code=71)
        self.assertIn("`ip -6 route add local default dev lo table 2525 proto 125`: ip says: ", said)
        self.assertIn("listen on 0.0.0.0 instead of *, or", said)
        self.assertIn("nothing was changed", said)
        self.assertEqual(self.listing(), before)

    def test_a_right_that_is_missing_is_named(self):
        file = self.file(configuration(listener("tproxy")))
        without = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
        for deed in ("apply", "check", "remove"):
            self.assertIn(f"`{deed}` needs CAP_NET_ADMIN",
                          self.net(deed, file, code=77, before=without))
        self.net("plan", file, before=without)
        self.assertEqual(self.listing(), self.before)

    def test_capabilities_of_the_programs_file_are_nobodys(self):
        """Else anybody could lead others' mail away, by rules or by a tool of his own."""
        if os.statvfs(self.folder.path).f_flag & os.ST_NOSUID:
            packages.skip("programs here get no capabilities by their file")
        copy = self.folder.path / "lockstep"
        shutil.copyfile(place.lockstep(), copy)
        copy.chmod(0o755)
        subprocess.run([packages.program("setcap"), "cap_net_admin+ep", copy], check=True, timeout=20)
        for deed in ("apply", "check", "remove"):
            done = subprocess.run(
                ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", copy, "net",
                 deed], capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 77, done.stderr)
            self.assertIn("takes no capabilities from the program's file", done.stderr)
        self.assertEqual(self.listing(), self.before)

    def test_a_tool_that_is_missing_is_named(self):
        file = self.file(configuration(listener("tproxy")))
        folder = os.path.dirname(os.path.realpath(packages.program("nft")))
        without = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {folder} && exec "$@"',
                   "sh")
        self.assertIn("there is no `nft` here: install the package nftables",
                      self.net("apply", file, code=69, before=without))

    def test_what_cannot_be_planned_is_said(self):
        for text, says in (
                (configuration(listener("tproxy")).replace("original", "sink").replace(
                    "{source: own}", "{address: smtp://192.0.2.1}").replace(
                    "    intercept: tproxy\n    ports: [25, 587]\n", ""),
                 "no listener intercepts: write `intercept: tproxy`"),
                (configuration(listener("redirect", listen="127.0.0.1:2525")),
                 "the kernel drops what is redirected to loopback"),
                (configuration(listener("tproxy", listen='"*:0"')), "write one instead of 0"),
                (configuration(listener("tproxy", listen="gate.example:2525")),
                 "rules lead to addresses, not to names")):
            self.assertIn(says, self.net("plan", self.file(text), code=78))
        self.assertIn("there is no listener `x`",
                      self.net("plan", self.file(configuration(listener("tproxy"))), "--listener",
                               "x", code=78))
        self.assertIn('"install" is none of plan|apply|check|remove', self.net("install", code=64))


def greet(connection, client):
    """Says who it sees, and then what it hears."""
    connection.sendall(f"220 relay.test sees {client[0]}\r\n".encode())
    heard = connection.recv(1024)
    connection.sendall(b"221 bye\r\n")
    return client[0], heard


class Traffic(Net):
    def setUp(self):
        super().setUp()
        self.hosts = self.stack.enter_context(Hosts())
        self.host = self.hosts.gateway
        self.relays = (self.hosts.relay.four, self.hosts.relay.six)
        self.clients = (self.hosts.client.four, self.hosts.client.six)
        self.peers = {}
        for port in (25, 26):
            for address in self.relays:
                self.serve(self.hosts.relay, address, port)

    def serve(self, host, address, port):
        self.peers[address, port] = self.stack.enter_context(Peer(host, (address, port), greet))

    def start(self, file):
        with self.host.inside():
            process = Process("lockstep", [place.lockstep(), "run", "-c", file], self.folder.path)
        self.stack.callback(process.stop)
        process.await_ready()
        return process

    def greeting(self, address, port=25):
        """What a client hears first: its own address, if nobody but the relay did anything."""
        with self.hosts.client.connect((address, port)) as talk:
            heard = talk.makefile("rb")
            said = heard.readline().decode()
            talk.sendall(b"QUIT\r\n")
            self.assertTrue(heard.readline().startswith(b"221"), said)
            return said.split()[-1]

    def count(self, chain):
        """Connections that a rule of ours caught."""
        listed = self.host.run("nft", "list", "chain", "inet", "lockstep", chain).split()
        return int(listed[listed.index("packets") + 1])

    def intercepted(self, way, source):
        file = self.file(configuration(listener(way, ports="25"), source=source))
        for own in ("10.77.1.1", "fd77:1::1"):
            self.serve(self.host, own, 25)
        self.start(file)
        self.net("apply", file)
        seen = self.clients if source == "client" else ("10.77.2.1", "fd77:2::1")
        for number, address in enumerate(self.relays):
            self.assertEqual(self.greeting(address), seen[number])
            # lockstep's own connection was not caught again.
            self.assertEqual(self.count(f"take-1-ipv{(4, 6)[number]}"), 1)
            self.assertEqual(self.greeting(address, 26), self.clients[number], "not on its ports")
        for number, own in enumerate(("10.77.1.1", "fd77:1::1")):
            self.assertEqual(self.greeting(own), self.clients[number], "meant for the gateway")
            self.assertEqual(self.count(f"take-1-ipv{(4, 6)[number]}"), 1)
        self.assertEqual(self.net("check", file), "")
        self.net("remove")
        for number, address in enumerate(self.relays):
            self.assertEqual(self.greeting(address), self.clients[number])

    def test_tproxy(self):
        self.intercepted("tproxy", "own")

    def test_tproxy_with_the_clients_address(self):
        self.intercepted("tproxy", "client")

    def test_redirect(self):
        self.intercepted("redirect", "own")

    def test_redirect_with_the_clients_address(self):
        self.intercepted("redirect", "client")

    def test_the_example(self):
        file = pathlib.Path(__file__).resolve().parent.parent.parent / "config" / "on-the-path.yaml"
        process = self.start(file)
        self.net("apply", file)
        for number, address in enumerate(self.relays):
            self.assertEqual(self.greeting(address), self.clients[number])
            self.assertEqual(self.count(f"take-1-ipv{(4, 6)[number]}"), 1)
        self.assertEqual(self.net("check", file), "")
        process.stop()
        for number, address in enumerate(self.relays):
            self.assertEqual(self.greeting(address), self.clients[number])
            self.assertEqual(self.count(f"take-1-ipv{(4, 6)[number]}"), 1, "it passed")

    def test_only_some_destinations(self):
        for way in ("tproxy", "redirect"):
            file = self.file(configuration(
                listener(way, listen='"*:2525"',
                         more=f"destinations: [{self.hosts.relay.four}]")))
            process = self.start(file)
            self.net("apply", file)
            self.assertEqual(self.greeting(self.hosts.relay.four), "10.77.2.1")
            self.assertEqual(self.greeting(self.hosts.relay.six), self.clients[1])
            self.net("remove")
            process.stop()

    def test_strict_settings_that_do_not_matter(self):
        for name in ("all", "client", "relay"):
            self.host.set(f"net.ipv4.conf.{name}.rp_filter", 1)
        self.intercepted("tproxy", "client")

    def kill(self, way, more=""):
        file = self.file(configuration(listener(way, ports="25", more=more)))
        process = self.start(file)
        self.net("apply", file)
        for address, own in zip(self.relays, ("10.77.2.1", "fd77:2::1")):
            self.assertEqual(self.greeting(address), own)
        os.killpg(process.pid, signal.SIGKILL)
        process.child.wait(20)

    def test_killed_it_lets_pass_where_that_is_asked_for(self):
        self.kill("tproxy", "fail-open: on")
        for address, client in zip(self.relays, self.clients):
            self.assertEqual(self.greeting(address), client)

    def test_killed_it_lets_nothing_pass_otherwise(self):
        for way in ("tproxy", "redirect"):
            self.kill(way)
            for address in self.relays:
                with self.assertRaises(ConnectionRefusedError):
                    self.hosts.client.connect((address, 25))
            self.net("remove")

    def test_what_began_before_goes_on(self):
        for way in ("tproxy", "redirect"):
            file = self.file(configuration(listener(way)))
            process = self.start(file)
            talks = [self.hosts.client.connect((address, 25)) for address in self.relays]
            for talk, client in zip(talks, self.clients):
                self.assertIn(client.encode(), talk.recv(1024))
            self.net("apply", file)
            for talk in talks:
                with talk:
                    talk.sendall(b"NOOP\r\n")
                    self.assertEqual(talk.recv(1024), b"221 bye\r\n")
            self.net("remove")
            process.stop()

    def test_applied_again_sessions_go_on(self):
        for way in ("tproxy", "redirect"):
            file = self.file(configuration(listener(way), source="client"))
            process = self.start(file)
            self.net("apply", file)
            talks = [self.hosts.client.connect((address, 25)) for address in self.relays]
            for talk, client in zip(talks, self.clients):
                self.assertIn(client.encode(), talk.recv(1024))
            self.net("apply", file)
            for talk in talks:
                with talk:
                    talk.sendall(b"QUIT\r\n")
                    self.assertEqual(talk.recv(1024), b"221 bye\r\n")
            self.net("remove")
            process.stop()

    def test_a_firewall_that_lets_in_what_it_must(self):
        """As the manual says, and nothing else that is new."""
        for way, must in (("tproxy", "meta mark 0x4c530002"), ("redirect", "tcp dport 2525")):
            self.host.run("nft", "-f", "-", input=f"""
table inet firewall
delete table inet firewall
table inet firewall {{
    chain input {{
        type filter hook input priority filter; policy drop;
        ct state invalid drop
        ct state established accept
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
        {must} accept
    }}
}}""")
            for source, seen in (("own", ("10.77.2.1", "fd77:2::1")), ("client", self.clients)):
                file = self.file(configuration(listener(way), source=source))
                process = self.start(file)
                self.net("apply", file)
                for address, client in zip(self.relays, seen):
                    self.assertEqual(self.greeting(address), client)
                process.stop()
                self.net("remove")

    def test_a_port_that_the_client_has_too(self):
        """lockstep's connection with the client's address happens to get the client's port: the
        kernel must not take it for the client's, which is redirected."""
        file = self.file(configuration(listener("redirect"), source="client"))
        self.start(file)
        self.net("apply", file)
        # There is only one that it can get.
        self.host.set("net.ipv4.ip_local_port_range", "40000 40000")
        with self.hosts.client.inside():
            talk = socket.create_connection((self.hosts.relay.four, 25), timeout=20,
                                            source_address=("", 40000))
        with talk:
            self.assertEqual(talk.makefile("rb").readline(),
                             f"220 relay.test sees {self.clients[0]}\r\n".encode())


if __name__ == "__main__":
    suite.main()
