"""Relays that die, refuse and lose commands before a message's dot has gone: the client hears what
a healthy relay would have said, and one message is stored, for all of its recipients.
"""

import contextlib
import itertools
import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, relays, suite, wire  # noqa: E402
from support.fake import Lost, Polite, Upstream  # noqa: E402

RECIPIENTS = [f"{user}@{relays.DOMAIN}".encode() for user in relays.USERS]
ENVELOPE = [b"MAIL FROM:<a@client.test>", *(b"RCPT TO:<%s>" % name for name in RECIPIENTS),
            b"DATA"]
MESSAGE = b"\r\n".join([
    relays.MARK + b" 1", b"From: <a@client.test>", b"To: <one@lockstep.test>",
    b"Date: Thu, 01 Jan 2026 00:00:00 +0000", b"Message-ID: <1@client.test>", b"Subject: replay",
    b"", b".words", b""])

# The commands of a session, and which one of its kind it is.
STEPS = [("EHLO", 1), ("MAIL", 1), ("RCPT", 1), ("RCPT", 2), ("DATA", 1)]

# Four more tries are 1 + 2 + 4 seconds apart; the rest is for a busy machine.
GIVEN_UP_SECONDS = 30


class Relay(Polite):
    """Keeps the order of commands as relays do, and does to each step what `faults` says, once.

    faults: {(word, nth): [what to do when it comes, in turn]}, of "fin", "rst", "swallow", or a
    reply to be said before it ends the connection. Over all connections, "nth" within one.
    """

    def __init__(self, faults=(), pipelines=True, idles=()):
        super().__init__(("PIPELINING",) if pipelines else ())
        self.faults = {step: list(deeds) for step, deeds in dict(faults).items()}
        self.idles = list(idles)  # (word, deed): what it does when it has answered that
        self.stored = []          # (recipients, message)
        self.connections = 0
        self.grouped = []         # for each connection: did commands come together?
        self.down = False

    def __call__(self, talk):
        talk.number = self.connections
        self.connections += 1
        self.grouped.append(False)
        talk.seen = {}
        talk.recipients = None
        if self.down:
            raise Lost
        super().__call__(talk)

    def say(self, talk, word, text):
        talk.seen[word] = talk.seen.get(word, 0) + 1
        deeds = self.faults.get((word, talk.seen[word]))
        if deeds and self.do(talk, deeds.pop(0)):
            return b""
        if word in ("MAIL", "RCPT", "DATA") and talk.ahead():
            self.grouped[talk.number] = True
        super().say(talk, word, self.order(talk, word, text))
        if self.idles and self.idles[0][0] == word:
            self.do(talk, self.idles.pop(0)[1])
        return self.said[-1]

    def do(self, talk, deed):
        if deed == "swallow":
            return True
        if deed == "down":
            self.down = True
        talk.abruptly = deed == "rst"
        if isinstance(deed, bytes):
            talk.say(deed)
        raise Lost

    def order(self, talk, word, text):
        if word == "MAIL" and text.startswith(b"250"):
            talk.recipients = []
        elif word == "RCPT" and talk.recipients is None:
            return b"503 5.5.1 Error: need MAIL command\r\n"
        elif word == "RCPT":
            talk.recipients.append(talk.line_heard.split(b"<")[1].split(b">")[0])
        elif word == "DATA" and not talk.recipients:
            return b"503 5.5.1 Error: need RCPT command\r\n"
        return text

    def other(self, talk, line):
        talk.line_heard = line
        return super().other(talk, line)

    def body(self, talk):
        if deeds := self.faults.get(("TEXT", 1)):
            assert talk.line() == MESSAGE.partition(b"\n")[0] + b"\n"
            self.do(talk, deeds.pop(0))
        text = super().body(talk)
        self.stored.append((talk.recipients, text))
        talk.recipients = None
        return text


def one_by_one(talk):
    replies = []
    for line in ENVELOPE:
        replies.append(talk.ask(line))
        if replies[-1].code == 421:
            break
    return replies


def in_one_write(talk):
    replies = []
    talk.say(b"".join(line + b"\r\n" for line in ENVELOPE))
    for _ in ENVELOPE:
        replies.append(talk.reply())
        if replies[-1].code == 421:
            break
    return replies


WAYS = (one_by_one, in_one_write)


def session(port, way, messages=1):
    """All replies of a session that sends the message so often."""
    with wire.Conversation(port, seconds=60) as talk:
        replies = [talk.reply(), talk.ask(b"EHLO client.test")]
        for _ in range(messages):
            replies += way(talk)
            if replies[-1].code != 354:
                break
            talk.say(wire.stuffed(MESSAGE))
            replies.append(talk.reply())
        if replies[-1].code != 421:
            replies.append(talk.ask(b"QUIT"))
        return replies


def session_in_parts(port, *upstreams):
    """The same with one message, whose end is said when every upstream has ended a connection."""
    with wire.Conversation(port, seconds=60) as talk:
        replies = [talk.reply(), talk.ask(b"EHLO client.test"), *one_by_one(talk)]
        half = MESSAGE.index(b"From:")
        talk.say(MESSAGE[:half + 4])
        for upstream in upstreams:
            place.await_true("the relay to die", lambda upstream=upstream: upstream.heard)
        talk.say(wire.stuffed(MESSAGE)[half + 4:])
        return [*replies, talk.reply(), talk.ask(b"QUIT")]


class Healed(unittest.TestCase):
    """What the tests with a made relay have in common."""

    @classmethod
    def setUpClass(cls):
        # What a client hears through lockstep of a relay without faults, by the relay's keywords.
        cls.healthy = {}
        for pipelines, messages in itertools.product((False, True), (1, 2)):
            with Upstream(Relay(pipelines=pipelines)) as upstream, \
                    proxy.Proxy(upstream.port) as lockstep:
                heard = session(lockstep.port, one_by_one, messages)
                cls.healthy[pipelines, messages] = heard
                assert [reply.code for reply in heard] == [
                    220, 250, *[250, 250, 250, 354, 250] * messages, 221], heard

    def upstream(self, relay):
        upstream = Upstream(relay)
        self.addCleanup(upstream.stop)
        return upstream

    @contextlib.contextmanager
    def lockstep(self, *upstreams, settings="", ports=()):
        ports = ports or [upstream.port for upstream in upstreams]
        with proxy.Proxy(addresses=[f"smtp://127.0.0.1:{port}" for port in ports],
                         settings=settings) as lockstep:
            yield lockstep

    def assert_healed(self, relay, heard, messages=1, pipelines=True):
        self.assertEqual(heard, self.healthy[pipelines, messages])
        self.assertEqual(relay.stored, [(RECIPIENTS, MESSAGE)] * messages)

    def assert_used(self, relay):
        """The fault has happened: else the test would show nothing."""
        self.assertFalse(any(relay.faults.values()) or relay.idles, "the fault never came")


class Replay(Healed):
    def test_dies_at_each_command(self):
        for step, deed, way, pipelines in itertools.product(STEPS, ("fin", "rst"), WAYS,
                                                            (False, True)):
            with self.subTest(step=step, deed=deed, way=way.__name__, pipelines=pipelines):
                relay = Relay({step: [deed]}, pipelines)
                with self.lockstep(self.upstream(relay)) as lockstep:
                    heard = session(lockstep.port, way)
                self.assert_used(relay)
                self.assert_healed(relay, heard, pipelines=pipelines)
                self.assertEqual(relay.connections, 2)

    def test_dies_at_the_same_command_again(self):
        for step, way in zip(STEPS[1:], itertools.cycle(WAYS)):
            with self.subTest(step=step):
                relay = Relay({step: ["fin", "rst"]})
                with self.lockstep(self.upstream(relay)) as lockstep:
                    heard = session(lockstep.port, way)
                self.assert_used(relay)
                self.assert_healed(relay, heard)
                self.assertEqual(relay.connections, 3)

    def test_dies_within_the_message(self):
        for deed, pipelines in itertools.product(("fin", "rst", b"421 4.3.2 going down\r\n"),
                                                 (False, True)):
            with self.subTest(deed=deed, pipelines=pipelines):
                relay = Relay({("TEXT", 1): [deed]}, pipelines)
                upstream = self.upstream(relay)
                with self.lockstep(upstream) as lockstep:
                    heard = session_in_parts(lockstep.port, upstream)
                self.assert_used(relay)
                self.assert_healed(relay, heard, pipelines=pipelines)
                self.assertEqual(relay.connections, 2)

    def test_dies_within_the_message_at_both_addresses(self):
        first, second = Relay({("TEXT", 1): ["fin"]}), Relay({("TEXT", 1): ["rst"]})
        upstreams = self.upstream(first), self.upstream(second)
        with self.lockstep(*upstreams) as lockstep:
            heard = session_in_parts(lockstep.port, *upstreams)
        self.assertEqual((first.connections, second.connections), (2, 1))
        self.assertEqual(second.stored, [])
        self.assert_healed(first, heard)

    def test_refuses_the_message_when_it_is_put_again(self):
        for refusal in (b"452 4.3.1 no space\r\n", b"554 5.7.1 enough\r\n"):
            with self.subTest(refusal=refusal):
                first, second = Relay({("TEXT", 1): ["rst"]}), Relay()
                second.replies["DATA"] = refusal
                upstreams = self.upstream(first), self.upstream(second)
                with self.lockstep(*upstreams) as lockstep:
                    heard = session_in_parts(lockstep.port, upstreams[0])
                self.assertEqual(heard[:-2], self.healthy[True, 1][:-2])
                self.assertEqual(heard[-2], refusal)
                self.assertEqual(heard[-1].code, 221)
                self.assertEqual(first.stored + second.stored, [])

    def test_goes_to_the_next_address(self):
        busy = b"421 4.3.2 too busy\r\n"
        for step in [("GREETING", 1), *STEPS]:
            for deed in (busy, "rst"):
                with self.subTest(step=step, deed=deed):
                    first, second = Relay({step: [deed] * 9}), Relay()
                    with self.lockstep(self.upstream(first), self.upstream(second)) as lockstep:
                        heard = session(lockstep.port, in_one_write)
                    self.assertEqual(first.connections, 1)
                    self.assert_healed(second, heard)
                    self.assertEqual(first.stored, [])

    def test_goes_past_an_address_where_nobody_is(self):
        relay = Relay()
        ports = [place.free_port(), self.upstream(relay).port]
        with self.lockstep(ports=ports) as lockstep:
            self.assert_healed(relay, session(lockstep.port, in_one_write))

    def test_command_is_swallowed(self):
        """The batch comes to the relay without one of its commands (F-36)."""
        for step in STEPS[1:]:
            with self.subTest(step=step):
                relay = Relay({step: ["swallow"]})
                # DATA is the last of the batch, so only time tells that it is missing.
                with self.lockstep(self.upstream(relay),
                                   settings="timeouts: {group: 1s, data: 1s}") as lockstep:
                    heard = session(lockstep.port, in_one_write)
                self.assert_used(relay)
                self.assert_healed(relay, heard)

    def test_idle_session_is_ended(self):
        timed_out = b"421 4.4.2 fake.test Error: timeout exceeded\r\n"
        for word, deed, way in itertools.product(("EHLO", "END"), ("fin", "rst", timed_out), WAYS):
            with self.subTest(word=word, deed=deed, way=way.__name__):
                relay = Relay(idles=[(word, deed)])
                with self.lockstep(self.upstream(relay)) as lockstep:
                    heard = session(lockstep.port, way, messages=2)
                self.assert_used(relay)
                self.assert_healed(relay, heard, messages=2)

    def test_down_for_ever(self):
        """At MAIL nobody is there any more, or nobody who speaks: the client hears so in time."""
        mute, gone = Relay({("MAIL", 1): ["down"]}), Relay()
        heard, took = {}, {}
        with Upstream(gone) as vanishing:
            def vanish(talk):
                vanishing.stop()
                vanishing.stop = lambda: None
                return in_one_write(talk)

            def run(name, lockstep, way):
                began = time.monotonic()
                heard[name] = session(lockstep.port, way)
                took[name] = time.monotonic() - began

            with self.lockstep(self.upstream(mute)) as first, self.lockstep(vanishing) as second:
                threads = [threading.Thread(target=run, args=given) for given in
                           (("mute", first, in_one_write), ("gone", second, vanish))]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(60)
        for name, relay in (("mute", mute), ("gone", gone)):
            with self.subTest(name):
                self.assertEqual(heard[name][:2], self.healthy[True, 1][:2])
                self.assertTrue(heard[name][2].startswith(b"421 4.4."), heard[name])
                self.assertLess(took[name], GIVEN_UP_SECONDS)
                self.assertEqual(relay.stored, [])
        self.assertIn(mute.connections, range(2, 10))


class Learnt(Healed):
    """What a damaged batch has taught is used by the next sessions, until it is forgotten."""

    def spoil(self, relay, lockstep):
        """A first session that loses a command; its batch came whole, its replay did not."""
        heard = session(lockstep.port, in_one_write)
        self.assert_used(relay)
        self.assertEqual(heard, self.healthy[True, 1])
        self.assertEqual(relay.grouped, [True, False])

    def test_next_session_goes_in_lock_step(self):
        relay = Relay({("MAIL", 1): ["swallow"]})
        with self.lockstep(self.upstream(relay)) as lockstep:
            self.spoil(relay, lockstep)
            for _ in range(3):
                self.assertEqual(session(lockstep.port, in_one_write), self.healthy[True, 1])
            self.assertEqual(relay.grouped, [True] + [False] * 4)
            self.assertEqual(relay.stored, [(RECIPIENTS, MESSAGE)] * 4)

    def test_is_forgotten(self):
        relay = Relay({("MAIL", 1): ["swallow"]})
        with self.lockstep(self.upstream(relay), settings="timeouts: {learnt: 1s}") as lockstep:
            self.spoil(relay, lockstep)

            def grouped_again():
                session(lockstep.port, in_one_write)
                return relay.grouped[-1]
            place.await_true("the path to be forgotten", grouped_again)

    def test_healthy_relay_teaches_nothing(self):
        relay = Relay()
        with self.lockstep(self.upstream(relay)) as lockstep:
            for _ in range(3):
                session(lockstep.port, in_one_write)
        self.assertEqual(relay.grouped, [True] * 3)


class RealRelay(unittest.TestCase):
    """Postfix, which is ended in the middle of an envelope and comes back."""

    def setUp(self):
        self.relay = relays.Postfix()
        self.addCleanup(self.relay.stop)
        self.lockstep = proxy.Proxy(self.relay.port)
        self.addCleanup(self.lockstep.stop)

    def send(self, at, meanwhile):
        """One message, with meanwhile(talk, line) instead of saying line number `at` plainly."""
        with wire.Conversation(self.lockstep.port, seconds=60) as talk:
            talk.open()
            for number, line in enumerate(ENVELOPE):
                reply = meanwhile(talk, line) if number == at else talk.ask(line)
                self.assertIn(reply.code, (250, 354), self.lockstep.process.log())
            talk.say(wire.stuffed(MESSAGE))
            self.assertEqual(talk.reply().code, 250)
            self.assertEqual(talk.ask(b"QUIT").code, 221)
        for user in relays.USERS:
            place.await_true("the relay to store", lambda user=user: self.relay.files(user))
            self.assertEqual(self.relay.stored(user), [MESSAGE])
        self.relay.forget()

    def restarted(self, talk, line):
        self.relay.end()
        self.relay.begin()
        return talk.ask(line)

    def awaited(self, talk, line):
        self.relay.end()
        talk.say(line + b"\r\n")
        self.relay.begin()
        return talk.reply()

    def test_restarted_within_an_envelope(self):
        for at, line in enumerate(ENVELOPE):
            with self.subTest(before=line):
                self.send(at, self.restarted)

    def test_restarted_within_a_message(self):
        with wire.Conversation(self.lockstep.port, seconds=60) as talk:
            talk.open()
            for line in ENVELOPE:
                self.assertIn(talk.ask(line).code, (250, 354), self.lockstep.process.log())
            half = len(MESSAGE) // 2
            talk.say(MESSAGE[:half])
            self.relay.end()
            self.relay.begin()
            talk.say(wire.stuffed(MESSAGE)[half:])
            self.assertEqual(talk.reply().code, 250, self.lockstep.process.log())
            self.assertEqual(talk.ask(b"QUIT").code, 221)
        for user in relays.USERS:
            place.await_true("the relay to store", lambda user=user: self.relay.files(user))
            self.assertEqual(self.relay.stored(user), [MESSAGE])
        self.relay.forget()

    def test_comes_back_when_it_was_asked_already(self):
        self.send(len(ENVELOPE) - 1, self.awaited)


if __name__ == "__main__":
    suite.main()
