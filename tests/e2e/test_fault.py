"""`lockstep fault`: the faulty path on demand, the same again with the same seed."""

import concurrent.futures
import contextlib
import dataclasses
import pathlib
import re
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import conversations, loop, place, proxy, relays, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.process import Process  # noqa: E402

SIDE_BY_SIDE = 16
PATIENCE = 3  # seconds that the client waits for a reply

# What a session's transcript says of the machine and the moment, and not of the session.
BY_CHANCE = ((r"^\+\d+ ", "+"), (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
             (r"\d+\.M\d+P\d+Q\d+\.", "QUEUED."),
             # A relay may be reached before a client that talks too early is sent away, or not.
             (r"^\+U open\n", ""))
# What TLS says in a handshake has not the same length each time.
SEALED = r"^\+?[CU][<>] ~ \d+ bytes .*\n"
# A slow path is left in the middle of a word, wherever the client's patience has ended; and in small
# pieces a queue's number is not known for one.
SLOW = {"tarpit", "spamd", "split-replies"}
# How much of what is written byte by byte is read at once is for the machine to say.
NOT_THE_SAME = {"byte by byte"}
LOGIN = "somebody:a-password-of-the-sink"


def fault(*words):
    return subprocess.run([place.lockstep(), "fault", *words], capture_output=True, text=True,
                          timeout=60, check=False)


def speak(port, kind):
    """What a client of that kind says; whatever comes of it."""
    client = conversations.Client(kind, "\0" + LOGIN.replace(":", "\0"))
    for number in range(kind.sessions):
        with contextlib.suppress(OSError, wire.Broken):
            first = 1 + number * kind.messages
            client.session(port, range(first, first + kind.messages), PATIENCE)


def ended(folder, count):
    """The transcripts of so many sessions in their order, once both sides of each were shut."""
    texts = [file.read_text() for file in folder.glob("*")]
    done = [text for text in texts if re.search(r" C (shut|fail)", text)
            and re.search(r" U (shut|fail)", text)]
    done.sort(key=lambda text: int(re.search(r" session=(\d+)", text).group(1)))
    return "".join(done) if len(done) == count else ""


def transcript(profile, kind, upstream):
    """What that conversation with that profile is recorded as, but for what chance has in it."""
    folder = place.Folder("fault")
    path = Process("fault", [place.lockstep(), "fault", profile, "--listen", "127.0.0.1:0",
                             "--upstream", f"smtp://127.0.0.1:{upstream}", "--seed", "7",
                             "--transcripts", folder.path / "transcripts",
                             "--set", "timeouts.data-end=6s"], folder.path)
    try:
        speak(path.await_ready()[0], kind)
        text = place.await_true(f"the end of {profile}", lambda: ended(
            folder.path / "transcripts", kind.sessions))
        for pattern, word in BY_CHANCE + (((SEALED, ""),) if kind.tls else ()):
            text = re.sub(pattern, word, text, flags=re.M)
        return text
    finally:
        path.stop()
        folder.remove()


@contextlib.contextmanager
def sinks():
    """A port for each service that a kind of conversation may need."""
    folder = place.Folder("sinks")
    leaf = Authority(folder.path).issue("localhost", "127.0.0.1")
    tls = f"tls: {{offer: starttls, certificate: {leaf.certificate}, key: {leaf.key}}}"
    with relays.Sink() as sink, relays.Sink(options=["--delay", "1500"]) as slow, \
            relays.Sink(options=["--auth", LOGIN]) as login, \
            proxy.Proxy(sink.port, listener=tls) as sealed:
        yield {"plain": sink.port, "lenient": sink.port, "slow": slow.port, "login": login.port,
               "tls": sealed.port}
    folder.remove()


def rules_of(name):
    return [line for line in fault("--list", name).stdout.splitlines()
            if not line.startswith("#")]


class Command(unittest.TestCase):
    def test_lists_every_profile_with_its_rules(self):
        names = loop.profiles()
        self.assertGreater(len(names), 50)
        for name in names:
            rules = rules_of(name)
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
    """The same seed, the same transcript, for every profile and all that it acts upon. Byte for byte
    and in one order that is so on the virtual clock, where each profile's scenario is played many
    times."""

    def test_every_profile_does_the_same_again(self):
        pairs = [(name, kind) for name in loop.profiles() if name not in SLOW
                 for kind in conversations.kinds_of(name) if kind not in NOT_THE_SAME]
        with sinks() as ports, concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            def hold(pair):
                kind = dataclasses.replace(conversations.KINDS[pair[1]], farewell=True)
                return transcript(pair[0], kind, ports[kind.service])
            both = [list(pool.map(hold, pairs)) for _ in range(2)]
        for (name, kind), first, second in zip(pairs, *both):
            with self.subTest(f"{name}, {kind}"):
                self.assertIn("C open", first)
                if any(not rule.startswith("to-") for rule in rules_of(name)):
                    self.assertIn("! fault ", first)  # how bytes leave is not said one by one
                self.assertMultiLineEqual(legs(first), legs(second))


class Replaced(unittest.TestCase):
    """F-61: a box that shows a certificate of its own, as in config/replaced-certificate.yaml."""

    def setUp(self):
        self.folder = place.Folder("replaced")
        self.addCleanup(self.folder.remove)
        self.real = Authority(self.folder.path)
        self.box = Authority(self.folder.path, name="box")
        self.leaf = self.real.issue("127.0.0.1")
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.sink = stack.enter_context(relays.Sink())
        relay = stack.enter_context(proxy.Proxy(self.sink.port, listener=self.implicit(self.leaf)))
        self.path = stack.enter_context(proxy.Proxy(
            addresses=[f"smtps://127.0.0.1:{relay.port}"], relay="verify: none",
            listener="mode: fault\n" + self.implicit(self.box.issue("127.0.0.1", file="box-leaf"))))
        self.stack = stack

    @staticmethod
    def implicit(leaf):
        return f"tls: {{offer: implicit, certificate: {leaf.certificate}, key: {leaf.key}}}"

    def in_front(self, trust):
        """lockstep, which trusts so."""
        return self.stack.enter_context(proxy.Proxy(
            addresses=[f"smtps://127.0.0.1:{self.path.port}"], relay=trust))

    def test_a_client_that_looks_sees_it_and_one_that_does_not_is_heard(self):
        with wire.Conversation(self.path.port) as talk, self.assertRaises(ssl.SSLError):
            talk.secure(ssl.create_default_context(cafile=self.real.certificate), "127.0.0.1")
        with wire.Conversation(self.path.port) as talk:
            talk.secure(ssl.create_default_context(cafile=self.box.certificate), "127.0.0.1")
            self.assertEqual(talk.open().code, 250)

    def test_lockstep_says_nothing_to_it(self):
        for trust in (f"ca: {self.real.certificate}",
                      f"verify: pin\nfingerprint: [{self.leaf.fingerprint()}]"):
            with self.subTest(trust):
                lockstep = self.in_front(trust)
                with wire.Conversation(lockstep.port) as talk:
                    self.assertEqual(talk.reply().code, 421)
                place.await_true("the session in the log", lambda log=lockstep.process.log:
                                 "certificate" in log())
        self.assertEqual(self.sink.stored("one"), [])

    def test_who_does_not_look_is_heard(self):
        client = conversations.Client(conversations.KINDS["plain"])
        client.session(self.in_front("verify: none").port, [1], 20)
        self.assertEqual(client.last[:3], b"250")
        place.await_true("the message", lambda: self.sink.stored("one"))


if __name__ == "__main__":
    suite.main()
