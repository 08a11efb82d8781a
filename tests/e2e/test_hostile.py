"""Clients that break the rules: an answer or a closed connection, and the next client is served."""

import os
import pathlib
import random
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, relays, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402

SEED = int(os.environ.get("LOCKSTEP_SEED", "1"))

MESSAGE = b"Subject: hostile\r\n\r\nwords\r\n"
ENVELOPE = b"MAIL FROM:<a@client.test>\r\nRCPT TO:<one@fake.test>\r\nDATA\r\n"
RSS_GROWTH_KIB = 32 * 1024

# Everything that some server somewhere took for the end of a message.
FALSE_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n",
              b"\n\n.\r\r\n", b"\r\n.\0\r\n", b"\r\n. \r\n", b"\x8d\x8a\xae\x8d\x8a"]


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.relay = Polite()
        cls.upstream = Upstream(cls.relay)
        cls.addClassCleanup(cls.upstream.stop)
        cls.lockstep = proxy.Proxy(cls.upstream.port, listener="sessions-per-client: 10000",
                                   options=["--core-dumps"])  # to look at its descriptors
        cls.addClassCleanup(cls.lockstep.stop)
        with wire.Conversation(cls.lockstep.port) as talk:
            talk.open()
        cls.rss_kib = cls.lockstep.process.rss_kib()

    def setUp(self):
        self.relay.delivered.clear()
        self.relay.violations.clear()

    def tearDown(self):
        """Whatever was done to it, it runs, is not fat, and serves the next client."""
        self.assertTrue(self.lockstep.process.running(), self.lockstep.process.explain())
        self.assertLess(self.lockstep.process.rss_kib() - self.rss_kib, RSS_GROWTH_KIB)
        self.relay.delivered.clear()
        with self.talk() as talk:
            talk.open()
            talk.say(ENVELOPE)
            self.assertEqual([talk.reply().code for _ in range(3)], [250, 250, 354])
            talk.say(wire.stuffed(MESSAGE))
            self.assertEqual(talk.reply().code, 250)
            self.assertEqual(talk.ask(b"QUIT").code, 221)
        self.assertEqual(self.relay.delivered, [MESSAGE])
        self.assertEqual(self.relay.violations, [])

    def talk(self, seconds=20):
        return wire.Conversation(self.lockstep.port, seconds=seconds)

    def refused(self, line):
        """A line that must be answered with 5xx or end the session, and not be passed on."""
        with self.talk() as talk:
            talk.open()
            talk.say(line)
            try:
                self.assertEqual(talk.reply().code // 100, 5, line[:80])
            except wire.Broken:
                pass
        place.await_true("the session to end", lambda: not self.upstream.ends)
        self.assertNotIn(line.strip(), self.upstream.heard[-1])

    def test_overlong_lines(self):
        for size in (20_000, 1_000_000):
            with self.subTest(size=size):
                self.refused(b"NOOP " + b"x" * size + b"\r\n")
                self.refused(b"MAIL FROM:<" + b"x" * size + b"@client.test>\r\n")

    def test_a_line_without_end_is_not_kept(self):
        with self.talk() as talk:
            talk.open()
            for _ in range(64):
                talk.say(b"x" * 1_000_000)
            talk.finish_sending()
            talk.rest()

    def test_bytes_no_command_may_have(self):
        self.refused(b"MAIL FROM:<a\0b@client.test>\r\n")
        self.refused(b"NO\0OP\r\n")
        self.refused(b"MAIL FROM:<a@client.test>\nRCPT TO:<one@fake.test>\r\n")
        self.refused(b"MAIL FROM:<a@client.test>\rRCPT TO:<one@fake.test>\r\n")

    def test_eight_bits_in_a_command_are_the_relay_s_to_judge(self):
        self.relay.replies["\ufffd\ufffd\ufffdO"] = b"500 5.5.2 what?\r\n"
        with self.talk() as talk:
            talk.open()
            self.assertEqual(talk.ask(b"\xff\xfe\x80OOP").code, 500)
            self.assertEqual(talk.ask(b"NOOP").code, 250)

    def test_ten_thousand_commands_in_one_write(self):
        for commands in ([b"RSET"] * 10_000, [b"NOOP"] * 10_000,
                         [b"MAIL FROM:<a@client.test>"] + [b"RCPT TO:<one@fake.test>"] * 9_999):
            with self.subTest(first=commands[0]), self.talk(60) as talk:
                talk.open()
                writer = threading.Thread(
                    target=talk.say, args=(b"".join(line + b"\r\n" for line in commands),))
                writer.start()
                self.assertEqual({talk.reply().code for _ in commands}, {250})
                writer.join()
                self.assertEqual(talk.ask(b"QUIT").code, 221)

    def test_false_ends_of_a_message(self):
        for end in FALSE_ENDS:
            for cut in (None, 1):
                with self.subTest(end=end, cut=cut):
                    self.relay.delivered.clear()
                    self.smuggle(end, cut)
                    place.await_true("the session to end", lambda: not self.upstream.ends)
                    for message in self.relay.delivered:
                        self.assertNotIn(b"Subject: second", message.split(b"MAIL FROM")[0])
                    self.assertLessEqual(len(self.relay.delivered), 1, "two messages out of one")

    def smuggle(self, end, cut):
        text = (b"Subject: first\r\n\r\nwords" + end + ENVELOPE.replace(b"a@", b"evil@") +
                b"Subject: second\r\n\r\nwords\r\n.\r\nQUIT\r\n")
        with self.talk() as talk:
            talk.open()
            talk.say(ENVELOPE)
            for _ in range(3):
                talk.reply()
            if cut:
                talk.trickle(text)
            else:
                talk.say(text)
            talk.finish_sending()
            talk.rest()

    def test_a_client_that_never_reads(self):
        with self.talk() as deaf:
            deaf.open()
            deaf.socket.settimeout(0.5)
            with self.assertRaises(TimeoutError, msg="it was read without limit"):
                for _ in range(400):
                    deaf.socket.sendall(b"NOOP\r\n" * 20_000)
            grown = self.lockstep.process.rss_kib() - self.rss_kib
            self.assertLess(grown, RSS_GROWTH_KIB)
            with self.talk() as talk:
                self.assertEqual(talk.open().code, 250)

    def test_half_close_still_gets_its_replies(self):
        with self.talk() as talk:
            talk.say(b"EHLO client.test\r\n" + ENVELOPE + wire.stuffed(MESSAGE) + b"NOOP\r\n")
            talk.finish_sending()
            codes = [talk.reply().code for _ in range(7)]
            self.assertEqual(codes, [220, 250, 250, 250, 354, 250, 250])
            talk.rest()
        self.assertEqual(self.relay.delivered, [MESSAGE])

    def test_resets_in_floods(self):
        numbers = random.Random(SEED)
        whole = b"EHLO client.test\r\n" + ENVELOPE + wire.stuffed(MESSAGE)
        for _ in range(40):
            crowd = [wire.Conversation(self.lockstep.port) for _ in range(25)]
            for talk in crowd:
                talk.say(whole[:numbers.randrange(len(whole))])
            for talk in crowd:
                talk.reset()
        self.await_no_sockets()

    def await_no_sockets(self):
        """Only the listener is left: nothing leaks."""
        folder = pathlib.Path(f"/proc/{self.lockstep.process.pid}/fd")

        def sockets():
            count = 0
            for name in os.listdir(folder):
                try:
                    count += os.readlink(folder / name).startswith("socket:")
                except FileNotFoundError:
                    pass  # closed since it was listed
            return count
        place.await_true("all sockets to be closed", lambda: sockets() == 1)

    def test_random_bytes(self):
        numbers = random.Random(SEED)
        words = [b"EHLO ", b"MAIL FROM:<", b"RCPT TO:<", b"DATA\r\n", b"BDAT 5\r\n", b"\r\n.\r\n",
                 b"AUTH PLAIN\r\n", b"\r\n", b"\n", b"\0", b">", b"RSET\r\n", b"BDAT 0 LAST\r\n"]
        for number in range(300):
            text = b"".join(numbers.choice([*words, numbers.randbytes(numbers.randrange(40))])
                            for _ in range(numbers.randrange(1, 60)))
            with self.subTest(seed=SEED, number=number, text=text), self.talk() as talk:
                talk.say(text)
                talk.finish_sending()
                talk.rest()

    def test_other_protocols(self):
        for text in (b"GET / HTTP/1.1\r\nHost: fake.test\r\n\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
                     b"\x80\x2e\x01\x03\x01" + bytes(40)):
            with self.subTest(text=text[:20]), self.talk() as talk:
                talk.say(text)
                talk.finish_sending()
                talk.rest()


class Relayed(unittest.TestCase):
    """The same in front of a real relay, and with line ends put right on the way."""

    first = b"X-Lockstep-Test: 1\r\nSubject: first\r\n\r\nwords"
    second = b"X-Lockstep-Test: 2\r\nSubject: second\r\n\r\nwords\r\n.\r\n"

    def envelope(self, user):
        return b"MAIL FROM:<a@client.test>\r\nRCPT TO:<%s@lockstep.test>\r\nDATA\r\n" % user

    def say(self, port, text):
        """One message to the first user; was it taken?"""
        with wire.Conversation(port) as talk:
            talk.open()
            for line in self.envelope(b"one").splitlines():
                talk.ask(line)
            talk.say(text)
            talk.finish_sending()
            return talk.rest().startswith(b"250")

    def test_false_ends_of_a_message(self):
        with relays.Postfix() as relay:
            for repairs in ("{}", "{bare-lf: on, doubled-cr: on}"):
                with self.subTest(repairs=repairs), \
                        proxy.Proxy(relay.port, settings=f"repairs: {repairs}") as lockstep:
                    relay.forget()
                    taken = sum(self.say(lockstep.port, self.first + end +
                                         self.envelope(b"two") + self.second)
                                for end in FALSE_ENDS)
                    self.assertGreater(taken, 0, "none was a message")
                    place.await_true("the relay to store", lambda count=taken:
                                     len(relay.files("one")) >= count)
                    self.assertEqual(len(relay.files("one")), taken)
                    self.assertEqual(relay.files("two"), [], "a second message out of the first")


if __name__ == "__main__":
    suite.main()
