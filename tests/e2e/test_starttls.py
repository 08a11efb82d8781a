"""STARTTLS on the path of others: passed and not read, ended here with a certificate made for the
name the client asks for, or hidden. The record says which it was."""

import contextlib
import pathlib
import smtplib
import ssl
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, relays, secure_relays, suite  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.secure_relays import NAME, PASSWORD, SENDER, USER  # noqa: E402

RECIPIENT = f"one@{relays.DOMAIN}"


def setUpModule():
    global folder, relay
    folder = place.Folder("starttls")
    unittest.addModuleCleanup(folder.remove)
    relay = secure_relays.Postfix()
    unittest.addModuleCleanup(relay.stop)


class Client(smtplib.SMTP):
    """Checks the certificate for `name`, wherever it connected to; None: for that address."""

    def __init__(self, port, name):
        super().__init__("127.0.0.1", port, local_hostname="client.test", timeout=20)
        self._host = name or "127.0.0.1"


class Path(unittest.TestCase):
    number = 0

    def serve(self, listener, relay_words="", scheme="smtp"):
        self.lockstep = proxy.Proxy(addresses=[f"{scheme}://127.0.0.1:{relay.port}"],
                                    listener=listener, relay=relay_words, transcripts=True)
        self.addCleanup(self.lockstep.stop)

    def send(self, trusts, name):
        """A client that takes TLS, logs in and sends; the certificate that it was shown."""
        Path.number += 1
        context = ssl.create_default_context(cafile=trusts)
        with Client(self.lockstep.port, name) as client:
            client.starttls(context=context)
            client.ehlo()
            shown = client.sock.getpeercert()
            client.login(USER, PASSWORD)
            client.sendmail(SENDER, [RECIPIENT],
                            b"%s %d\r\nSubject: path\r\n\r\nwords\r\n" % (relays.MARK, self.number))
        place.await_true("the message", lambda: (self.number, True) in relay.arrived("one"))
        return shown

    def transcript(self):
        return place.await_true("a transcript of the whole session", self.ended_transcript)

    def ended_transcript(self):
        for path in (self.lockstep.folder.path / "transcripts").glob("*.smtp"):
            text = path.read_text(encoding="utf-8", errors="replace")
            if "! end " in text:
                return text
        return None

    def names(self, certificate):
        return [value for _, value in certificate["subjectAltName"]]


class Spliced(Path):
    def test_the_relay_itself_is_spoken_to(self):
        self.serve("tls: {offer: pass}")
        shown = self.send(relay.authority.certificate, NAME)
        self.assertIn(NAME, self.names(shown))  # the relay's own certificate
        text = self.transcript()
        self.assertIn("! opaque why=starttls", text)
        # What nobody read is counted, each way.
        self.assertRegex(text, r"C> ~ \d+ bytes")
        self.assertRegex(text, r"C< ~ \d+ bytes")
        self.assertNotIn("> AUTH", text)
        self.assertNotIn("! end relay-lost", text)  # whoever of the two closed first

    def test_before_it_everything_is_put_right(self):
        self.serve("tls: {offer: pass}")
        with contextlib.closing(Client(self.lockstep.port, NAME)) as client:
            client.ehlo()
            self.assertEqual(client.docmd("STARTTLS", "now")[0], 501)  # Postfix's own answer
            self.assertEqual(client.docmd("MAIL", f"FROM: <{SENDER}>")[0], 250)
            client.quit()
        self.assertIn("! repair path-syntax", self.transcript())


class EndedHere(Path):
    def terminate(self, name, key="ec"):
        authority = Authority(folder.path, name=f"authority-{key}", key=key)
        self.serve(f"tls: {{authority: {authority.certificate}, authority-key: {authority.key}}}",
                   f"ca: {relay.authority.certificate}\nserver-name: {NAME}", "starttls")
        return self.send(authority.certificate, name)

    def test_a_certificate_for_the_name_that_is_asked_for(self):
        shown = self.terminate("mail.provider.test")
        self.assertEqual(self.names(shown), ["mail.provider.test"])
        text = self.transcript()
        self.assertIn("C secured TLS", text)
        self.assertIn("U secured TLS", text)
        self.assertIn(f"U> MAIL FROM:<{SENDER}>", text)

    def test_one_for_the_address_where_no_name_is(self):
        self.assertEqual(self.names(self.terminate(None)), ["127.0.0.1"])

    def test_rsa_for_those_who_know_nothing_newer(self):
        self.assertEqual(self.names(self.terminate("old.provider.test", "rsa")),
                         ["old.provider.test"])

    def test_an_authority_that_is_none(self):
        leaf = relay.leaf
        with self.assertRaises(RuntimeError) as refused:
            self.serve(f"tls: {{authority: {leaf.certificate}, authority-key: {leaf.key}}}")
        self.assertIn("can't issue certificates: it is no certificate of an authority (CA:TRUE)",
                      str(refused.exception))


class Hidden(Path):
    def test_starttls_is_not_there(self):
        self.serve("tls: {offer: none}")
        with Client(self.lockstep.port, NAME) as client:
            client.ehlo()
            self.assertFalse(client.has_extn("starttls"))
            self.assertEqual(client.docmd("STARTTLS")[0], 502)
        text = self.transcript()
        self.assertRegex(text, r"U< 250[- ]STARTTLS")
        self.assertNotRegex(text, r"C< 250[- ]STARTTLS")


if __name__ == "__main__":
    suite.main()
