"""`lockstep fault`: the faulty path on demand, the same again with the same seed."""

import concurrent.futures
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import loop, pipelining_client, place, relays, suite, wire  # noqa: E402
from support.process import Process  # noqa: E402

SIDE_BY_SIDE = 16
PATIENCE = 3  # seconds that the client waits for a reply

# What a session's transcript says of the machine and the moment, and not of the session.
BY_CHANCE = ((r"^\+\d+ ", "+"), (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
             (r"\d+\.M\d+P\d+Q\d+\.", "QUEUED."))
# A slow path is left in the middle of a word, wherever the client's patience has ended; and in small
# pieces a queue's number is not known for one.
SLOW = {"tarpit", "spamd", "split-replies"}


def fault(*words):
    return subprocess.run([place.lockstep(), "fault", *words], capture_output=True, text=True,
                          timeout=60, check=False)


def speak(port):
    """One message to one recipient, its envelope in one write; whatever comes of it."""
    try:
        with wire.Conversation(port, seconds=PATIENCE) as talk:
            talk.reply()
            talk.ask(b"EHLO client.test")
            if pipelining_client.send(talk, b"sender@client.test", [b"one@lockstep.test"],
                                      loop.message(1)):
                talk.ask(b"QUIT")
    except (OSError, wire.Broken):
        pass


def ended(folder):
    """The transcript, once both sides were shut."""
    text = "".join(file.read_text() for file in folder.glob("*"))
    return text if re.search(r" C (shut|fail)", text) and re.search(r" U (shut|fail)", text) else ""


def transcript(profile, upstream):
    """What one session with that profile is recorded as, but for what chance has in it."""
    folder = place.Folder("fault")
    path = Process("fault", [place.lockstep(), "fault", profile, "--listen", "127.0.0.1:0",
                             "--upstream", f"smtp://127.0.0.1:{upstream}", "--seed", "7",
                             "--transcripts", folder.path / "transcripts",
                             "--set", "timeouts.data-end=6s"], folder.path)
    try:
        speak(path.await_ready()[0])
        text = place.await_true("the session's end", lambda: ended(folder.path / "transcripts"))
        for pattern, word in BY_CHANCE:
            text = re.sub(pattern, word, text, flags=re.M)
        return text
    finally:
        path.stop()
        folder.remove()


class Command(unittest.TestCase):
    def test_lists_every_profile_with_its_rules(self):
        names = loop.profiles()
        self.assertGreater(len(names), 50)
        for name in names:
            rules = [line for line in fault("--list", name).stdout.splitlines()
                     if not line.startswith("#")]
            self.assertTrue(rules, name)
            self.assertTrue(all(" do " in rule for rule in rules), rules)

    def test_explains_the_words_of_rules(self):
        words = fault("--words").stdout
        for word in ("events", "triggers", "kinds", "  drop\n", "  nth= ", "  command "):
            self.assertIn(word, words)

    def test_says_on_which_events_a_kind_may_stand(self):
        said = fault("--words").stdout
        events = re.findall(r"^  (\S+) ", said[:said.index("\ntriggers")], flags=re.M)
        kinds = re.findall(r"^  (\S+).*\n      .+\n      Stands on (.+)\.$",
                           said[said.index("\nkinds"):], flags=re.M)
        self.assertEqual(len(kinds), len(re.findall(r"^  \S", said[said.index("\nkinds"):],
                                                    flags=re.M)))
        for kind, told in kinds:
            wrong = [event for event in events if event not in re.split(", | or ", told)]
            self.assertEqual(len(wrong) + len(re.split(", | or ", told)), len(events), kind)
            for event in wrong[:1]:
                self.assertIn(f"which stands on {told}", fault(f"{event} do {kind}").stderr)

    def test_says_what_would_be_right(self):
        for rule, advice in (("no-such", "`lockstep fault --list`"),
                             ("command RCPT do drip", "a kind of fault"),
                             ("command RCPT nth=x do drop", "a number instead of `nth=x`"),
                             ("reply do hold", "can happen there")):
            ran = fault(rule)
            self.assertEqual(ran.returncode, 64, rule)
            self.assertIn(advice, ran.stderr)

    def test_prints_the_seed_that_repeats_it(self):
        folder = place.Folder("fault")
        path = Process("fault", [place.lockstep(), "fault", "--listen", "127.0.0.1:0"],
                       folder.path)
        try:
            path.await_ready()
            self.assertRegex(path.output(), r"listening on 127\.0\.0\.1:\d+, seed [1-9]\d*\n")
        finally:
            path.stop()
            folder.remove()


def legs(text):
    """What was said, decided and done, each in its order. Which of client and relay is heard first
    is for them to say, where both talk at once."""
    apart = {}
    for line in text.splitlines():
        mark = re.match(r"\+?([CU][<>]?|!|@|#)?", line).group(1)
        apart.setdefault(mark, []).append(line)
    return "\n".join(line for mark in sorted(apart, key=str) for line in apart[mark])


class Again(unittest.TestCase):
    """The same seed, the same transcript, for every profile. Byte for byte and in one order that is
    so on the virtual clock, where each profile's scenario is played many times."""

    def test_every_profile_does_the_same_again(self):
        with relays.Sink() as sink, \
                concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            names = [name for name in loop.profiles() if name not in SLOW]
            both = [list(pool.map(lambda name: transcript(name, sink.port), names))
                    for _ in range(2)]
        for name, first, second in zip(names, *both):
            with self.subTest(name):
                self.assertIn("C open", first)
                self.assertMultiLineEqual(legs(first), legs(second))


if __name__ == "__main__":
    suite.main()
