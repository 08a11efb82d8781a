"""POP before SMTP (B-50): lockstep logs in to a real POP3 server before the first MAIL."""

import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, place, proxy, secure_relays, suite, wire  # noqa: E402
from support.process import Process  # noqa: E402
from support.token_endpoint import SECRET, TokenEndpoint  # noqa: E402

WRONG = artefacts.secret("wrong-7-word")


class Pop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dovecot = secure_relays.DovecotPop()
        cls.addClassCleanup(cls.dovecot.stop)
        # Who stands at the other end is vouched for by what the system trusts.
        os.environ["SSL_CERT_FILE"] = str(cls.dovecot.authority.certificate)
        cls.addClassCleanup(os.environ.pop, "SSL_CERT_FILE")

    def start(self, url, password=secure_relays.PASSWORD, oauth2=""):
        """lockstep on a route with that server; with `oauth2` the password is its client's."""
        folder = place.Folder("pop")
        self.addCleanup(folder.remove)
        secret = folder.path / "password"
        secret.write_text(password + "\n", encoding="ascii")
        secret.chmod(0o600)
        source = f"password_file: {secret}"
        if oauth2:
            source = f"oauth2: {{{oauth2}, client-secret_file: {secret}}}"
        sink = Process("sink", [place.lockstep(), "sink", "--listen", "127.0.0.1:0"], folder.path)
        self.addCleanup(sink.stop)
        running = proxy.Proxy(
            sink.await_ready()[0],
            settings=f"credentials: {{popped: {{user: {secure_relays.USER}, {source}}}}}",
            listener=f"allow: [127.0.0.1]\nroutes: [{{credential: popped, pop: \"{url}\"}}]")
        self.addCleanup(running.stop)
        self.logged_in = len(self.dovecot.logins())
        return running

    def logins(self):
        return self.dovecot.logins()[self.logged_in:]

    def mail(self, running):
        """The reply to MAIL and, after a whole message, to its end."""
        with wire.Conversation(running.port) as talk:
            talk.open()
            mail = talk.ask(b"MAIL FROM:<a@client.test>")
            if mail.code != 250:
                return mail, mail
            talk.ask(b"RCPT TO:<b@lockstep.test>")
            talk.ask(b"DATA")
            end = talk.ask(b"Subject: popped\r\n\r\nwords\r\n.")
            talk.ask(b"QUIT")
            return mail, end

    def test_logs_in_once_before_the_first_message(self):
        for url in (f"pop3s://127.0.0.1:{self.dovecot.tls_port}",
                    f"pop3://127.0.0.1:{self.dovecot.port}",
                    f"pop3+clear://127.0.0.1:{self.dovecot.port}"):
            with self.subTest(url=url):
                running = self.start(url)
                for _ in range(3):
                    mail, end = self.mail(running)
                    self.assertEqual((mail.code, end.code), (250, 250), mail)
                place.await_true("a login", self.logins)
                self.assertEqual(len(self.logins()), 1)
                last = [line for line in self.dovecot.log().splitlines()
                        if re.search(self.dovecot.login, line)][-1]
                self.assertEqual("TLS" in last, "clear" not in url, last)

    def test_an_access_token_goes_by_xoauth2(self):
        leaf = self.dovecot.authority.issue("localhost", "127.0.0.1")
        endpoint = TokenEndpoint(leaf, user=secure_relays.USER)
        self.addCleanup(endpoint.stop)
        self.dovecot.trust(endpoint)
        running = self.start(
            f"pop3s://127.0.0.1:{self.dovecot.tls_port}", SECRET,
            endpoint.yaml(self.dovecot.authority.certificate) + ", grant: client-credentials")
        mail, end = self.mail(running)
        self.assertEqual((mail.code, end.code), (250, 250), mail)
        self.assertEqual(self.logins(), ["XOAUTH2"])

    def test_a_refused_login_is_told_in_words(self):
        running = self.start(f"pop3s://127.0.0.1:{self.dovecot.tls_port}", WRONG)
        mail, _ = self.mail(running)
        self.assertNotEqual(mail.code, 250)
        self.assertIn(b"POP before SMTP", mail)
        self.assertNotIn(WRONG.encode(), mail)
        self.assertEqual(self.logins(), [])

    def assert_logged(self, mail, running, why):
        """Where the server is and what is wrong with it is no client's business."""
        self.assertEqual(mail.last, b"454 4.7.0 Not authenticated with the relay, try again later: "
                                    b"POP before SMTP: the server can't be reached: the mail "
                                    b"administrator can see why in lockstep's log")
        self.assertRegex(running.process.log(), f"POP before SMTP at (127.0.0.1|localhost):.*{why}")

    def test_nobody_there_is_a_reason_to_try_later(self):
        running = self.start(f"pop3s://127.0.0.1:{place.free_port()}")
        mail, _ = self.mail(running)
        self.assertEqual(mail.code // 100, 4, mail)
        self.assert_logged(mail, running, "connection refused")

    def test_a_server_that_nobody_vouches_for_is_not_told_the_password(self):
        os.environ["SSL_CERT_FILE"] = "/dev/null"
        self.addCleanup(os.environ.update,
                        SSL_CERT_FILE=str(self.dovecot.authority.certificate))
        for url in (f"pop3s://127.0.0.1:{self.dovecot.tls_port}",
                    f"pop3://127.0.0.1:{self.dovecot.port}"):
            with self.subTest(url=url):
                running = self.start(url)
                mail, _ = self.mail(running)
                self.assertEqual(mail.code // 100, 4, mail)
                self.assert_logged(mail, running, "certificate")
                self.assertEqual(self.logins(), [])


if __name__ == "__main__":
    suite.main()
