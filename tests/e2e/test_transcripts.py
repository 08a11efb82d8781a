"""What `run` writes down, `play` plays with agreement: whole sessions, refused ones, and such that
break off anywhere, in either mode and with messages counted or kept whole."""

import pathlib
import random
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402

ENVELOPE = b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@fake.test>\r\n"
MESSAGE = b"Subject: x\r\n\r\n.dot\r\n" + b"a line of some length\r\n" * 50
SAID = {
    "pipelined": ENVELOPE + b"DATA\r\n" + wire.stuffed(MESSAGE) + b"QUIT\r\n",
    "chunks": ENVELOPE + b"BDAT 10\r\n12\r\n\r\n78\r\nBDAT 7 LAST\r\ndot\r\nxxQUIT\r\n",
    "bare-lf": ENVELOPE + b"DATA\r\none\ntwo\r\n.\r\nQUIT\r\n",
    "bare-cr": ENVELOPE + b"DATA\r\none\rtwo\r\n.\r\nQUIT\r\n",
    "doubled-cr": ENVELOPE + b"DATA\r\none\r\r\ntwo\r\n.\r\nQUIT\r\n",
    "credentials": b"AUTH PLAIN AGEAaHVudGVyMg==\r\nQUIT\r\n",
    "garbage": b"\x00\xff\r\nNOOP\r\n" + b"x" * 5000 + b"\r\n\r\nETRN a\r\nQUIT\r\n",
}
SECRET = b"AGEAaHVudGVyMg=="
CUTS = 8  # of each, sessions that break off somewhere


class Transcripts(unittest.TestCase):
    def converse(self, port, said):
        """One session; what was said breaks off when it is not all of `said`."""
        for name, whole in said.items():
            for text in [whole] + [whole[:self.dice.randrange(len(whole))] for _ in range(CUTS)]:
                with self.subTest(name=name), wire.Conversation(port) as talk:
                    talk.open()
                    middle = self.dice.randrange(len(text) + 1)
                    talk.say(text[:middle])
                    if self.dice.random() < 0.5 and b"EHLO" not in text:
                        talk.socket.settimeout(0.02)
                        try:
                            talk.rest()
                        except TimeoutError:
                            pass
                        talk.socket.settimeout(20)
                    talk.say(text[middle:])
                    if self.dice.random() < 0.7:
                        talk.finish_sending()
                        talk.rest()

    def played(self, settings, keywords, replies=(), bodies="count"):
        self.dice = random.Random(7)
        relay = Polite(keywords=keywords, replies=replies)
        relay.replies.setdefault("AUTH", b"235 2.7.0 welcome\r\n")
        with Upstream(relay) as upstream, \
                proxy.Proxy(upstream.port, settings=settings,
                            listener=f"transcripts: {{bodies: {bodies}}}", transcripts=True) as lockstep:
            self.converse(lockstep.port, SAID)
            upstream.settle()
            lockstep.process.stop()
            files = sorted((lockstep.folder.path / "transcripts").iterdir())
            self.assertEqual(len(files), len(SAID) * (CUTS + 1))
            for file in files:
                self.assertNotIn(SECRET, file.read_bytes())
            play = subprocess.run([place.lockstep(), "play", *files], text=True, timeout=120,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            self.assertEqual(play.returncode, 0, play.stdout)
            self.assertIn(f"{len(files)} passed, 0 failed", play.stdout)

    def test_one_command_at_a_time(self):
        self.played("", ("8BITMIME", "AUTH PLAIN"))

    def test_in_groups(self):
        self.played("", ("PIPELINING", "CHUNKING", "AUTH PLAIN"))

    def test_refused(self):
        self.played("limits: {message: 900}", ("PIPELINING",), {"RCPT": b"550 5.1.1 no\r\n"})

    def test_too_large(self):
        self.played("limits: {message: 900}", ("PIPELINING",))

    def test_normalised(self):
        self.played("repairs: {bare-lf: on, doubled-cr: on}", ("PIPELINING",), bodies="whole")

    def test_whole(self):
        self.played("limits: {message: 900}", ("8BITMIME",), bodies="whole")

    def test_observed(self):
        self.played("mode: observe", ("PIPELINING", "CHUNKING", "AUTH PLAIN"))


if __name__ == "__main__":
    suite.main()
