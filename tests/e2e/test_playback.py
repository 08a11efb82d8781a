"""What was recorded of real sessions, messages included, plays back to the byte.

Clients and an upstream made of random words, verdicts and losses talk through lockstep; every
transcript it wrote is then played through the engine, in each way of cutting it.
"""

import os
import pathlib
import random
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite, wire  # noqa: E402
from support.fake import Lost, Polite, Upstream  # noqa: E402

SEED = int(os.environ.get("LOCKSTEP_SEED", "1"))
SESSIONS = 60

TIMEOUTS = """{client: 500ms, command: 500ms, mail: 500ms, rcpt: 500ms, data: 500ms,
  data-block: 500ms, data-end: 500ms}"""

WORDS = [b"EHLO client.test\r\n", b"HELO client.test\r\n", b"MAIL FROM:<a@client.test>\r\n",
         b"RCPT TO:<one@fake.test>\r\n", b"RCPT TO:<two@fake.test>\r\n", b"DATA\r\n",
         b"BDAT 5\r\n", b"words\r\n.\r\n", b"BDAT 0 LAST\r\n", b"RSET\r\n", b"NOOP\r\n",
         b"VRFY one\r\n", b"STARTTLS\r\n", b"XCLIENT NAME=x\r\n", b"\r\n", b"\n", b"\r", b"\0",
         b"\xff\r\n", b">\r\n", b"..\r\n"]
MESSAGE = (b"MAIL FROM:<a@client.test>\r\nRCPT TO:<one@fake.test>\r\nDATA\r\n"
           b"Subject: x\r\n\r\n..words\r\n.\r\n")


class Moody(Polite):
    """Mostly polite; refuses, stutters and hangs up at random."""

    MOODS = [b"250 2.0.0 ok\r\n"] * 8 + [
        b"451 4.3.0 later\r\n", b"550 5.7.1 never\r\n", b"250-first\r\n250 second\r\n",
        b"421 4.3.2 closing\r\n", b"354 go on\r\n", b"250\r\n", b"250 o\xffk\r\n"]
    BROKEN = b"hello\r\n"

    def __init__(self, numbers, keywords, broken):
        super().__init__(keywords)
        self.numbers = numbers
        self.moods = self.MOODS + [self.BROKEN] * broken

    def say(self, talk, word, text):
        if word not in ("GREETING", "EHLO", "DATA") or self.numbers.random() < 0.1:
            text = self.numbers.choice(self.moods)
        if self.numbers.random() < 0.03:
            talk.say(text[:self.numbers.randrange(len(text))])
            raise Lost
        return super().say(talk, word, text)


class Playback(unittest.TestCase):
    def record(self, lockstep, numbers):
        for _ in range(SESSIONS):
            text = b"".join(numbers.choice([MESSAGE, *WORDS, numbers.choice(WORDS)])
                            for _ in range(numbers.randrange(1, 40)))
            with wire.Conversation(lockstep.port) as talk:
                if numbers.random() < 0.5:
                    talk.say(b"EHLO client.test\r\n")
                cut = numbers.randrange(len(text))
                talk.say(text[:cut])
                talk.say(text[cut:])
                talk.finish_sending()
                talk.rest()

    def play(self, lockstep):
        folder = lockstep.folder.path / "transcripts"
        files = place.await_true("every transcript to be written", lambda: (
            found if len(found := sorted(folder.glob("*.smtp"))) == SESSIONS else None))
        lockstep.process.stop()  # nothing is written after this
        played = subprocess.run([place.lockstep(), "play", *files], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=300, check=False)
        return played.returncode, played.stdout.decode(errors="replace")[-3000:]

    def test_everything_plays_back(self):
        for mode in ("repair", "observe"):
            for keywords in (("8BITMIME",), ("PIPELINING", "SIZE 1000"),
                             ("PIPELINING", "CHUNKING")):
                with self.subTest(seed=SEED, mode=mode, keywords=keywords):
                    numbers = random.Random(f"{SEED} {mode} {keywords}")
                    # In `observe` everything behind a broken reply passes unread, and what was
                    # only counted can't be played.
                    relay = Moody(numbers, keywords, broken=mode == "repair")
                    with Upstream(relay) as upstream:
                        with proxy.Proxy(upstream.port, listener=f"mode: {mode}\n"
                                                  "transcripts: {bodies: whole}",
                                         settings="timeouts: " + TIMEOUTS,
                                         transcripts=True) as lockstep:
                            self.record(lockstep, numbers)
                            status, said = self.play(lockstep)
                            self.assertEqual(status, 0, said)


if __name__ == "__main__":
    suite.main()
