"""`lockstep sink --personality` talks like the real server: each dialogue is held with both, and
every line of every answer is compared. What a server was seen to say is what its personality says,
also where the wire catalogue has it otherwise; those places are named in the personality's file."""

import base64
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import dialogues, place, relays, secure_relays, suite, wire  # noqa: E402
from support.process import Process  # noqa: E402
from support.relays import DOMAIN  # noqa: E402

# What must differ: dates, names of messages, what a server finds in the DNS.
NORMAL = tuple((re.compile(pattern), text) for pattern, text in (
    (rb"\w{3}, \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d ([+]0000|GMT)", b"DATE"),
    (rb"(queued as |id=|stored \(|ready \()[0-9A-Za-z.-]{6,}", rb"\1ID"),
    (rb"^(250 2\.0\.0) \S+ Message", rb"\1 ID Message"),
    (rb"(Hello|proxy|attack) .+? \[127", rb"\1 HOST [127"),
    (rb"<one@relay\.", b"<one@"),  # Sendmail, to VRFY
    (rb"chunk, total \d+", b"chunk, total N"),  # Exim counts one too many from the second chunk on
))


class Postfix(relays.Postfix):
    """As it comes, but in no hurry to slow anybody down."""

    limits = "smtpd_error_sleep_time = 0"


# The servers that can be had, and the longest message that they are configured for.
SERVERS = {"postfix": (Postfix, 10240000), "exim": (relays.Exim, 314572800),
           "sendmail": (relays.Sendmail, 314572800), "opensmtpd": (relays.OpenSmtpd, 314572800),
           "haraka": (relays.Haraka, 314572800)}
GOLDEN = ("qmail", "exchange", "hmailserver", "msmail")
CHUNKING = ("postfix", "exim", "exchange")

# Where a server does what no sink should, and what that is.
UNLIKE = {
    "postfix": {"bare cr": "to it a CR inside a line is white space"},
    "sendmail": {"bare cr": "the same", "nul": "a line ends at its NUL",
                 "eight bit verb": "it takes the eighth bit off",
                 "eight bit address": "the same",
                 "many noops": "it answers ever later", "many hellos": "the same",
                 "many vrfys": "the same"},
    "opensmtpd": {"rcpt syntax 5": "it takes its own domain for the one that is missing"},
}
# Exim reads on for chunks when it has said 221 or answered RSET, and says nothing any more.
ENDLESS = {"exim": ("R13", "R13 refused")}


def normal(reply):
    for pattern, text in NORMAL:
        reply = pattern.sub(text, reply)
    return reply.decode("latin-1")


class Sink:
    def __init__(self, personality, *options):
        self.folder = place.Folder("sink")
        self.process = Process("sink", [
            place.lockstep(), "sink", "--listen", "127.0.0.1:0", "--personality", personality,
            "--hostname", f"relay.{DOMAIN}", "--reject", f"nosuch*@{DOMAIN}",
            "--reject", f"no such@{DOMAIN}", *options],
            self.folder.path)
        self.port = self.process.await_ready()[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()
        self.folder.remove()


def held(port, steps, ends=True, context=None):
    """The steps with their normal answers, and what came at last."""
    with wire.Conversation(port, seconds=30) as talk:
        if context:
            talk.secure(context, secure_relays.NAME)
        heard = dialogues.hold(talk, steps, ends)
    return ([(step, list(map(normal, answers))) for step, answers in heard.steps],
            normal(heard.rest))


def rows_of(server):
    chunks = dialogues.CHUNKS if server in CHUNKING else dialogues.NO_CHUNKS
    return {**dialogues.ROWS, **chunks}


def in_short(steps):
    """What a row of the table shows: what came behind the first answer to EHLO, of which only one
    line is shown."""
    said = [answer.splitlines()[0] if step.startswith(b"EHLO") else "|".join(answer.splitlines())
            for step, answers in steps[1:] for answer in answers]
    return " / ".join(said[1:] if steps[1][0][:4] in (b"EHLO", b"HELO") else said)


class Compared(unittest.TestCase):
    """Every dialogue, with the server and with the sink that plays it."""

    table = {}  # row: {server: answers}

    def compare(self, server):
        relay, size_bytes = SERVERS[server]
        talks = {**rows_of(server), **dialogues.EVENTS}
        unlike = UNLIKE.get(server, {})
        self.assertLessEqual(set(unlike), set(talks))
        with relay() as real, Sink(server, "--size", str(size_bytes)) as sink:
            for name, steps in talks.items():
                if name in unlike:
                    continue
                ends = name not in ENDLESS.get(server, ())
                with self.subTest(server=server, dialogue=name):
                    wanted = held(real.port, steps, ends)
                    self.assertEqual(held(sink.port, steps, ends), wanted)
                    if name in rows_of(server):
                        self.table.setdefault(name, {})[server] = in_short(wanted[0])

    def test_postfix(self):
        self.compare("postfix")

    def test_exim(self):
        self.compare("exim")

    def test_sendmail(self):
        self.compare("sendmail")

    def test_opensmtpd(self):
        self.compare("opensmtpd")

    def test_haraka(self):
        self.compare("haraka")


class Logins(unittest.TestCase):
    """The same for AUTH, of servers that take logins; OpenSMTPD takes them over TLS only."""

    def compare(self, relay, server, unlike=()):
        with relay() as real:
            user, word = secure_relays.USER, secure_relays.PASSWORD
            port = real.port if real.clear else real.tls_port
            talks = dialogues.logins(user.encode(), word.encode())
            self.assertLessEqual(set(unlike), set(talks))
            with Sink(server, "--auth", f"{user}:{word}") as sink:
                for name, steps in talks.items():
                    if name in unlike:
                        continue
                    with self.subTest(server=server, dialogue=name):
                        context = None if real.clear else real.context()
                        wanted = self.without_hello(held(port, steps, context=context))
                        self.assertEqual(self.without_hello(held(sink.port, steps)), wanted)
                        if name in ("R8", "R9", "R17"):
                            Compared.table.setdefault(f"{name} auth", {})[server] = in_short([(b"", []), *wanted])

    @staticmethod
    def without_hello(heard):
        """They offer STARTTLS, and more mechanisms."""
        return [(step, answers) for step, answers in heard[0]
                if not step.upper().startswith(b"EHLO")]

    # Who may send without a login is told in words of the configuration.
    CONFIGURED = ("R17", "R17 ehlo")
    # The sink asks for the login at MAIL, these relays later; and they answer ever later.
    LATER = ("R8", "many wrong")

    def test_postfix(self):
        self.compare(secure_relays.Postfix, "postfix", self.CONFIGURED)

    def test_exim(self):
        self.compare(secure_relays.Exim, "exim", self.CONFIGURED)

    def test_sendmail(self):
        self.compare(secure_relays.Sendmail, "sendmail", (*self.CONFIGURED, *self.LATER))

    def test_opensmtpd(self):
        self.compare(secure_relays.OpenSmtpd, "opensmtpd")

    def test_haraka(self):  # which knows commands in the middle of an exchange
        self.compare(secure_relays.Haraka, "haraka",
                     (*self.CONFIGURED, *self.LATER, "base64", "cancelled"))


class Secured(unittest.TestCase):
    """R7, which no sink meets: MAIL and AUTH behind STARTTLS, without a new EHLO."""

    ANSWERS = {
        secure_relays.Postfix: ("250 2.1.0 Ok", "503 5.5.1 Error: MAIL transaction in progress"),
        secure_relays.Exim: ("503 HELO or EHLO required",
                             "503 AUTH command used when not advertised"),
        secure_relays.OpenSmtpd: 2 * ("503 5.5.1 Invalid command: Command not allowed at this "
                                      "point.",),
        secure_relays.Sendmail: ("250 2.1.0 <a@client.test>... Sender ok",
                                 "503 5.5.0 AUTH not permitted during a mail transaction"),
        secure_relays.Haraka: ("503 Use EHLO/HELO before MAIL", "504 Invalid AUTH string"),
    }

    def test_what_needs_a_new_hello(self):
        for relay, answers in self.ANSWERS.items():
            with self.subTest(relay=relay.name), relay() as real:
                with wire.Conversation(real.port) as talk:
                    talk.open()
                    self.assertEqual(talk.ask(b"STARTTLS").code, 220)
                    talk.secure(real.context(), secure_relays.NAME)
                    got = tuple(talk.ask(line).strip().decode()
                                for line in (dialogues.MAIL, b"AUTH PLAIN AA=="))
                self.assertEqual(got, answers)
                Compared.table.setdefault("R7", {})[relay.name] = " / ".join(got)


class Golden(unittest.TestCase):
    """Those that nobody has only fill their part of the table; their words are in a unit test."""

    def test_they_hold_every_dialogue(self):
        for server in GOLDEN:
            with self.subTest(server=server), Sink(server) as sink:
                for name, steps in {**rows_of(server), **dialogues.EVENTS}.items():
                    heard, _ = held(sink.port, steps)
                    self.assertTrue(heard[0][1][0].startswith("220 "), name)
                    if name in rows_of(server):
                        Compared.table.setdefault(name, {})[server] = in_short(heard)


class Listed(unittest.TestCase):
    def test_the_list_and_the_option_agree(self):
        said, offered = (subprocess.run([place.lockstep(), "sink", option], capture_output=True,
                                        text=True, check=True, timeout=10).stdout
                         for option in ("--list", "--help"))
        names = re.findall(r"^(\w+) +\S.*$", said, flags=re.M)
        self.assertEqual(names, ["strict", *SERVERS, *GOLDEN])
        self.assertIn(" or ".join((", ".join(names[:-1]), names[-1])),
                      re.sub(r"\s+", " ", offered))


def tearDownModule():
    for row, servers in sorted(Compared.table.items()):
        print(row)
        for server, answers in servers.items():
            print(f"    {server:15}{answers}")


if __name__ == "__main__":
    suite.main()
