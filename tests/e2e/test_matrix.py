"""Every client with every relay, directly and through lockstep.

What a relay stored is what the client sent, once per recipient, nothing else. A client that writes
ahead fails at a relay that punishes it, and succeeds there through lockstep.
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import clients, place, proxy, relays, suite  # noqa: E402

TABLE = {}  # (client, relay) -> [accepted directly, accepted through lockstep]

SECONDS_TO_STORE = 20


def message(number):
    """A message that is awkward in every way SMTP allows, with all headers relays would add."""
    return b"\r\n".join([
        b"X-Lockstep-Test: %d" % number,
        b"From: <sender@client.test>",
        b"To: <one@lockstep.test>",
        b"Date: Thu, 01 Jan 2026 00:00:00 +0000",
        b"Message-ID: <%d@client.test>" % number,
        b"Subject: all of it",
        b"",
        b".one dot in front",
        b"..two",
        b".",
        b"",
        b"From the start of a line",
        b"caf\xc3\xa9, eight bits",
        b"tab\there, blank behind ",
        b"x" * 990,
        b"QUIT",
        b"",
        b".",
        b"the end", b""])


class Matrix(unittest.TestCase):
    """A subclass per relay; `key` names it in relays.RELAYS."""

    key = None
    numbers = iter(range(1, 1 << 30))

    @classmethod
    def setUpClass(cls):
        cls.relay = relays.RELAYS[cls.key]()
        cls.addClassCleanup(cls.relay.stop)

    def exchange(self, client, port):
        """Lets the client send one message and compares what was stored; how many it was told."""
        self.relay.forget()
        sent = message(next(self.numbers))
        folder = place.Folder("client")
        self.addCleanup(folder.remove)
        users = relays.USERS[:client.recipients]
        accepted = client.run(port, sent, [f"{user}@{relays.DOMAIN}" for user in users],
                              folder.path)
        for user in relays.USERS:
            wanted = [sent + client.adds] * accepted if user in users else []
            self.await_stored(user, wanted)
        return accepted

    def await_stored(self, user, wanted):
        try:
            place.await_true("the relay to store", lambda: len(self.relay.files(user)) >=
                             len(wanted), SECONDS_TO_STORE)
        except TimeoutError:
            pass
        stored = self.relay.stored(user)
        self.assertEqual(stored, wanted, f"stored for {user}\n{self.relay.log()[-3000:]}")

    def test_direct(self):
        for client in clients.CLIENTS:
            with self.subTest(client=client.name):
                accepted = self.exchange(client, self.relay.port)
                TABLE.setdefault((client.name, self.key), [None, None])[0] = accepted
                if client.chunks and not self.relay.chunks:
                    self.assertEqual(accepted, 0, "the relay knows BDAT after all")
                elif client.ahead and self.relay.strict:
                    self.assertEqual(accepted, 0, "the relay did not mind pipelining")
                elif not client.early:
                    self.assertEqual(accepted, client.messages)

    def test_through_lockstep(self):
        known = len(self.relay.log())
        with proxy.Proxy(self.relay.port) as lockstep:
            for client in clients.CLIENTS:
                with self.subTest(client=client.name):
                    accepted = self.exchange(client, lockstep.port)
                    TABLE.setdefault((client.name, self.key), [None, None])[1] = accepted
                    self.assertEqual(accepted, client.messages, lockstep.process.log()[-3000:])
        news = self.relay.log()[known:].encode()
        self.assertFalse([error for error in self.relay.sync_error if error in news])


def cases():
    for key in relays.RELAYS:
        name = "Matrix_" + key.replace("=", "_").replace("-", "_")
        yield name, type(name, (Matrix,), {"key": key})


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for _, case in cases())


def print_table():
    """Messages accepted, direct -> through lockstep."""
    keys = [key for key in relays.RELAYS if any(relay == key for _, relay in TABLE)]
    print(f"\n{'messages accepted, direct -> lockstep':38}" + "".join(f"{k:>16}" for k in keys))
    for client in clients.CLIENTS:
        cells = (TABLE.get((client.name, key), [None, None]) for key in keys)
        print(f"{client.name:28}{'of ' + str(client.messages):>10}" + "".join(
            f"{'-' if d is None else d} -> {'-' if t is None else t}".rjust(16)
            for d, t in cells))
    print()


unittest.addModuleCleanup(print_table)


if __name__ == "__main__":
    suite.main()
