"""Upstreams that break the rules: the client hears something true, in bounded time."""

import os
import pathlib
import random
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite, wire  # noqa: E402
from support.fake import Lost, Polite, Upstream  # noqa: E402

SEED = int(os.environ.get("LOCKSTEP_SEED", "1"))

ENVELOPE = [b"MAIL FROM:<a@client.test>", b"RCPT TO:<one@fake.test>", b"DATA"]
MESSAGE = b"Subject: upstream\r\n\r\nwords\r\n"
WORDS = ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "END"]

SHORT = """timeouts:
  connect: 1s
  greeting: 1s
  command: 1s
  mail: 1s
  rcpt: 1s
  data: 1s
  data-block: 1s
  data-end: 1s
"""


def attempt(port, seconds=15):
    """All replies a client gets for one message, sent in lock-step, until it ends or is refused."""
    replies = []
    try:
        with wire.Conversation(port, seconds=seconds) as talk:
            replies.append(talk.reply())
            for line in [b"EHLO client.test", *ENVELOPE]:
                if replies[-1].code >= 400:
                    return replies
                replies.append(talk.ask(line))
            if replies[-1].code == 354:
                talk.say(wire.stuffed(MESSAGE))
                replies.append(talk.reply())
            replies.append(talk.ask(b"QUIT"))
    except wire.Broken:
        pass
    return replies


class Upstreams(unittest.TestCase):
    def with_upstream(self, handler, settings="", **budget):
        # What comes of one connection; test_replay has what comes of the next.
        settings += "\nrepairs: {replay-envelope: off}"
        self.upstream = Upstream(handler, **budget)
        self.addCleanup(self.upstream.stop)
        lockstep = proxy.Proxy(self.upstream.port, settings)
        self.addCleanup(self.end, lockstep)
        return lockstep

    def end(self, lockstep):
        log = lockstep.process.log()
        self.assertEqual(lockstep.stop(), 0, log)

    def assert_temporary(self, replies):
        """The client was told to come again, or not told anything at all; never 5xx, never 250
        for the message."""
        self.assertFalse([reply for reply in replies if reply.code >= 500], replies)
        self.assertNotIn(354, [reply.code for reply in replies[:-1] if reply.code == 354 and
                               replies[-1].code == 250], replies)

    def test_polite(self):
        relay = Polite()
        replies = attempt(self.with_upstream(relay).port)
        self.assertEqual([reply.code for reply in replies], [220, 250, 250, 250, 354, 250, 221])
        self.assertEqual(relay.delivered, [MESSAGE])
        self.assertEqual(relay.violations, [])

    def test_down(self):
        # Listening and closed: the port was just free, and nobody is there.
        lockstep = proxy.Proxy(place.free_port())
        self.addCleanup(self.end, lockstep)
        replies = attempt(lockstep.port)
        self.assertTrue(replies[-1].startswith(b"421 4.4.1"), replies)

    def test_every_word_refused(self):
        for word in WORDS:
            for refusal in (b"421 4.3.2 closing\r\n", b"451 4.3.0 later\r\n",
                            b"550 5.7.1 never\r\n", b"554-5.0.0 never\r\n554 5.0.0 ever\r\n"):
                with self.subTest(word=word, refusal=refusal):
                    relay = Polite(replies={word: refusal})
                    replies = attempt(self.with_upstream(relay).port)
                    failed = [reply for reply in replies if reply.code >= 400]
                    self.assertTrue(failed, replies)
                    self.assertEqual(failed[0].code // 100, int(refusal[:1]), replies)

    def test_replies_in_pieces(self):
        class InPieces(Polite):
            def say(self, talk, word, text):
                for at in range(len(text)):
                    talk.say(text[at:at + 1])
                    time.sleep(0.0005)
                return text

        relay = InPieces()
        replies = attempt(self.with_upstream(relay).port)
        self.assertEqual([reply.code for reply in replies], [220, 250, 250, 250, 354, 250, 221])
        self.assertEqual(relay.delivered, [MESSAGE])

    def test_a_reply_nobody_asked_for(self):
        # Were it taken for an answer, every later one would move by one and the refusal of the
        # message would be heard as its acceptance.
        for word in WORDS[:-1]:
            with self.subTest(after=word):
                class Unasked(Polite):
                    def say(self, talk, said, text):
                        # In one write: on its own it might come when the dot has left already,
                        # and then nobody could tell what it answers.
                        text = self.replies.get(said, text)
                        self.said.append(text)
                        talk.say(text + (b"250 2.0.0 unasked\r\n" if said == word else b""))
                        return text

                relay = Unasked(replies={"END": b"554 5.6.0 no\r\n"})
                replies = attempt(self.with_upstream(relay).port)
                codes = [reply.code for reply in replies]
                if 354 in codes:
                    after = codes[codes.index(354) + 1:]
                    self.assertNotEqual(after[:1], [250], replies)

    def test_garbage(self):
        numbers = random.Random(SEED)
        for word in WORDS:
            for garbage in (numbers.randbytes(100), b"\0" * 100, b"hello\r\n", b"\r\n" * 50,
                            b"999 what\r\n", b"2 5 0\r\n", b"x" * 100_000, b"250"):
                with self.subTest(seed=SEED, word=word, garbage=garbage[:20]):
                    def say(talk, said, text, word=word, garbage=garbage):
                        talk.say(garbage if said == word else text)
                        if said == word:
                            raise Lost
                        return text

                    relay = Polite()
                    relay.say = say
                    replies = attempt(self.with_upstream(relay).port)
                    self.assertFalse([reply for reply in replies if reply.code >= 500], replies)
                    if word == "END":
                        self.assertNotIn(250, [reply.code for reply in replies[5:]], replies)
                    else:
                        self.assertEqual(relay.delivered, [])

    def test_a_hundred_thousand_continuation_lines(self):
        for word in WORDS:
            with self.subTest(word=word):
                code = {"GREETING": b"220", "DATA": b"354"}.get(word, b"250")
                long = b"".join(b"%s-line %d\r\n" % (code, at) for at in range(100_000))
                relay = Polite(replies={word: long + code + b" end\r\n"})
                lockstep = self.with_upstream(relay)
                before = lockstep.process.rss_kib()
                replies = attempt(lockstep.port)
                self.assertTrue(replies)
                self.assertFalse([reply for reply in replies if reply.code >= 500], replies[-1:])
                self.assertLess(lockstep.process.rss_kib() - before, 16 * 1024)

    def test_never_answers(self):
        for word in WORDS:
            with self.subTest(word=word):
                def say(talk, said, text, word=word):
                    if said != word:
                        talk.say(text)
                        return text
                    talk.line()  # nothing more comes: until lockstep gives up
                    raise Lost

                relay = Polite()
                relay.say = say
                lockstep = self.with_upstream(relay, SHORT)
                began = time.monotonic()
                replies = attempt(lockstep.port)
                self.assertLess(time.monotonic() - began, 12)
                failed = [reply for reply in replies if reply.code >= 400]
                self.assertEqual(failed[0].code // 100, 4, replies)

    def test_a_reset_right_behind_data_ends_the_session_at_once(self):
        # Both are seen in one look at the socket, where a reset is easily taken for an end after
        # which the client still listens; nothing would then end the session but this silence.
        def handler(talk):
            talk.line()

        lockstep = self.with_upstream(handler)
        with wire.Conversation(lockstep.port) as talk:
            place.await_true("the session to open", lambda: self.upstream.ends)
            lockstep.process.child.send_signal(signal.SIGSTOP)
            talk.say(b"EHLO client.test\r\n")
            talk.reset()
            lockstep.process.child.send_signal(signal.SIGCONT)
            place.await_true("the session to end", lambda: not self.upstream.ends, 10)

    def test_never_reads(self):
        # The upstream stops in the middle of a large message; the client is told, in time.
        def handler(talk):
            talk.say(b"220 fake.test\r\n")
            talk.line()
            talk.say(b"250 fake.test\r\n")
            for answer in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
                talk.line()
                talk.say(answer)
            time.sleep(4)
            raise Lost

        lockstep = self.with_upstream(handler, SHORT)
        before = lockstep.process.rss_kib()
        with wire.Conversation(lockstep.port, seconds=10) as talk:
            talk.open()
            for line in ENVELOPE:
                talk.ask(line)
            talk.socket.settimeout(5)
            try:
                for _ in range(64):
                    talk.socket.sendall(b"words and words\r\n" * 65536)
            except OSError:
                pass
            self.assertLess(lockstep.process.rss_kib() - before, 16 * 1024)
            self.assertIn(talk.rest()[:1], (b"4", b""))

    def test_a_flood_of_answers(self):
        # Without end and without being asked; nothing is kept, nobody hangs.
        def handler(talk):
            talk.say(b"220 fake.test\r\n")
            talk.line()
            while True:
                talk.say(b"250 2.0.0 and again\r\n" * 1000)

        lockstep = self.with_upstream(handler)
        before = lockstep.process.rss_kib()
        replies = attempt(lockstep.port)
        self.assertFalse([reply for reply in replies[3:] if reply.code == 250][2:], replies)
        self.assertLess(lockstep.process.rss_kib() - before, 16 * 1024)


if __name__ == "__main__":
    suite.main()
