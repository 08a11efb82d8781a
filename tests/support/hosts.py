"""Hosts of their own: network namespaces that are joined by veth pairs.

    client  10.77.1.2  fd77:1::2  --  gateway .1 ::1
                                      gateway .1 ::1  --  10.77.2.2  fd77:2::2  relay

The gateway forwards, as a router does. A namespace has no name: it lives as long as this process has
it open, so that nothing is left behind, however the process ends.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading

from support import packages

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
OWN = "/proc/thread-self/ns/net"


def _enter(space):
    if LIBC.setns(space, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Host:
    """One network namespace. What is done `with host.inside():`, by this thread and by programs that
    it starts, is done there."""

    def __init__(self, name):
        self.name = name
        self.four = self.six = None  # its first addresses
        with open(OWN, "rb") as before:
            if LIBC.unshare(CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            try:
                self.space = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)
            finally:
                _enter(before.fileno())
        self.run("ip", "link", "set", "lo", "up")
        # As many as a machine has: Postfix's log comes to a stand where they are few.
        self.set("net.unix.max_dgram_qlen", 512)
        # Addresses are there at once, and no packet is taken for a forged one.
        self.set("net.ipv6.conf.default.accept_dad", 0)
        for which in ("all", "default"):
            self.set(f"net.ipv4.conf.{which}.rp_filter", 0)

    @contextlib.contextmanager
    def inside(self):
        with open(OWN, "rb") as before:
            _enter(self.space)
            try:
                yield self
            finally:
                _enter(before.fileno())

    def run(self, *argv, **options):
        """A program that must succeed; its output."""
        with self.inside():
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False,
                                  **options)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(argv)}: {done.stdout}{done.stderr}")
        return done.stdout

    def set(self, name, value):
        """A sysctl of the namespace."""
        with self.inside():
            with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
                file.write(str(value))

    def connect(self, address, timeout=20, source=None):
        with self.inside():
            return socket.create_connection(address, timeout=timeout, source_address=source)

    def listen(self, address):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with self.inside():
            return socket.create_server(address, family=family)

    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.space}"

    def close(self):
        os.close(self.space)


class Hosts:
    """The three of them; `with Hosts() as hosts:`."""

    def __init__(self):
        self.hosts = []
        packages.need_root("it makes network namespaces")
        packages.program("ip")
        try:
            self.client, self.gateway, self.relay = (
                self._host(name) for name in ("client", "gateway", "relay"))
            self._join(self.client, 1)
            self._join(self.relay, 2)
        except OSError as error:
            self.close()
            packages.skip(f"no network namespaces here: {error}")
        except BaseException:
            self.close()
            raise
        self.gateway.set("net.ipv4.ip_forward", 1)
        self.gateway.set("net.ipv6.conf.all.forwarding", 1)

    def _host(self, name):
        host = Host(name)
        self.hosts.append(host)
        return host

    def _join(self, host, number):
        """A cable from the gateway's interface, called like the host, to the host's `eth0`."""
        self.gateway.run("ip", "link", "add", host.name, "type", "veth", "peer", "name", "eth0",
                         "netns", host.path())
        for end, device, last in ((self.gateway, host.name, 1), (host, "eth0", 2)):
            four, six = f"10.77.{number}.{last}", f"fd77:{number}::{last}"
            end.run("ip", "address", "add", f"{four}/24", "dev", device)
            end.run("ip", "-6", "address", "add", f"{six}/64", "dev", device, "nodad")
            end.run("ip", "link", "set", device, "up")
            end.four, end.six = end.four or four, end.six or six
        host.run("ip", "route", "add", "default", "via", f"10.77.{number}.1")
        host.run("ip", "-6", "route", "add", "default", "via", f"fd77:{number}::1")

    def close(self):
        while self.hosts:
            self.hosts.pop().close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Peer:
    """A relay that does no more than a test wants, in a thread of its own for each connection:
    serve(connection, client) is called, and what it returns is kept in `seen`."""

    def __init__(self, host, address, serve):
        self.seen = []
        self.serve = serve
        self.listening = host.listen(address)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, client = self.listening.accept()
            except OSError:
                return
            connection.settimeout(20)
            threading.Thread(target=self._serve, args=(connection, client[:2]), daemon=True).start()

    def _serve(self, connection, client):
        with connection:
            try:
                self.seen.append(self.serve(connection, client))
            except OSError as error:
                self.seen.append(error)

    def close(self):
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
