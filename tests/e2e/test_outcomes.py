"""Whatever a relay makes of a login: what its client hears, and what the log says of it."""

import base64
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, place, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402
from support.process import Process  # noqa: E402

USER, PASSWORD = "scanner@a-rather-long.domain.test", artefacts.new_secret()
PLAIN = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())


class Relay(Polite):
    """Takes mail after 235 only. `script` is what it says to AUTH, and then to every response."""

    def __init__(self, offer, script):
        super().__init__(keywords=(f"AUTH {offer}",))
        self.script = script
        self.logged_in = False
        self.exchange = []  # what it heard

    def say(self, talk, word, text):
        if word == "AUTH":
            return self.log_in(talk, talk.heard.splitlines()[-1])
        if word == "MAIL" and not self.logged_in:
            text = b"530 5.7.0 Authentication required\r\n"
        return super().say(talk, word, text)

    def log_in(self, talk, line):
        for at, reply in enumerate(self.script):
            self.exchange.append(line)
            talk.say(reply + b"\r\n")
            self.logged_in = self.logged_in or reply.startswith(b"235")
            if not reply.startswith(b"334"):
                return reply
            line = talk.line().rstrip(b"\r\n")
            if line == b"*":
                self.exchange.append(line)
                talk.say(b"501 5.5.0 cancelled\r\n")
                return reply
        raise AssertionError(f"nothing to say to {line} after {at + 1}")


class Outcomes(unittest.TestCase):
    def deliver(self, offer, *script, relay=""):
        """The answer to MAIL of a device that knows of no login."""
        folder = place.Folder("outcomes")
        self.addCleanup(folder.remove)
        self.relay = Relay(offer, script)
        upstream = Upstream(self.relay)
        self.addCleanup(upstream.stop)
        (folder.path / "password").write_text(PASSWORD)
        (folder.path / "password").chmod(0o600)
        (folder.path / "lockstep.yaml").write_text(f"""config_version: 1
workers: 1
listeners:
  - name: main
    listen: 127.0.0.1:0
    relay: office
    routes: [{{credential: door}}]
relays:
  office: {{address: ["smtp://127.0.0.1:{upstream.port}"], allow_clear: on{relay}}}
credentials:
  door: {{user: {USER}, password_file: {folder.path}/password}}
""", encoding="ascii")
        process = Process("run", [place.lockstep(), "run", "-c", folder.path / "lockstep.yaml"],
                          folder.path)
        self.addCleanup(process.stop)
        with wire.Conversation(process.await_ready()[0]) as talk:
            talk.open()
            reply = talk.ask(b"MAIL FROM:<sender@client.test>")
        upstream.settle()
        self.log = process.out_path.read_text() + process.err_path.read_text()
        for root in (process.out_path, process.err_path):
            self.assertEqual(artefacts.found([PASSWORD], root), [])
        self.assertNotIn(PASSWORD.encode(), reply)
        return reply

    def assert_found(self, mechanism, words):
        self.assertRegex(self.log, re.escape(
            f"relay office refused credential door by {mechanism}: {words}"))

    def test_nothing_but_235_is_success(self):
        self.assertEqual(self.deliver("PLAIN", b"235 2.7.0 welcome").code, 250)
        self.assertEqual(self.relay.exchange, [b"AUTH PLAIN " + PLAIN])
        for reply, code in ((b"250 ok", 454), (b"220 hello", 454)):
            with self.subTest(reply=reply):
                self.assertEqual(self.deliver("PLAIN", reply).code, code)
                self.assert_found("PLAIN", reply.decode())
                self.assertEqual(self.relay.delivered, [])

    def test_a_relay_that_waits_for_a_message_instead_is_left(self):
        self.assertEqual(self.deliver("PLAIN", b"354 go on").code, 421)
        self.assertEqual(self.relay.delivered, [])

    def test_a_challenge_too_many_is_cancelled(self):
        self.assertEqual(self.deliver("PLAIN", b"334 ", b"334 ").code, 454)
        self.assertEqual(self.relay.exchange[-1], b"*")
        self.assert_found("PLAIN", "501 5.5.0 cancelled (the relay goes on")

    def test_scram_is_believed_only_with_proof(self):
        # A relay that takes us for somebody is left.
        self.assertEqual(self.deliver("SCRAM-SHA-256 PLAIN", b"235 2.7.0 come in").code, 421)
        self.assert_found("SCRAM-SHA-256", "235 2.7.0 come in (but it has not proven")
        self.assertEqual(self.deliver("SCRAM-SHA-1", b"334 bm9uc2Vuc2U=").code, 454)
        self.assertEqual(self.relay.exchange[-1], b"*")

    def test_refused_by_each_policy(self):
        for policy, reply, code in (
                ("retry", b"535 5.7.8 no", 454), ("retry", b"454 4.7.0 later", 454),
                ("reject", b"535 5.7.8 no", 550), ("reject", b"454 4.7.0 later", 454),
                ("pass", b"535 5.7.8 no", 530), ("close", b"535 5.7.8 no", 421)):
            with self.subTest(policy=policy, reply=reply):
                answer = self.deliver("PLAIN", reply, relay=f", auth-refused: {policy}")
                self.assertEqual(answer.code, code)
                self.assert_found("PLAIN", reply.decode())
                # The file was read once more; the same password is not tried once more.
                self.assertEqual(len(self.relay.exchange), 1)

    def test_nothing_that_can_be_used(self):
        answer = self.deliver("XOAUTH2 OAUTHBEARER")
        self.assertEqual(answer.code // 100, 4)
        self.assertEqual(self.relay.exchange, [])

    def test_a_short_line_has_the_secret_asked_for(self):
        for size, whole in ((len(b"AUTH PLAIN \r\n" + PLAIN), True),
                            (len(b"AUTH PLAIN \r\n" + PLAIN) - 1, False)):
            script = [b"235 2.7.0 ok"] if whole else [b"334 ", b"235 2.7.0 ok"]
            answer = self.deliver("PLAIN", *script, relay=f", auth-line: {size}")
            self.assertEqual(answer.code, 250)
            self.assertEqual(self.relay.exchange, [b"AUTH PLAIN " + PLAIN] if whole
                             else [b"AUTH PLAIN", PLAIN])

    def test_login_in_whatever_words(self):
        self.assertEqual(self.deliver("LOGIN", b"334 VXNlcm5hbWU6", b"334 Kennwort:",
                                      b"235 2.7.0 ok").code, 250)
        self.assertEqual(self.relay.exchange, [b"AUTH LOGIN", base64.b64encode(USER.encode()),
                                               base64.b64encode(PASSWORD.encode())])

    def test_a_relay_that_says_the_secret_back(self):
        self.deliver("PLAIN", b"535 5.7.8 not " + PASSWORD.encode())
        self.assert_found("PLAIN", "535 in words that show the credential")
        self.assertNotIn(PLAIN, self.deliver("PLAIN", b"535 5.7.8 not " + PLAIN))


if __name__ == "__main__":
    suite.main()
