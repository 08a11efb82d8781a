"""The sink by itself: real clients deliver into its Maildir, and it is as strict as it says."""

import pathlib
import smtplib
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, suite, wire  # noqa: E402
from support.pipelining_client import send  # noqa: E402
from support.process import Process  # noqa: E402

TRACE = b"Return-Path: <a@client.test>\r\nX-Envelope-To: <b@sink.test>\r\n"
MESSAGE = b"\r\n".join([b"Subject: dots", b"", b".", b"..", b".x", b"", b"x" * 998, b"caf\xc3\xa9",
                        b"From y", b""])


class Sink:
    """`lockstep sink` with these options and a Maildir of its own."""

    def __init__(self, *options):
        self.folder = place.Folder("sink")
        self.maildir = self.folder.path / "mail"
        self.process = Process("sink", [place.lockstep(), "sink", "--listen", "127.0.0.1:0",
                                        "--maildir", self.maildir, *options], self.folder.path)
        self.port = self.process.await_ready()[0]

    def files(self):
        return sorted((self.maildir / "new").glob("*"))

    def stop(self):
        status = self.process.stop()
        return status, self.process.log()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.process.explain())
        self.stop()
        self.folder.remove()


def swaks(port, *options):
    return subprocess.run(["swaks", "--server", f"127.0.0.1:{port}", "--from", "a@client.test",
                           "--to", "b@sink.test", *options], capture_output=True, timeout=60,
                          check=False, text=True)


class Delivery(unittest.TestCase):
    """What was accepted is in the Maildir, byte for byte."""

    def test_smtplib_delivers_every_byte(self):
        with Sink() as sink:
            with smtplib.SMTP("127.0.0.1", sink.port, timeout=20) as client:
                client.sendmail("a@client.test", ["b@sink.test"], MESSAGE, ["BODY=8BITMIME"])
                code, reply = client.docmd("NOOP")
            self.assertEqual((code, reply), (250, b"2.0.0 Ok"))
            stored, = sink.files()
            self.assertEqual(stored.read_bytes(), TRACE + MESSAGE)
            self.assertEqual(stat.S_IMODE(stored.stat().st_mode), 0o600)
            self.assertEqual(list((sink.maildir / "tmp").glob("*")), [])
            status, log = sink.stop()
            self.assertEqual(status, 0)
            self.assertIn("1 sessions, 1 messages, 1 recipients, 0 violations", log)

    def test_the_reply_names_the_file(self):
        with Sink() as sink, wire.Conversation(sink.port) as talk:
            talk.open()
            for line in (b"MAIL FROM:<a@client.test>", b"RCPT TO:<b@sink.test>"):
                self.assertEqual(talk.ask(line).code, 250)
            talk.say(b"BDAT 6 LAST\r\n.\n\0\r\n.")
            reply = talk.reply()
            stored, = sink.files()
            self.assertEqual(reply.strip(), b"250 2.0.0 Ok: queued as " + stored.name.encode())
            self.assertEqual(stored.read_bytes(), TRACE + b".\n\0\r\n.")

    def test_swaks_delivers_in_one_write_and_in_many(self):
        with Sink() as sink:
            for options in ([], ["--pipeline"]):
                done = swaks(sink.port, *options)
                self.assertEqual(done.returncode, 0, done.stdout)
            self.assertEqual(len(sink.files()), 2)

    def test_a_lost_client_leaves_nothing(self):
        with Sink() as sink:
            with wire.Conversation(sink.port) as talk:
                talk.open()
                talk.say(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n")
                self.assertEqual([talk.reply().code for _ in range(3)], [250, 250, 354])
                talk.say(b"half a message\r\n")
                tmp = sink.maildir / "tmp"
                place.await_true("a file begun", lambda: list(tmp.glob("*")))
            place.await_true("the file gone", lambda: not list(tmp.glob("*")))
            self.assertEqual(sink.files(), [])

    def test_what_cannot_be_stored_is_refused_for_now(self):
        with Sink() as sink, wire.Conversation(sink.port) as talk:
            talk.open()
            sink.maildir.joinpath("new").rmdir()
            self.assertFalse(send(talk, b"a@client.test", [b"b@sink.test"], MESSAGE))
            self.assertEqual(list((sink.maildir / "tmp").glob("*")), [])
            self.assertEqual(talk.ask(b"NOOP").code, 250)


class Strictness(unittest.TestCase):
    """Early talk is refused with the words of the server it stands for."""

    def test_a_pipelining_client_is_refused(self):
        # Exim minds only what stands behind RCPT, until it has taken a message.
        for options, answers in (
                (["--no-pipelining"], [b"500 5.5.1 Invalid command: Pipelining not supported"]),
                (["--no-pipelining=exim"], [b"250 2.1.0 Ok", b"554 SMTP synchronization error"]),
                (["--personality=opensmtpd"],
                 [b"500 5.5.1 Invalid command: Pipelining not supported"]),
                (["--no-pipelining", "--personality=exim"],
                 [b"250 OK", b"554 SMTP synchronization error"])):
            with self.subTest(options=options), Sink(*options) as sink:
                done = swaks(sink.port, "--pipeline")
                self.assertEqual(done.returncode, 0, done.stdout)  # it was not offered
                self.assertEqual(len(sink.files()), 1)
                with wire.Conversation(sink.port) as talk:
                    talk.open()
                    talk.say(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n")
                    for answer in answers:
                        self.assertEqual(talk.reply().strip(), answer)
                    with self.assertRaises(wire.Broken):
                        talk.reply()
                self.assertEqual(len(sink.files()), 1)
                self.assertIn(f" {len(answers)} violations", sink.stop()[1])

    def test_a_later_read_is_early_too(self):
        with Sink("--no-pipelining", "--delay", "200") as sink:
            with wire.Conversation(sink.port) as talk:
                talk.open()
                talk.say(b"MAIL FROM:<a@client.test>\r\n")
                talk.say(b"RCPT")
                self.assertEqual(talk.reply().code, 500)

    def test_a_delay_is_waited_for(self):
        with Sink("--no-pipelining", "--delay", "20") as sink:
            self.assertEqual(swaks(sink.port).returncode, 0)
            self.assertIn(" 0 violations", sink.stop()[1])


class Options(unittest.TestCase):
    """What the command line says is what the sink does."""

    def test_recipients_are_rejected_by_pattern(self):
        with Sink("--reject", "*@sink.test=451 4.7.1 Later") as sink:
            done = swaks(sink.port)
            self.assertIn("451 4.7.1 Later", done.stdout)
            self.assertEqual(sink.files(), [])

    def test_recipients_are_rejected_in_its_own_words(self):
        with Sink("--reject", "*@sink.test", "--personality", "sendmail") as sink:
            self.assertIn("550 5.1.1 <b@sink.test>... User unknown", swaks(sink.port).stdout)

    def test_options_change_a_personality_in_any_order(self):
        with Sink("--hide", "DSN", "--size", "7", "--personality", "postfix", "--offer",
                  "BINARYMIME") as sink, wire.Conversation(sink.port) as talk:
            greeting = talk.open()
        self.assertIn(b"250-SIZE 7\r\n", greeting)
        self.assertIn(b"250 BINARYMIME\r\n", greeting)
        self.assertNotIn(b"DSN", greeting)

    def test_what_is_stored_is_named_in_its_own_words(self):
        with Sink("--personality", "exim") as sink:
            said = swaks(sink.port).stdout
            stored, = sink.files()
            self.assertIn(f"250 OK id={stored.name}", said)

    def test_authentication(self):
        with Sink("--auth", "user:word") as sink:
            self.assertIn("530 5.7.0", swaks(sink.port).stdout)
            login = ["--auth-user", "user", "--auth-password"]
            for mechanism in ("PLAIN", "LOGIN"):
                done = swaks(sink.port, "--auth", mechanism, *login, "word")
                self.assertEqual(done.returncode, 0, done.stdout)
            self.assertIn("535 5.7.8", swaks(sink.port, "--auth", "PLAIN", *login, "no").stdout)
            self.assertEqual(len(sink.files()), 2)

    def test_offers_and_limits(self):
        with Sink("--hide", "DSN", "--offer", "deliverby", "--size", "100",
                  "--hostname", "h.test") as sink:
            with wire.Conversation(sink.port) as talk:
                greeting = talk.open()
                self.assertEqual(talk.ask(b"MAIL FROM:<> SIZE=101").code, 552)
            self.assertTrue(greeting.startswith(b"250-h.test\r\n"), greeting)
            self.assertIn(b"250-SIZE 100\r\n", greeting)
            self.assertIn(b"DELIVERBY", greeting)
            self.assertNotIn(b"DSN", greeting)

    def test_it_ends_after_so_many_messages(self):
        with Sink("--max-messages", "2") as sink:
            for _ in range(2):
                self.assertTrue(sink.process.running())
                self.assertEqual(swaks(sink.port).returncode, 0)
            self.assertEqual(sink.process.child.wait(10), 0)

    def test_nonsense_is_refused_before_it_starts(self):
        for option in ("--listen=x:1", "--listen=127.0.0.1", "--hide=X", "--offer=STARTTLS",
                       "--delay=x", "--reject=", "--reject=*@x=", "--reject=*@x=250 yes", "--auth=user",
                       "--no-pipelining=qmail", "--personality=sendmial",
                       "--list=x", "--hostname=a b", "--what"):
            done = subprocess.run([place.lockstep(), "sink", option], capture_output=True,
                                  timeout=10, check=False)
            self.assertEqual(done.returncode, 64, option)
            self.assertTrue(done.stderr, option)


class Embedded(unittest.TestCase):
    """`lockstep run` without a relay has a sink behind it."""

    def test_run_without_a_relay_accepts(self):
        folder = place.Folder("embedded")
        self.addCleanup(folder.remove)
        run = Process("run", [place.lockstep(), "run", "--listen", "127.0.0.1:0"], folder.path)
        self.addCleanup(run.stop)
        port, = run.await_ready()
        done = swaks(port, "--pipeline")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("no relay is named", run.log())
        self.assertEqual(run.stop(), 0, run.explain())


if __name__ == "__main__":
    suite.main()
