"""The program as a whole: how it ends, how much it takes, and how many it lets in."""

import pathlib
import signal
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402

ENVELOPE = b"MAIL FROM:<a@client.test>\r\nRCPT TO:<one@fake.test>\r\nDATA\r\n"
MESSAGE = b"Subject: life\r\n\r\nwords\r\n"
MEBIBYTE = 1 << 20


class Life(unittest.TestCase):
    def start(self, relay, **facts):
        upstream = Upstream(relay)
        self.addCleanup(upstream.stop)
        lockstep = proxy.Proxy(upstream.port, **facts)
        self.addCleanup(lockstep.stop)
        return lockstep

    def to_message(self, talk):
        """Up to the 354."""
        talk.open()
        talk.say(ENVELOPE)
        self.assertEqual([talk.reply().code for _ in range(3)], [250, 250, 354])

    def assert_exit(self, lockstep, status):
        """Long before a drain has its limit by default."""
        self.assertEqual(lockstep.process.child.wait(30), status,
                         lockstep.process.explain())


class Drain(Life):
    def test_nothing_to_do(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                lockstep = self.start(Polite())
                lockstep.process.child.send_signal(number)
                self.assert_exit(lockstep, 0)

    def test_idle_gets_421_and_a_message_in_flight_finishes(self):
        relay = Polite()
        lockstep = self.start(relay)
        with wire.Conversation(lockstep.port) as idle, \
                wire.Conversation(lockstep.port) as fresh, \
                wire.Conversation(lockstep.port) as busy:
            idle.open()
            fresh.reply()
            self.to_message(busy)
            busy.say(wire.stuffed(MESSAGE)[:10])
            lockstep.drain()
            for talk in (idle, fresh):
                self.assertEqual(talk.reply().code, 421)
                self.assertEqual(talk.rest(), b"")
            place.await_true("the listener to close",
                             lambda: not place.is_listening(lockstep.port))
            self.assertTrue(lockstep.process.running())
            busy.say(wire.stuffed(MESSAGE)[10:])
            self.assertEqual(busy.reply().code, 250)
            self.assertEqual(relay.delivered, [MESSAGE])
            self.assertIn(busy.rest()[:3], (b"421", b""))
        self.assert_exit(lockstep, 0)

    def test_a_drain_under_load_loses_and_doubles_nothing(self):
        relay = Polite()
        lockstep = self.start(relay)
        accepted = []

        def client(number):
            try:
                for at in range(10_000):
                    message = b"Subject: %d.%d\r\n\r\nwords\r\n" % (number, at)
                    with wire.Conversation(lockstep.port) as talk:
                        talk.open()
                        talk.say(ENVELOPE)
                        if [talk.reply().code for _ in range(3)][-1] != 354:
                            return
                        talk.say(wire.stuffed(message))
                        if talk.reply().code != 250:
                            return
                        accepted.append(message)
            except (OSError, wire.Broken):
                pass  # drained away
        clients = [threading.Thread(target=client, args=(number,)) for number in range(20)]
        for thread in clients:
            thread.start()
        place.await_true("some messages", lambda: len(accepted) > 100, 30)
        lockstep.drain()
        self.assert_exit(lockstep, 0)
        for thread in clients:
            thread.join(30)
        self.assertEqual(sorted(accepted), sorted(relay.delivered))

    def test_a_drain_has_a_limit(self):
        lockstep = self.start(Polite(), settings="timeouts: {drain: 1s}")
        with wire.Conversation(lockstep.port) as busy:
            self.to_message(busy)
            lockstep.drain()
            self.assert_exit(lockstep, 0)

    def test_a_refused_client_that_stays_holds_nothing_up(self):
        lockstep = self.start(Polite(), listener="sessions: 1\nsessions-per-client: 1")
        with wire.Conversation(lockstep.port) as one, wire.Conversation(lockstep.port) as two:
            one.open()
            self.assertEqual(two.reply().code, 421)
            lockstep.drain()
            self.assertEqual(one.reply().code, 421)
            self.assert_exit(lockstep, 0)


class Bounds(Life):
    def test_a_message_of_256_mebibytes_streams(self):
        class Counting(Polite):
            def body(self, talk):
                size, tail = len(talk.held), talk.held[-5:]
                while not tail.endswith(b"\r\n.\r\n"):
                    more = talk._read()
                    size += len(more)
                    tail = (tail + more)[-5:]
                talk.held = b""
                return size

        relay = Counting()
        lockstep = self.start(relay)
        with wire.Conversation(lockstep.port, seconds=60) as talk:
            self.to_message(talk)
            before = most = lockstep.process.rss_kib()
            part = (b"x" * 62 + b"\r\n") * (MEBIBYTE // 64)
            for _ in range(256):
                talk.say(part)
                most = max(most, lockstep.process.rss_kib())
            talk.say(b".\r\n")
            self.assertEqual(talk.reply().code, 250)
        self.assertEqual(relay.delivered, [256 * MEBIBYTE + 3])
        self.assertLess(most - before, 8 * 1024, "KiB more than before the message")

    def test_full_is_said_before_the_banner(self):
        lockstep = self.start(Polite(), listener="sessions: 3\nsessions-per-client: 2")
        with wire.Conversation(lockstep.port) as one, wire.Conversation(lockstep.port) as two:
            one.open()
            two.open()
            with wire.Conversation(lockstep.port) as three:
                self.assertEqual(three.reply().code, 421)
                self.assertEqual(three.rest(), b"")
            two.ask(b"QUIT")
            two.rest()

            def served():
                with wire.Conversation(lockstep.port) as talk:
                    return talk.reply().code == 220
            place.await_true("room again", served)

    def test_many_sessions_at_once(self):
        relay = Polite()
        lockstep = self.start(relay, listener="sessions: 5000\nsessions-per-client: 5000")
        accepted = []

        def client():
            try:
                with wire.Conversation(lockstep.port, seconds=60) as talk:
                    self.to_message(talk)
                    talk.say(wire.stuffed(MESSAGE))
                    accepted.append(talk.reply().code)
            except Exception as error:
                accepted.append(repr(error))
        clients = [threading.Thread(target=client) for _ in range(300)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join(90)
        self.assertEqual(set(accepted), {250})
        self.assertEqual(len(relay.delivered), len(clients))


class Transcripts(Life):
    def test_a_session_is_written(self):
        lockstep = self.start(Polite(), transcripts=True)
        with wire.Conversation(lockstep.port) as talk:
            self.to_message(talk)
            talk.say(wire.stuffed(MESSAGE))
            talk.reply()
            talk.ask(b"QUIT")
        folder = lockstep.folder.path / "transcripts"
        found = place.await_true("a transcript", lambda: [
            path for path in folder.glob("*.smtp") if b"QUIT" in path.read_bytes()])
        text = found[0].read_text()
        for wanted in ("RCPT TO:<one@fake.test>", "354"):
            self.assertIn(wanted, text)

    def test_a_log_line_for_each_session(self):
        lockstep = self.start(Polite())
        for _ in range(3):
            with wire.Conversation(lockstep.port) as talk:
                talk.open()
                talk.ask(b"QUIT")
        place.await_true("three lines", lambda: lockstep.process.log().count("quit") >= 3)


if __name__ == "__main__":
    suite.main()
