"""Three addresses of a relay, two of which at a time may be away: they are killed and come back at
random, under load. Each message is stored once, counted at both ends; a client hears 4xx, and tries
again, only where nobody can know whether its message was stored (RFC 1047).
"""

import collections
import pathlib
import random
import re
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite, wire  # noqa: E402
from support.fake import Lost, Polite, Upstream  # noqa: E402

CLIENTS = 8
EACH = 40
SECONDS = 60  # for all of it; what is lost must be noticed at once


class Relay(Polite):
    """Takes a message when it is let: so many between two changes, however fast the machine is."""

    def __init__(self, relays, number):
        super().__init__(("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"))
        self.relays = relays
        self.number = number

    def __call__(self, talk):
        talk.life = self.relays.lives[self.number]
        super().__call__(talk)

    def say(self, talk, word, text):
        if word == "DATA" and not self.relays.take(self.number, talk.life):
            raise Lost
        return super().say(talk, word, text)


class Relays:
    """Three relays; a killed one loses all its connections."""

    def __init__(self, dice):
        self.dice = dice
        self.changed = threading.Condition()
        self.allowed = 0  # messages until the next change
        self.lives = [0, 0, 0]
        self.handlers = [Relay(self, number) for number in range(3)]
        self.upstreams = [Upstream(handler) for handler in self.handlers]
        self.ports = [upstream.port for upstream in self.upstreams]
        self.kills = 0

    def allow(self, count):
        with self.changed:
            self.allowed += count
            self.changed.notify_all()

    def take(self, number, life):
        """Waits for a message to be let; false: the relay was killed meanwhile."""
        with self.changed:
            self.changed.wait_for(lambda: self.allowed > 0 or self.lives[number] != life)
            if self.lives[number] != life:
                return False
            self.allowed -= 1
            return True

    def end_life(self, number):
        with self.changed:
            self.lives[number] += 1
            self.changed.notify_all()

    def stored(self):
        return [message for handler in self.handlers for message in handler.delivered]

    def up(self):
        return [at for at in range(3) if self.upstreams[at] is not None]

    def change(self):
        """One goes, or one comes back; one is always there."""
        up = self.up()
        if len(up) > 1 and (len(up) == 3 or self.dice.random() < 0.5):
            at = self.dice.choice(up)
            self.end_life(at)
            self.upstreams[at].stop()
            self.upstreams[at] = None
            self.kills += 1
        else:
            at = self.dice.choice([at for at in range(3) if at not in up])
            self.upstreams[at] = Upstream(self.handlers[at], port=self.ports[at])

    def stop(self):
        for at in self.up():
            self.end_life(at)
            self.upstreams[at].stop()


class Client(threading.Thread):
    """Sends its messages one after the other, each until it is accepted."""

    def __init__(self, port, number):
        super().__init__()
        self.port = port
        self.number = number
        self.unknown = collections.Counter()  # messages of which it was not told what became
        self.wrong = []                       # what it should not have heard
        self.start()

    def run(self):
        try:
            with wire.Conversation(self.port, seconds=SECONDS) as talk:
                talk.open()
                for at in range(EACH):
                    self.send(talk, b"message %d %d\r\n" % (self.number, at))
                talk.ask(b"QUIT")
        except Exception as error:  # pylint: disable=broad-except
            self.wrong.append(repr(error))

    def send(self, talk, message):
        for _ in range(20):
            for line in (b"MAIL FROM:<a@client.test>", b"RCPT TO:<one@fake.test>",
                         b"RCPT TO:<two@fake.test>", b"DATA"):
                reply = talk.ask(line)
                if reply.code >= 400:
                    break
            else:
                talk.say(message + b".\r\n")
                reply = talk.reply()
                if reply.code == 250:
                    return
            if b"delivery status unknown" not in reply:
                self.wrong.append(bytes(reply))
            self.unknown[message] += 1
            if reply.code == 421 or b"unknown" in reply:
                talk.close()
                talk.__init__(self.port, seconds=SECONDS)
                talk.open()
        self.wrong.append("never accepted")


class Failover(unittest.TestCase):
    def relays_and_lockstep(self, seed, relay):
        relays = Relays(random.Random(seed))
        self.addCleanup(relays.stop)
        lockstep = proxy.Proxy(addresses=[f"smtp://127.0.0.1:{port}" for port in relays.ports],
                               workers=2, relay=relay, settings='admin: {listen: "127.0.0.1:0"}')
        self.addCleanup(lockstep.stop)
        return relays, lockstep

    def test_nothing_is_lost_or_doubled(self):
        for seed, balance in enumerate(("order", "even", "least")):
            with self.subTest(seed=seed, balance=balance):
                relays, lockstep = self.relays_and_lockstep(
                    seed, f"balance: {balance}\nslow-start: 1s")
                clients = [Client(lockstep.port, number) for number in range(CLIENTS)]
                self.disturb(relays, clients)
                self.judge(relays, clients)
                self.assertGreater(relays.kills, 10)

    def disturb(self, relays, clients):
        """By what was taken, not by the clock: so the load is disturbed from end to end."""
        deadline = time.monotonic() + SECONDS
        while any(client.is_alive() for client in clients):
            self.assertLess(time.monotonic(), deadline)
            if relays.allowed > 0:
                clients[0].join(0.001)
                continue
            relays.change()
            relays.allow(relays.dice.randrange(3, 12))

    def judge(self, relays, clients):
        self.assertEqual([client.wrong for client in clients], [[]] * CLIENTS)
        unknown = sum((client.unknown for client in clients), collections.Counter())
        stored = collections.Counter(relays.stored())
        wanted = {b"message %d %d\r\n" % (number, at)
                  for number in range(CLIENTS) for at in range(EACH)}
        self.assertEqual(set(stored), wanted)
        doubled = {message: count - 1 for message, count in stored.items() if count > 1}
        for message, more in doubled.items():
            self.assertLessEqual(more, unknown[message], message)

    def test_each_address_gets_as_much(self):
        relays, lockstep = self.relays_and_lockstep(7, "balance: even")
        for number in range(30):
            with wire.Conversation(lockstep.port) as talk:
                talk.open()
                self.assertEqual(talk.ask(b"MAIL FROM:<%d@client.test>" % number).code, 250)
                talk.ask(b"QUIT")
        counts = [handler.said.count(b"220 fake.test ESMTP\r\n") for handler in relays.handlers]
        self.assertEqual(counts, [10, 10, 10])

    def test_one_that_failed_is_left_alone_for_a_while(self):
        relays, lockstep = self.relays_and_lockstep(8, "balance: order")
        refused = Polite(replies={"GREETING": b"421 4.3.2 not now\r\n"})
        relays.upstreams[0].handler = refused
        for number in range(5):
            with wire.Conversation(lockstep.port) as talk:
                talk.open()
                self.assertEqual(talk.ask(b"MAIL FROM:<%d@client.test>" % number).code, 250)
                talk.ask(b"QUIT")
        self.assertLess(len(refused.said), 4)
        text = lockstep.ask("/metrics")[1]
        self.assertRegex(text, r'lockstep_relay_address_failures_total\{relay="relay"\} [123]\n')
        relays.upstreams[0].handler = relays.handlers[0]
        place.await_true("it to be asked again", lambda: self.reaches(lockstep, relays, 0))
        self.assertTrue(re.search(r'relay_addresses_resting\{relay="relay"\} 0\n',
                                  lockstep.ask("/metrics")[1]))

    def reaches(self, lockstep, relays, at):
        before = len(relays.handlers[at].said)
        with wire.Conversation(lockstep.port) as talk:
            talk.open()
            talk.ask(b"QUIT")
        return len(relays.handlers[at].said) > before


if __name__ == "__main__":
    suite.main()
