"""Clients that are broken in one way each, with every relay, directly and through lockstep.

What lockstep can put right is stored once for each recipient, byte for byte; so nothing that worked
directly fails through it, but for what only an attack needs. Clients whose repair this program does not have are skipped.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import pathlib
import re
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import faulty_clients, packages, place, proxy, relays, secure_relays  # noqa: E402
from support import suite  # noqa: E402
from support.faulty_clients import Faulty  # noqa: E402
from support.certificates import Authority  # noqa: E402

RELAYS = ("postfix", "exim", "exim-lockstep", "sendmail", "opensmtpd", "haraka")
SECURE = ("postfix-cyrus", "exim-secure", "opensmtpd-secure")

SECONDS_TO_STORE = 30
AT_ONCE = 4           # clients: OpenSMTPD has room for five that it did not accept yet
PATIENCE = 60         # of a client whose mail lockstep is to deliver
# Haraka says nothing any more to LF alone, or behind EHLO in a transaction, and Sendmail takes mail
# for users in apostrophes that it can't deliver.
PATIENCE_DIRECT = 5

TABLE = {}  # client -> {relay: [copies per recipient directly, through lockstep]}


def known_repairs():
    listed = subprocess.run([place.lockstep(), "check", "--words"], capture_output=True,
                            text=True, timeout=30, check=True).stdout
    return set(re.findall(r"^repairs\.([\w-]+)", listed, re.MULTILINE))


KNOWN = known_repairs()


def message(number):
    return b"\r\n".join([
        relays.MARK + b" %d" % number,
        b"From: <sender@client.test>",
        b"To: <one@lockstep.test>",
        b"Date: Thu, 01 Jan 2026 00:00:00 +0000",
        b"Message-ID: <%d@client.test>" % number,
        b"Subject: broken",
        b"",
        b".one dot in front",
        b"QUIT",
        b"",
        b".",
        b"the end", b""])


class Exchange:
    """What clients sent to one relay by one way, to be compared with what is stored."""

    numbers = itertools.count(1)

    def __init__(self, relay):
        self.relay = relay
        self.sent = {}  # number -> (client, what each recipient was promised)

    def send_all(self, clients, port, patience):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            numbered = [(next(self.numbers), client) for client in clients]
            promised = pool.map(lambda given: self._send(*given, port, patience), numbered)
            self.sent = {number: (client, given)
                         for (number, client), given in zip(numbered, promised)}

    @staticmethod
    def _send(number, client, port, patience):
        recipients = [f"{user}@{relays.DOMAIN}" for user in relays.USERS]
        folder = place.Folder("client")
        try:
            return client.run(port, message(number), recipients, folder.path, patience)
        finally:
            folder.remove()

    def stored(self, seconds):
        """{number: {user: copies}}; whatever is no exact copy is under number 0. What was sent by
        another way, and came late, is not looked at."""
        for user in relays.USERS:
            wanted = sum(promised.get(f"{user}@{relays.DOMAIN}", 0)
                         for _, promised in self.sent.values())
            with contextlib.suppress(TimeoutError):
                place.await_true("the relay to store",
                                 lambda: len(self.relay.files(user)) >= wanted, seconds)
        found = collections.defaultdict(collections.Counter)
        for user in relays.USERS:
            for text in self.relay.stored(user):
                number = int(text[len(relays.MARK):].split(b"\r\n")[0])
                if number in self.sent:
                    found[number if text == message(number) else 0][user] += 1
        return found


def copies_of(stored):
    """Copies that each recipient has; a fraction where they have not the same."""
    return sum(stored.values()) / len(relays.USERS)


class Clients(unittest.TestCase):
    """A subclass per relay; `key` names it."""

    key = None
    clients = ()

    @classmethod
    def setUpClass(cls):
        cls.relay = cls.start()
        cls.addClassCleanup(cls.relay.stop)

    @classmethod
    def start(cls):
        return relays.RELAYS[cls.key]()

    def test_direct(self):
        self.relay.forget()
        exchange = Exchange(self.relay)
        exchange.send_all(self.clients, self.relay.port, PATIENCE_DIRECT)
        stored = exchange.stored(PATIENCE_DIRECT)
        for number, (client, promised) in exchange.sent.items():
            TABLE.setdefault(client.name, {}).setdefault(self.key, [None, None])[0] = \
                copies_of(stored[number])

    def words(self):
        """What lockstep is told to put right: everything that a client here needs."""
        mends = sorted({name for client in self.clients for name in client.mends} & KNOWN)
        return (f"repairs: {{{', '.join(f'{name}: on' for name in mends)}}}\n"
                f"rewrite: {{default-sender: {faulty_clients.SENDER}}}\n")

    def proxy(self):
        return proxy.Proxy(self.relay.port, listener=self.words())

    def test_through_lockstep(self):
        self.relay.forget()
        exchange = Exchange(self.relay)
        with self.proxy() as lockstep:
            exchange.send_all([client for client in self.clients if KNOWN.issuperset(client.mends)],
                              lockstep.port, PATIENCE)
            stored = exchange.stored(SECONDS_TO_STORE)
            self.assertFalse(stored.pop(0, None), "stored, and not what was sent")
            for number, (client, promised) in exchange.sent.items():
                with self.subTest(client=client.name):
                    self.compare(client, stored[number], promised)

    def compare(self, client, stored, promised):
        row = TABLE.setdefault(client.name, {}).setdefault(self.key, [None, None])
        row[1] = copies_of(stored)
        for user in relays.USERS:
            self.assertEqual(stored[user], promised.get(f"{user}@{relays.DOMAIN}", 0),
                             "stored and promised")
        self.assertEqual(row[1], client.copies)


class Known(unittest.TestCase):
    def test_every_repair_is_known(self):
        unknown = {name for client in (*faulty_clients.CLIENTS, *secure_clients(None))
                   for name in client.mends} - KNOWN
        if unknown:
            packages.skip("clients are left out, as lockstep has no repair "
                          f"{', '.join(sorted(unknown))}")


def secure_clients(context):
    login = faulty_clients.logging_in(secure_relays.USER, secure_relays.PASSWORD)
    return [Faulty(".NET's AUTH login", faulty_clients.smtplib_client(login),
                   mends=["login-initial-response"]),
            Faulty("no EHLO behind STARTTLS",
                   faulty_clients.smtplib_client(faulty_clients.upgraded(context, login)),
                   mends=["missing-greeting"])]


class Secure(Clients):
    """Relays that take mail only behind AUTH, with clients that get AUTH and STARTTLS wrong."""

    @classmethod
    def setUpClass(cls):
        cls.folder = place.Folder("certificates")
        cls.addClassCleanup(cls.folder.remove)
        cls.authority = Authority(cls.folder.path)
        cls.leaf = cls.authority.issue("localhost", "127.0.0.1")
        super().setUpClass()
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        cls.clients = secure_clients(context)

    @classmethod
    def start(cls):
        return {"postfix-cyrus": secure_relays.Postfix, "exim-secure": secure_relays.Exim,
                "opensmtpd-secure": secure_relays.OpenSmtpd}[cls.key]()

    def proxy(self):
        tls = (f"verify: none\nciphers: '{self.relay.ciphers}'\n" if self.relay.ciphers else
               f"ca: {self.relay.authority.certificate}\n")
        return proxy.Proxy(addresses=[f"starttls://127.0.0.1:{self.relay.port}"], relay=tls,
                           listener=f"{self.words()}auth: {{clear: on}}\ntls: {{offer: starttls, "
                           f"certificate: {self.leaf.certificate}, key: {self.leaf.key}}}\n")


def cases():
    for base, keys in ((Clients, RELAYS), (Secure, SECURE)):
        for key in keys:
            yield type(f"{base.__name__}_{key.replace('-', '_')}", (base,),
                       {"key": key, **({"clients": faulty_clients.CLIENTS} if base is Clients
                                       else {})})


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Known, *cases()))


def print_table():
    """Copies that each recipient got, direct -> through lockstep."""
    keys = [key for key in RELAYS + SECURE if any(key in row for row in TABLE.values())]
    print(f"\n{'copies stored, direct -> lockstep':30}" + "".join(f"{key:>17}" for key in keys))
    for name, row in TABLE.items():
        cells = (row.get(key, [None, None]) for key in keys)
        print(f"{name:30}" + "".join(
            " -> ".join("-" if copies is None else f"{copies:g}" for copies in cell).rjust(17)
            for cell in cells))
    print()


unittest.addModuleCleanup(print_table)


if __name__ == "__main__":
    suite.main()
