"""Either leg is lost at every byte of a dialogue, in either direction, properly or by reset.

The upstream counts what it stored. Whatever happens, a 250 to the client means that the message is
there; a message that is there without a 250 is allowed only when the connection was lost between
the dot's arrival and the answer to it (RFC 1047: then nobody can know, and a duplicate is better
than a loss). The client tries again until it hears 250, as a mail client does.
"""

import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402

ENVELOPE = [b"MAIL FROM:<a@client.test>\r\n", b"RCPT TO:<one@fake.test>\r\n",
            b"RCPT TO:<two@fake.test>\r\n", b"DATA\r\n"]
MESSAGE = b"Subject: lost\r\n\r\n.dot\r\nend\r\n"
CHUNKS = [b"BDAT 9\r\n" + MESSAGE[:9], b"BDAT %d LAST\r\n" % len(MESSAGE[9:]) + MESSAGE[9:]]

BODY = wire.stuffed(MESSAGE)

# How a client may say it: groups of steps, each group one write and each step one reply. The last
# reply of all is the message's.
WAYS = {
    "lock-step": [[step] for step in ENVELOPE + [BODY]],
    "pipelined": [ENVELOPE, [BODY]],
    "chunks": [[step] for step in ENVELOPE[:-1] + CHUNKS],
    "chunks at once": [ENVELOPE[:-1] + CHUNKS],
}

SECONDS = 20  # any attempt, whatever is lost; lockstep must notice at once


def attempt(port, way):
    """Sends the message as a client would; the first refusal or the answer to the message, None
    when neither came."""
    answer = None
    try:
        with wire.Conversation(port, seconds=SECONDS) as talk:
            reply = talk.reply()
            if reply.code != 220:
                return reply
            reply = talk.ask(b"EHLO client.test")
            if reply.code != 250:
                return reply
            for group in WAYS[way]:
                talk.say(b"".join(group))
                for _ in group:
                    reply = talk.reply()
                    if reply.code >= 400:
                        return reply
            answer = reply
            talk.ask(b"QUIT")
    except wire.Broken:
        pass
    return answer


class Loss(unittest.TestCase):
    """One lockstep for all positions; the fake upstream is told where to break."""

    keywords = ("8BITMIME", "ENHANCEDSTATUSCODES")
    once = False  # only one connection is lost, and what was lost with it is put to the next
    patient = 0  # how many attempts succeeded all the same

    @classmethod
    def setUpClass(cls):
        cls.relay = Polite(cls.keywords)
        cls.upstream = Upstream(cls.relay)
        cls.addClassCleanup(cls.upstream.stop)
        cls.lockstep = proxy.Proxy(cls.upstream.port, settings="repairs: {replay-envelope: "
                                   f"{'on' if cls.once else 'off'}}}")
        cls.addClassCleanup(cls.lockstep.stop)

    def setUp(self):
        self.relay.delivered.clear()
        self.upstream.budget = {}

    def tearDown(self):
        self.assertTrue(self.lockstep.process.running(), self.lockstep.process.explain())
        self.assertEqual(self.relay.violations, [])

    def whole_dialogue(self, way):
        """How many bytes the upstream hears and says when nothing is lost."""
        said = []
        original = self.relay.say

        def counted(talk, word, text):
            said.append(len(text))
            return original(talk, word, text)

        self.relay.say = counted
        try:
            self.assertEqual(attempt(self.lockstep.port, way).code, 250)
            self.upstream.settle()
        finally:
            del self.relay.say
        self.relay.delivered.clear()
        return len(self.upstream.heard[-1]), sum(said)

    def lose_upstream(self, what, way, abruptly):
        hears, says = self.whole_dialogue(way)
        unknown = 0
        for at in range(hears if what == "hears" else says):
            with self.subTest(what=what, at=at, way=way, abruptly=abruptly):
                self.relay.delivered.clear()
                self.upstream.budget = {what: at, "abruptly": abruptly, "once": self.once}
                reply = attempt(self.lockstep.port, way)
                self.upstream.settle()
                unknown += self.judge(reply)
                self.upstream.budget = {}
                self.patient += reply.code == 250
                if reply.code != 250:
                    before = len(self.relay.delivered)
                    self.assertEqual(attempt(self.lockstep.port, way).code, 250)
                    self.assertEqual(len(self.relay.delivered), before + 1)
                self.upstream.settle()
                self.assertEqual(set(self.relay.delivered), {MESSAGE})
        return unknown

    def judge(self, reply):
        """1 when the message was stored and the client can't know it."""
        count = len(self.relay.delivered)
        self.assertLessEqual(count, 1, "doubled in one attempt")
        self.assertIsNotNone(reply, "the client was left without a word")
        if reply.code == 250:
            self.assertEqual(count, 1, "a false 250")
        else:
            self.assertEqual(reply.code // 100, 4, reply)
        return 1 if count and reply.code != 250 else 0

    def test_upstream_lost_while_it_listens(self):
        for way in WAYS:
            for abruptly in (False, True):
                # The dot was never heard whole, so nothing is stored and nothing is unknown.
                self.assertEqual(self.lose_upstream("hears", way, abruptly), 0)

    def test_upstream_lost_while_it_speaks(self):
        answer = len(b"250 2.0.0 stored\r\n")
        for way in WAYS:
            for abruptly in (False, True):
                unknown = self.lose_upstream("says", way, abruptly)
                # At most while the answer to the dot was on its way.
                self.assertLessEqual(unknown, answer)
                self.assertGreater(unknown, 0)

    def test_client_lost_at_every_byte(self):
        for way, groups in WAYS.items():
            whole = b"EHLO client.test\r\n" + b"".join(sum(groups, [])) + b"QUIT\r\n"
            finished = len(whole) - len(b"QUIT\r\n")
            for abruptly in (False, True):
                for at in range(len(whole) + 1):
                    with self.subTest(way=way, at=at, abruptly=abruptly):
                        self.relay.delivered.clear()
                        self.lose_client(whole[:at], abruptly)
                        count = len(self.relay.delivered)
                        self.assertLessEqual(count, 1 if at >= finished else 0)
                        if at >= finished and not abruptly:
                            self.assertEqual(count, 1, "a finished message was dropped")

    def lose_client(self, text, abruptly):
        """Says this much at once and is gone, or is silent but still reads."""
        talk = wire.Conversation(self.lockstep.port, seconds=SECONDS)
        talk.reply()
        talk.say(text)
        if abruptly:
            talk.reset()
        else:
            talk.finish_sending()
            talk.rest()
            talk.close()
        self.await_quiet()

    def await_quiet(self):
        """Until the upstream's side of the session has ended."""
        end = time.monotonic() + SECONDS
        while self.upstream.ends and time.monotonic() < end:
            time.sleep(0.001)
        self.upstream.settle()


class LossAtAPipeliningRelay(Loss):
    keywords = ("8BITMIME", "PIPELINING", "SIZE 1000000")


class LossOfOneConnection(Loss):
    once = True

    def lose_upstream(self, what, way, abruptly):
        self.patient = 0
        unknown = super().lose_upstream(what, way, abruptly)
        # Whatever is lost before the message, and so at least the envelope.
        self.assertGreater(self.patient, len(b"".join(ENVELOPE[:-1])))
        return unknown


class LossWithinTheMessage(unittest.TestCase):
    """The upstream is lost at every byte of a message whose dot the client has not said yet: the
    message is there in the end, once and to the byte, and the client hears nothing but 250."""

    def lose_at(self, relay, upstream, port, hears, abruptly):
        relay.delivered.clear()
        upstream.heard.clear()
        upstream.budget = {"hears": hears, "abruptly": abruptly, "once": True}
        with wire.Conversation(port, seconds=SECONDS) as talk:
            talk.open()
            for line in ENVELOPE:
                self.assertIn(talk.ask(line.rstrip()).code, (250, 354))
            talk.say(BODY[:-len(b"\r\n.\r\n")])
            # Only the next one's coming shows that the loss was noticed: a dot that is said before
            # goes to a relay that may have had it.
            place.await_true("the next connection", lambda: len(upstream.threads) == 2)
            talk.say(BODY[-len(b"\r\n.\r\n"):])
            self.assertEqual(talk.reply().code, 250)
            self.assertEqual(talk.ask(b"QUIT").code, 221)
        upstream.settle()
        self.assertEqual(relay.delivered, [MESSAGE])
        self.assertEqual(len(upstream.heard), 2)
        self.assertEqual(relay.violations, [])

    def test_at_every_byte(self):
        for keywords in (("8BITMIME",), ("8BITMIME", "PIPELINING")):
            relay = Polite(keywords)
            with Upstream(relay) as upstream, proxy.Proxy(upstream.port) as lockstep:
                self.assertEqual(attempt(lockstep.port, "lock-step").code, 250)
                upstream.settle()
                begins = upstream.heard[-1].index(b"DATA\r\n") + len(b"DATA\r\n")
                for at in range(len(BODY) - len(b"\r\n.\r\n") + 1):
                    for abruptly in (False, True):
                        with self.subTest(keywords=keywords, at=at, abruptly=abruptly):
                            self.lose_at(relay, upstream, lockstep.port, begins + at, abruptly)


class LossOfOneConnectionAtAPipeliningRelay(LossOfOneConnection):
    keywords = ("8BITMIME", "PIPELINING", "SIZE 1000000")


if __name__ == "__main__":
    suite.main()
