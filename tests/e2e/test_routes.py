"""Where sessions come in and where they go: addresses, families, workers, and both modes."""

import pathlib
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402

ENVELOPE = b"MAIL FROM:<a@client.test>\r\nRCPT TO:<one@fake.test>\r\nDATA\r\n"
MESSAGE = b"Subject: routes\r\n\r\nwords\r\n"


class Watching(Polite):
    """Also notes what had come already before each of its answers."""

    def __init__(self):
        super().__init__()
        self.ahead = []

    def say(self, talk, word, text):
        self.ahead.append(talk.ahead())
        return super().say(talk, word, text)


class Routes(unittest.TestCase):
    def setUp(self):
        self.relay = Watching()
        self.upstream = Upstream(self.relay)
        self.addCleanup(self.upstream.stop)

    def start(self, port=None, **facts):
        lockstep = proxy.Proxy(port or self.upstream.port, **facts)
        self.addCleanup(lockstep.stop)
        return lockstep

    def assert_delivers(self, port, host="127.0.0.1"):
        self.relay.delivered.clear()
        with wire.Conversation(port, host) as talk:
            talk.open()
            talk.say(ENVELOPE)
            self.assertEqual([talk.reply().code for _ in range(3)], [250, 250, 354])
            talk.say(wire.stuffed(MESSAGE))
            self.assertEqual(talk.reply().code, 250)
            self.assertEqual(talk.ask(b"QUIT").code, 221)
        self.assertEqual(self.relay.delivered, [MESSAGE])

    def test_addresses_are_tried_in_turn(self):
        dead = place.free_port()
        lockstep = self.start(addresses=[f"smtp://127.0.0.1:{dead}", f"smtp://[::1]:{dead}",
                                         f"smtp://127.0.0.1:{self.upstream.port}"])
        self.assert_delivers(lockstep.port)

    def test_an_address_by_name(self):
        self.assert_delivers(self.start(
            addresses=[f"smtp://localhost:{self.upstream.port}"]).port)

    def test_a_name_nobody_has(self):
        lockstep = self.start(addresses=["smtp://nobody.invalid:25"])
        with wire.Conversation(lockstep.port) as talk:
            reply = talk.reply()
            if reply.code == 220:
                reply = talk.ask(b"EHLO client.test")
            self.assertTrue(reply.startswith(b"421 4.4.1"), reply)

    @unittest.skipUnless(socket.has_ipv6, "no IPv6")
    def test_both_families(self):
        lockstep = self.start(listen='["127.0.0.1:0", "[::1]:0"]')
        first, second = lockstep.ports
        self.assert_delivers(first)
        self.assert_delivers(second, "::1")

    def test_two_workers(self):
        lockstep = self.start(workers=2)
        for _ in range(50):
            self.assert_delivers(lockstep.port)

    def test_a_batch_leaves_whole_unless_the_relay_must_not_get_it(self):
        self.relay.keywords = ("PIPELINING", "8BITMIME")
        for pipelining, ahead in (("auto", ENVELOPE.partition(b"\r\n")[2]), ("never", b"")):
            with self.subTest(pipelining=pipelining):
                self.relay.ahead.clear()
                self.assert_delivers(self.start(relay=f"pipelining: {pipelining}").port)
                # What had come before MAIL was answered.
                self.assertEqual(self.relay.ahead[2], ahead)

    def test_observe_changes_no_byte(self):
        lockstep = self.start(listener="mode: observe")
        said = (b"ehlo  Client.Test \r\n" + ENVELOPE.replace(b"RCPT", b"rcpt") +
                wire.stuffed(MESSAGE) + b"NONSENSE\r\nQUIT\r\n")
        replies = []
        with wire.Conversation(lockstep.port) as talk:
            for line in said.split(b"\r\n")[:4]:
                replies.append(talk.reply())
                talk.say(line + b"\r\n")
            replies.append(talk.reply())
            talk.say(wire.stuffed(MESSAGE))
            replies.append(talk.reply())
            replies.append(talk.ask(b"NONSENSE"))
            replies.append(talk.ask(b"QUIT"))
        self.upstream.settle()
        self.assertEqual(self.upstream.heard, [said])
        self.assertEqual(b"".join(replies), b"".join(self.relay.said))
        self.assertNotIn(b"PIPELINING", b"".join(replies))


if __name__ == "__main__":
    suite.main()
