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

from support import artefacts, place, proxy, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.fake import Lost, Polite, Upstream, server_context  # noqa: E402

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
# Where AUTH is offered, whatever is no command could be a secret, and is not written down.
ENVELOPES = [b"EHLO other.test\r\n", *WORDS[:3], *WORDS[2:5], *WORDS[9:12]]


class Moody(Polite):
    """Mostly polite; refuses, stutters and hangs up at random."""

    MOODS = [b"250 2.0.0 ok\r\n"] * 8 + [
        b"451 4.3.0 later\r\n", b"550 5.7.1 never\r\n", b"250-first\r\n250 second\r\n",
        b"421 4.3.2 closing\r\n", b"354 go on\r\n", b"250\r\n", b"250 o\xffk\r\n"]
    BROKEN = b"hello\r\n"

    def __init__(self, numbers, keywords, broken, **words):
        super().__init__(keywords, **words)
        self.numbers = numbers
        self.moods = self.MOODS + [self.BROKEN] * broken

    def say(self, talk, word, text):
        if word not in ("GREETING", "EHLO", "DATA", "STAR", "AUTH") or self.numbers.random() < 0.1:
            text = self.numbers.choice(self.moods)
        if self.numbers.random() < 0.03:
            talk.say(text[:self.numbers.randrange(len(text))])
            raise Lost
        return super().say(talk, word, text)

    def other(self, talk, line):
        return (b"235 2.7.0 welcome\r\n" if line.upper().startswith(b"AUTH ")
                else super().other(talk, line))


class Playback(unittest.TestCase):
    def record(self, lockstep, numbers, words=(MESSAGE, *WORDS)):
        for _ in range(SESSIONS):
            text = b"".join(numbers.choice(words)
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

    def test_tls_and_logins_by_routes_play_back(self):
        folder = place.Folder("playback")
        self.addCleanup(folder.remove)
        authority = Authority(folder.path)
        password = folder.path / "password"
        password.write_text(artefacts.secret("playback-pass") + "\n")
        password.chmod(0o600)
        numbers = random.Random(f"{SEED} routes")
        relay = Moody(numbers, ("PIPELINING", "AUTH PLAIN"), broken=False,
                      context=server_context(authority.issue("localhost")))
        listener = """transcripts: {bodies: whole}
routes:
  - {helo: "other*", relay: spare}
  - {sender: "*@client.test", credential: c, repairs: {refused-sender: off}}"""
        with Upstream(relay) as upstream, proxy.Proxy(
                addresses=[f"starttls://localhost:{upstream.port}"], listener=listener,
                relay=f"ca: {authority.certificate}\nauth-refused: pass", transcripts=True,
                relays=f"spare: {{address: smtp://127.0.0.1:{upstream.port}}}",
                settings=f"timeouts: {TIMEOUTS}\n"
                         f"credentials: {{c: {{user: u, password_file: {password}}}}}") as lockstep:
            self.record(lockstep, numbers, ENVELOPES)
            status, said = self.play(lockstep)
            self.assertEqual(status, 0, said)
            self.assertTrue(any(b"\r\nAUTH PLAIN " in heard for heard in upstream.heard))


if __name__ == "__main__":
    suite.main()
