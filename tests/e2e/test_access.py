"""Who may connect, and who may send: by network, and by the certificate that the client shows."""

import json
import pathlib
import ssl
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402

ADMIN = 'admin: {listen: "127.0.0.1:0"}'


class Access(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = place.Folder("access")
        cls.addClassCleanup(cls.folder.remove)
        cls.authority = Authority(cls.folder.path)
        cls.server = cls.authority.issue("localhost", "127.0.0.1")
        cls.upstream = Upstream(Polite())
        cls.addClassCleanup(cls.upstream.stop)

    def lockstep(self, listener):
        lockstep = proxy.Proxy(self.upstream.port, settings=ADMIN, listener=listener)
        self.addCleanup(lockstep.stop)
        return lockstep

    def context(self, name=None):
        """A client's, which shows a certificate of that name, or none."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if name is not None:
            leaf = self.authority.issue(name, client=True, file=name)
            context.load_cert_chain(leaf.certificate, leaf.key)
        return context

    def refusals(self, lockstep, why, count):
        lines = [json.loads(line) for line in lockstep.process.log().splitlines()
                 if '"event":"refused"' in line]
        self.assertEqual({line["why"] for line in lines}, {why})
        self.assertIn(f'lockstep_clients_refused_total{{listener="main",why="{why}"}} {count}\n',
                      lockstep.ask("/metrics")[1])

    def test_deny_wins_over_allow(self):
        lockstep = self.lockstep("allow: [127.0.0.0/8]\ndeny: [127.0.0.1, 192.0.2.0/24]")
        with wire.Conversation(lockstep.port) as talk:
            reply = talk.reply()
            self.assertTrue(reply.startswith(b"554 5.7.1 "), reply)
            self.assertEqual(talk.rest(), b"")
        self.refusals(lockstep, "denied", 1)

    def test_who_is_not_denied_is_served(self):
        lockstep = self.lockstep("deny: [192.0.2.0/24]")
        with wire.Conversation(lockstep.port) as talk:
            talk.open()
            self.assertEqual(talk.ask(b"MAIL FROM:<a@client.test>").code, 250)

    def secured(self, offer):
        return self.lockstep(f"""certificates: [scanner-*.test]
tls: {{offer: {offer}, certificate: {self.server.certificate}, key: {self.server.key},
      client-ca: {self.authority.certificate}, client-certificate: ask}}""")

    def talk(self, lockstep, context, offer):
        talk = wire.Conversation(lockstep.port)
        self.addCleanup(talk.close)
        if offer == "starttls":
            talk.open()
            self.assertEqual(talk.ask(b"MAIL FROM:<a@client.test>"),
                             b"530 5.7.0 Must issue a STARTTLS command first\r\n")
            self.assertEqual(talk.ask(b"STARTTLS").code, 220)
            talk.secure(context, "localhost")
            self.assertEqual(talk.ask(b"EHLO client.test").code, 250)
        else:
            talk.secure(context, "localhost")
            talk.open()
        return talk

    def test_only_certain_certificates_may_send(self):
        for offer in ("starttls", "implicit"):
            with self.subTest(offer=offer):
                lockstep = self.secured(offer)
                for name in ("printer.test", None):
                    talk = self.talk(lockstep, self.context(name), offer)
                    for command in (b"MAIL FROM:<a@client.test>", b"AUTH PLAIN AGEAYg=="):
                        reply = talk.ask(command)
                        self.assertTrue(reply.startswith(b"550 5.7.1 Only clients"), reply)
                    self.assertEqual(talk.ask(b"QUIT").code, 221)
                talk = self.talk(lockstep, self.context("scanner-7.test"), offer)
                self.assertEqual(talk.ask(b"MAIL FROM:<a@client.test>").code, 250)
                self.assertEqual(talk.ask(b"QUIT").code, 221)
                self.refusals(lockstep, "certificate", 2)


if __name__ == "__main__":
    suite.main()
