"""Rates: messages beyond them are held and not refused, in their order, by all workers together.

The relay counts for itself, over each of the times that its limit speaks of, and says 421 to what
is too much.
"""

import collections
import json
import pathlib
import re
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite, wire  # noqa: E402
from support.fake import Lost, Polite, Upstream  # noqa: E402

BODY = b"Subject: %d\r\n\r\nwords\r\n.\r\n"


class Limited(Polite):
    """Takes `limit` messages in any `seconds`, and says 421 to more, or what `refusal` says."""

    def __init__(self, limit, seconds, refusal=b"421 4.7.0 Too many messages, try again later\r\n"):
        super().__init__(("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"))
        self.limit = limit
        self.seconds = seconds
        self.refusal = refusal
        self.lock = threading.Lock()
        self.lately = collections.deque()
        self.most = 0
        self.refused = 0
        self.connections = 0
        self.most_connections = 0

    def __call__(self, talk):
        with self.lock:
            self.connections += 1
            self.most_connections = max(self.most_connections, self.connections)
        try:
            super().__call__(talk)
        finally:
            with self.lock:
                self.connections -= 1

    def allows(self):
        with self.lock:
            now = time.monotonic()
            while self.lately and self.lately[0] <= now - self.seconds:
                self.lately.popleft()
            if len(self.lately) == self.limit:
                self.refused += 1
                return False
            self.lately.append(now)
            self.most = max(self.most, len(self.lately))
            return True

    def say(self, talk, word, text):
        if word == "MAIL" and not self.allows():
            talk.say(self.refusal)
            if self.refusal.startswith(b"421"):
                raise Lost
            return self.refusal
        return super().say(talk, word, text)


def send(talk, number, recipients=1, ways=(b"<one@fake.test>",)):
    """One message; the first refusal, or the answer to its end."""
    for line in (b"MAIL FROM:<a@client.test>\r\n",
                 *(b"RCPT TO:%s\r\n" % ways[0] for _ in range(recipients)), b"DATA\r\n"):
        reply = talk.ask(line.strip())
        if reply.code >= 400:
            return reply
    talk.say(BODY % number)
    return talk.reply()


class Crowd:
    """So many clients at once, each with a session and messages of its own."""

    def __init__(self, port, clients, each):
        self.replies = []
        self.errors = []
        self.threads = [threading.Thread(target=self.client, args=(port, at * each, each))
                        for at in range(clients)]
        for thread in self.threads:
            thread.start()

    def client(self, port, first, count):
        try:
            with wire.Conversation(port, seconds=120) as talk:
                talk.open()
                self.replies += [send(talk, first + at) for at in range(count)]
                talk.ask(b"QUIT")
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(error)

    def wait(self):
        for thread in self.threads:
            thread.join(180)
        return self.replies


def sessions_of(lockstep):
    return [json.loads(line) for line in lockstep.process.log().splitlines()
            if '"event":"session"' in line]


class Pacing(unittest.TestCase):
    def upstream(self, relay):
        upstream = Upstream(relay)
        self.addCleanup(upstream.stop)
        return upstream

    def lockstep(self, upstream, **words):
        lockstep = proxy.Proxy(upstream.port, **words)
        self.addCleanup(lockstep.stop)
        return lockstep

    def talk(self, lockstep):
        talk = wire.Conversation(lockstep.port, seconds=30)
        self.addCleanup(talk.close)
        talk.open()
        return talk

    def test_six_times_the_rate_is_held_and_none_is_refused(self):
        relay = Limited(100, 10)
        upstream = self.upstream(relay)
        lockstep = self.lockstep(upstream, workers=2, relay="rates: {messages: 100/10s}",
                                 settings='admin: {listen: "127.0.0.1:0"}')
        began = time.monotonic()
        crowd = Crowd(lockstep.port, clients=100, each=6)
        place.await_true("somebody to wait", lambda: self.metric(lockstep, "waiting") > 0)
        replies = crowd.wait()
        took = time.monotonic() - began
        self.assertEqual(crowd.errors, [])
        self.assertEqual(collections.Counter(reply.code for reply in replies), {250: 600})
        self.assertEqual(collections.Counter(relay.delivered),
                         {(BODY % number).removesuffix(b".\r\n"): 1 for number in range(600)})
        self.assertEqual(relay.refused, 0)
        self.assertLessEqual(relay.most, 100)
        self.assertGreater(took, 50)  # five whole times, or the relay's limit was not the reason
        self.assertLess(took, 75)
        self.assertGreater(self.metric(lockstep, "held_total"), 400)
        self.assertEqual(self.metric(lockstep, "waiting"), 0)
        place.await_true("all lines of the log", lambda: len(sessions_of(lockstep)) == 100)
        self.assertTrue(any(line.get("held_ms", 0) > 5000 for line in sessions_of(lockstep)))

    def metric(self, lockstep, name):
        text = lockstep.ask("/metrics")[1]
        found = re.search(rf'^lockstep_pace_{name}\{{relay="relay"\}} (\d+)$', text, re.MULTILINE)
        return int(found.group(1)) if found else 0

    def test_a_message_is_held_no_longer_than_its_client_waits(self):
        upstream = self.upstream(Polite())
        lockstep = self.lockstep(upstream, relay="rates: {messages: 1/1h}",
                                 settings="timeouts: {pace: 500ms}")
        talk = self.talk(lockstep)
        self.assertEqual(send(talk, 1).code, 250)
        reply = send(talk, 2)
        self.assertRegex(reply.decode(), r"^451 4\.4\.5 Too much mail at a time: the relay takes "
                         r"more in about 3[5-7]\d\d s\r\n$")
        self.assertEqual(talk.ask(b"QUIT").code, 221)
        self.assertEqual(len(upstream.handler.delivered), 1)

    def test_each_client_has_a_rate_of_its_own(self):
        upstream = self.upstream(Polite())
        lockstep = self.lockstep(upstream, listener="rates: {messages: 1/1h}",
                                 settings="timeouts: {pace: 300ms}")
        talk, other = self.talk(lockstep), self.talk(lockstep)
        self.assertEqual(send(talk, 1).code, 250)
        reply = send(other, 2)
        self.assertTrue(reply.startswith(b"451 4.4.5 Too much mail at a time: this client may"),
                        reply)

    def test_recipients_and_bytes_are_paid_for_afterwards(self):
        for rate, recipients in (("recipients: 2/2s", 5), ("bytes: 20/2s", 1)):
            with self.subTest(rate=rate):
                upstream = self.upstream(Polite())
                lockstep = self.lockstep(upstream, relay=f"rates: {{{rate}}}")
                talk = self.talk(lockstep)
                began = time.monotonic()
                self.assertEqual(send(talk, 1, recipients).code, 250)
                self.assertLess(time.monotonic() - began, 1.5)
                self.assertEqual(send(talk, 2).code, 250)
                self.assertGreater(time.monotonic() - began, 2)

    def test_who_leaves_makes_room(self):
        upstream = self.upstream(Polite())
        lockstep = self.lockstep(upstream, relay="rates: {messages: 1/2s}",
                                 settings='admin: {listen: "127.0.0.1:0"}')
        first, second, third = (self.talk(lockstep) for _ in range(3))
        self.assertEqual(send(first, 1).code, 250)
        second.say(b"MAIL FROM:<b@client.test>\r\n")
        place.await_true("it to wait", lambda: self.metric(lockstep, "waiting") == 1)
        second.close()
        place.await_true("it to have left", lambda: self.metric(lockstep, "waiting") == 0)
        began = time.monotonic()
        self.assertEqual(send(third, 3).code, 250)
        self.assertLess(time.monotonic() - began, 2.6)

    def test_stopping_ends_those_that_are_held(self):
        upstream = self.upstream(Polite())
        lockstep = self.lockstep(upstream, relay="rates: {messages: 1/1h}")
        talk = self.talk(lockstep)
        self.assertEqual(send(talk, 1).code, 250)
        talk.say(b"MAIL FROM:<b@client.test>\r\n")
        lockstep.drain()
        self.assertEqual(talk.reply().code, 421)
        place.await_true("the end", lambda: not lockstep.process.running())

    def test_a_rate_outlives_a_new_configuration(self):
        upstream = self.upstream(Polite())
        lockstep = self.lockstep(upstream, relay="rates: {messages: 1/1h}",
                                 settings="timeouts: {pace: 300ms}")
        talk = self.talk(lockstep)
        self.assertEqual(send(talk, 1).code, 250)
        self.reload(lockstep, "1/1h", "1/2h")
        self.assertEqual(send(self.talk(lockstep), 2).code, 451)
        self.reload(lockstep, "1/2h", "2/1h")
        self.assertEqual(send(self.talk(lockstep), 3).code, 250)

    def reload(self, lockstep, old, new):
        file = lockstep.folder.path / "lockstep.yaml"
        text = file.read_text(encoding="ascii")
        self.assertIn(old, text)
        file.write_text(text.replace(old, new), encoding="ascii")
        before = lockstep.process.log().count("was read again")
        lockstep.process.child.send_signal(1)
        place.await_true("the new configuration",
                         lambda: lockstep.process.log().count("was read again") > before)

    def test_a_relay_says_that_its_rate_is_lower(self):
        for code in (b"421 4.7.0 Rate limit exceeded\r\n", b"450 4.7.1 Error: too much mail\r\n"):
            with self.subTest(code=code):
                relay = Limited(1, 3, code)
                lockstep = self.lockstep(self.upstream(relay), relay="rates: {messages: 100/1m}")
                talk = self.talk(lockstep)
                self.assertEqual(send(talk, 1).code, 250)
                self.assertEqual(send(talk, 2).code, 250)
                self.assertEqual(relay.refused, 1)

    def test_no_more_connections_than_there_may_be(self):
        relay = Limited(10 ** 6, 1)
        lockstep = self.lockstep(self.upstream(relay), workers=2, relay="sessions: 3")
        crowd = Crowd(lockstep.port, clients=30, each=2)
        self.assertEqual([reply.code for reply in crowd.wait()], [250] * 60)
        self.assertEqual(crowd.errors, [])
        self.assertLessEqual(relay.most_connections, 3)

    def test_no_place_in_time(self):
        lockstep = self.lockstep(self.upstream(Polite()), relay="sessions: 1",
                                 settings="timeouts: {pace: 300ms}")
        self.talk(lockstep)
        with wire.Conversation(lockstep.port) as late:
            self.assertTrue(late.reply().startswith(b"421 4.4.1 "))


if __name__ == "__main__":
    suite.main()
