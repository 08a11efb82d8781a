"""A thousand random batches of pipelined commands into relays that punish pipelining.

Each batch is put to the relay twice: directly, one command at a time, and through lockstep, all at
once or cut at random. No relay may ever mind, every command gets the reply it would have got alone,
in its place, and every accepted message is stored once for each recipient.
"""

import collections
import os
import pathlib
import random
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, relays, suite, wire  # noqa: E402

SEED = int(os.environ.get("LOCKSTEP_SEED", "1"))
BATCHES = int(os.environ.get("LOCKSTEP_BATCHES", "1000"))

COMPLAINT = re.compile(rb"pipelining not supported|synchroni[sz]ation|improper use", re.IGNORECASE)


class Batch:
    """Commands, each a pair of its line and the message to follow it, if any."""

    def __init__(self, numbers, number):
        self.numbers = numbers
        self.steps = []
        self.stored = collections.Counter()  # (user, message)
        for _ in range(numbers.randint(1, 4)):
            self.filler()
            self.transaction(number)
        self.add(b"QUIT")

    def add(self, line, message=None):
        self.steps.append((line + b"\r\n", message))

    def filler(self):
        if self.numbers.random() < 0.3:
            words = [b"NOOP", b"noop", b"RSET", b"HELP", b"NONSENSE"]
            if self.steps and self.steps[-1][1]:
                words.remove(b"NONSENSE")  # right behind a dot it may be the rest of a message
            self.add(self.numbers.choice(words))

    def transaction(self, number):
        self.add(b"MAIL FROM:<sender@client.test>")
        # Each user once at most, because relays differ in what they do with one named twice.
        known = self.numbers.sample(relays.USERS, self.numbers.choice([0, 1, 1, 2]))
        users = known + ["nobody-of-this-name"] * self.numbers.choice([0, 0, 1, 2, 9])
        self.numbers.shuffle(users)
        for user in users:
            self.add(b"RCPT TO:<%s@%s>" % (user.encode(), relays.DOMAIN.encode()))
        if self.numbers.random() < 0.2:
            self.add(b"RSET")
        elif known:
            message = self.message(number)
            self.add(b"DATA", message)
            for user in known:
                self.stored[user, message] += 1
        else:
            self.add(b"DATA")
            self.add(b"RSET")

    def message(self, number):
        lines = self.numbers.choices([b"", b".", b"..", b".x", b"QUIT", b"RSET", b"words"], k=8)
        return b"\r\n".join([
            b"X-Lockstep-Test: %d.%d" % (number, len(self.steps)),
            b"From: <sender@client.test>", b"Date: Thu, 01 Jan 2026 00:00:00 +0000",
            b"Message-ID: <%d.%d@client.test>" % (number, len(self.steps)),
            b"", *lines, b"end", b""])

    def wire(self):
        return b"".join(line + (wire.stuffed(message) if message else b"")
                        for line, message in self.steps)

    def one_by_one(self, talk):
        replies = []
        for line, message in self.steps:
            talk.say(line)
            replies.append(talk.reply())
            if message:
                talk.say(wire.stuffed(message))
                replies.append(talk.reply())
        return replies

    def pipelined(self, talk):
        whole = self.wire()
        cuts = self.numbers.choice([[], [], self.numbers.sample(range(len(whole)), k=3)])
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(whole)]):
            talk.say(whole[start:end])
        return [talk.reply() for _, message in self.steps for _ in range(2 if message else 1)]


class Batches(unittest.TestCase):
    """A subclass per relay."""

    key = None
    batches = BATCHES
    maxDiff = None

    def setUp(self):
        self.relay = relays.RELAYS[self.key]()
        self.addCleanup(self.relay.stop)

    def replies(self, port, how):
        with wire.Conversation(port) as talk:
            talk.open()
            return how(talk)

    def test_batches(self):
        numbers = random.Random(f"{SEED} {self.key}")
        expected = collections.Counter()
        with proxy.Proxy(self.relay.port) as lockstep:
            for number in range(self.batches):
                batch = Batch(numbers, number)
                with self.subTest(seed=SEED, number=number, wire=batch.wire()):
                    alone = self.replies(self.relay.port, batch.one_by_one)
                    ahead = self.replies(lockstep.port, batch.pipelined)
                    self.assertIsNone(COMPLAINT.search(b"".join(ahead)), ahead)
                    self.assertEqual([reply.code // 100 for reply in ahead],
                                     [reply.code // 100 for reply in alone], (alone, ahead))
                    expected.update(batch.stored)
                    expected.update(batch.stored)
                if number % 100 == 99:
                    self.check_stored(expected)
                    expected.clear()
        self.check_stored(expected)
        self.assertEqual(self.relay.violations(), 0)

    def check_stored(self, expected):
        """Nothing lost, nothing doubled; then starts afresh."""
        total = sum(expected.values())
        try:
            place.await_true("the relay to store", lambda: sum(
                len(self.relay.files(user)) for user in relays.USERS) >= total, 60)
        except TimeoutError:
            pass
        stored = collections.Counter((user, message) for user in relays.USERS
                                     for message in self.relay.stored(user))
        self.assertEqual(stored - expected, collections.Counter(), "stored but never sent")
        self.assertEqual(expected - stored, collections.Counter(), "sent but never stored")
        self.relay.forget()


# Exim forks for every message and delivery, so it gets fewer.
STRICT = {"opensmtpd": BATCHES, "exim-lockstep": BATCHES // 40, "sink=opensmtpd": BATCHES,
          "sink=exim": BATCHES, "sink=postfix": BATCHES}


def load_tests(loader, _tests, _pattern):
    cases = (type("Batches_" + re.sub(r"\W", "_", key), (Batches,),
                  {"key": key, "batches": batches}) for key, batches in STRICT.items())
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    suite.main()
