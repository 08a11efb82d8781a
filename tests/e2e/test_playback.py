"""What was recorded of real sessions, messages included, plays back to the byte.

Clients and an upstream made of random words, verdicts and losses talk through lockstep; every
transcript it wrote is then played through the engine, in each way of cutting it.
"""

import concurrent.futures
import contextlib
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
LANES = 15

TIMEOUTS = """{client: 500ms, command: 500ms, mail: 500ms, rcpt: 500ms, data: 500ms,
  data-block: 500ms, data-end: 500ms}"""

WORDS = [b"EHLO client.test\r\n", b"HELO client.test\r\n", b"MAIL FROM:<a@client.test>\r\n",
         b"RCPT TO:<one@fake.test>\r\n", b"RCPT TO:<two@fake.test>\r\n", b"DATA\r\n",
         b"BDAT 5\r\n", b"words\r\n.\r\n", b"BDAT 0 LAST\r\n", b"RSET\r\n", b"NOOP\r\n",
         b"VRFY one\r\n", b"STARTTLS\r\n", b"XCLIENT NAME=x\r\n", b"\r\n", b"\n", b"\r", b"\0",
         b"\xff\r\n", b">\r\n", b"..\r\n"]
MESSAGE = (b"MAIL FROM:<a@client.test>\r\nRCPT TO:<one@fake.test>\r\nDATA\r\n"
           b"Subject: x\r\n\r\n..words\r\n.\r\n")
FROM = MESSAGE.replace(b"Subject: x", b"From b@c\r\nFrom: Bob\r\n <b@c>\r\nSubject: x")
HEADERS = ("rewrite: {sender: a@client.test}\n"
           "repairs: {match-header-from: on, from-line: on, match-sender: on}")
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


class Lane:
    """A listener, its relay, and sessions one after the other: what is random in one lane hangs on
    its seed alone, and lanes wait for their relays side by side."""

    def __init__(self, seed, keywords, broken, context=None):
        self.numbers = random.Random(seed)
        self.upstream = Upstream(Moody(random.Random(f"{seed} relay"), keywords, broken,
                                       context=context))

    def record(self, port, words):
        for _ in range(SESSIONS // LANES):
            numbers = self.numbers
            text = b"".join(numbers.choice(words) for _ in range(numbers.randrange(1, 40)))
            greets = numbers.random() < 0.5
            cut = numbers.randrange(len(text))
            with wire.Conversation(port, seconds=60) as talk:
                if greets:
                    talk.say(b"EHLO client.test\r\n")
                talk.say(text[:cut])
                talk.say(text[cut:])
                talk.finish_sending()
                talk.rest()


class Recording:
    """Lanes behind one lockstep, and whether what they left plays back."""

    words = (MESSAGE, FROM, *WORDS)
    scheme, relay, settings = "smtp://127.0.0.1", "", ""

    def __init__(self, listener, keywords, broken, context=None):
        self.listener = listener
        self.seed = f"{SEED} {listener} {keywords}"
        self.lanes = [Lane(f"{self.seed} {at}", keywords, broken, context) for at in range(LANES)]

    def yaml(self):
        """Of the listeners, and of the relays."""
        listeners = relays = ""
        for at, lane in enumerate(self.lanes):
            listener = self.listener.replace("SPARE", f"spare{at}").replace("\n", "\n  ")
            listeners += f"- name: l{at}\n  listen: 127.0.0.1:0\n  relay: r{at}\n  {listener}\n"
            relays += (f"r{at}:\n  address: {self.scheme}:{lane.upstream.port}\n{self.relay}"
                       f"spare{at}: {{address: smtp://127.0.0.1:{lane.upstream.port}}}\n")
        return listeners, relays

    def play(self):
        listeners, relays = self.yaml()
        with contextlib.ExitStack() as ends:
            for lane in self.lanes:
                ends.enter_context(lane.upstream)
            lockstep = ends.enter_context(proxy.Proxy(
                self.lanes[0].upstream.port, listeners=listeners, relays=relays, transcripts=True,
                settings=f"timeouts: {TIMEOUTS}\n{self.settings}"))
            with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
                recorded = [pool.submit(lane.record, port, self.words)
                            for lane, port in zip(self.lanes, lockstep.ports[1:])]
            for one in recorded:
                one.result()
            return self.play_back(lockstep)

    def play_back(self, lockstep):
        folder = lockstep.folder.path / "transcripts"
        files = place.await_true("every transcript to be written", lambda: (
            found if len(found := sorted(folder.glob("*.smtp"))) == SESSIONS else None))
        lockstep.process.stop()  # nothing is written after this
        played = subprocess.run([place.lockstep(), "play", *files], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=300, check=False)
        return played.returncode, played.stdout.decode(errors="replace")[-3000:]


def recordings():
    for mode in ("repair", "observe"):
        for keywords in (("8BITMIME",), ("PIPELINING", "SIZE 1000"), ("PIPELINING", "CHUNKING")):
            # In `observe` everything behind a broken reply passes unread, and what was only counted
            # can't be played.
            headers = HEADERS if keywords == ("8BITMIME",) else ""
            yield Recording(f"mode: {mode}\ntranscripts: {{bodies: whole}}\n{headers}", keywords,
                            mode == "repair")


def recording_of_routes(folder):
    authority = Authority(folder)
    password = folder / "password"
    password.write_text(artefacts.secret("playback-pass") + "\n")
    password.chmod(0o600)
    recording = Recording("""transcripts: {bodies: whole}
routes:
  - {helo: "other*", relay: SPARE}
  - {sender: "*@client.test", credential: c, repairs: {refused-sender: off}}""",
                          ("PIPELINING", "AUTH PLAIN"), broken=False,
                          context=server_context(authority.issue("localhost")))
    recording.words = ENVELOPES
    recording.scheme = "starttls://localhost"
    recording.relay = f"  ca: {authority.certificate}\n  auth-refused: pass\n"
    recording.settings = f"credentials: {{c: {{user: u, password_file: {password}}}}}"
    return recording


class Playback(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """All at once: what takes long is waiting, for relays that are put to again."""
        folder = place.Folder("playback")
        cls.addClassCleanup(folder.remove)
        cls.routes = recording_of_routes(folder.path)
        everything = [cls.routes, *recordings()]
        with concurrent.futures.ThreadPoolExecutor(len(everything)) as pool:
            cls.played = {one: pool.submit(one.play) for one in everything}

    def check(self, recording):
        status, said = self.played[recording].result()
        self.assertEqual(status, 0, said)

    def test_everything_plays_back(self):
        for recording in set(self.played) - {self.routes}:
            with self.subTest(seed=SEED, recording=recording.seed):
                self.check(recording)

    def test_tls_and_logins_by_routes_play_back(self):
        self.check(self.routes)
        self.assertTrue(any(b"\r\nAUTH PLAIN " in heard for lane in self.routes.lanes
                            for heard in lane.upstream.heard))


if __name__ == "__main__":
    suite.main()
