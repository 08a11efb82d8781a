"""Clients that are broken in one way each, as they are met: programs, scripts, smtplib subclasses.

Each sends `message` to `recipients` and tells how many copies of it each recipient was promised,
as far as it listened.
"""

import base64
import collections
import re
import smtplib
import subprocess

from support import packages, wire

SENDER = "sender@client.test"
NOBODY = "nobody@lockstep.test"  # a user that no relay knows

NOOPS = 15  # more than Exim takes
PHP_PIPELINES = """<?php
$relay = fsockopen("127.0.0.1", (int) $argv[1]);
$lines = "EHLO client.test\\r\\nMAIL FROM:<%s>\\r\\n";
foreach (array_slice($argv, 2) as $recipient) $lines .= "RCPT TO:<$recipient>\\r\\n";
fwrite($relay, $lines . "DATA\\r\\n" . stream_get_contents(STDIN) . "QUIT\\r\\n");
while (!feof($relay)) echo fgets($relay);
""" % SENDER
# It takes the first line of each reply for all of it, so it is ahead of the relay from EHLO on.
PHP_BARE_PATHS = """<?php
$relay = fsockopen("127.0.0.1", (int) $argv[1]);
function say($relay, $line) { fwrite($relay, $line . "\\r\\n"); echo fgets($relay, 512); }
echo fgets($relay, 512);
say($relay, "HELO client.test");
say($relay, "MAIL FROM: %s");
foreach (array_slice($argv, 2) as $recipient) say($relay, "RCPT TO: $recipient");
say($relay, "DATA");
fwrite($relay, stream_get_contents(STDIN));
echo fgets($relay, 512);
say($relay, "QUIT");
""" % SENDER
BASH = """exec 3<>"/dev/tcp/127.0.0.1/$1"
cat >&3
cat <&3
"""


class Faulty:
    """`mends` are the repairs it needs, `copies` what each recipient must have in the end."""

    def __init__(self, name, run, mends=(), copies=1):
        self.name = name
        self.run = run  # run(port, message, recipients, folder, patience) -> {recipient: copies}
        self.mends = mends
        self.copies = copies


# --- programs and scripts ---

def _heard(replies, recipients):
    """What replies promise: a message for each 250 behind a 354."""
    finals = [line[:3] for line in replies.splitlines() if line[3:4] != b"-"]
    copies = sum(1 for one, two in zip(finals, finals[1:]) if (one, two) == (b"354", b"250"))
    return {name: copies for name in recipients}


def _program(argv, patience, given=b""):
    """What it has heard when it ends, or when nobody waits for it any more."""
    try:
        return subprocess.run([str(word) for word in argv], input=given, capture_output=True,
                              timeout=patience, check=False).stdout
    except subprocess.TimeoutExpired as late:
        return late.stdout or b""


def _whole_session(message, recipients, end=b"\r\n"):
    lines = [b"EHLO client.test", b"MAIL FROM:<%s>" % SENDER.encode(),
             *(b"RCPT TO:<%s>" % name.encode() for name in recipients), b"DATA"]
    return (b"".join(line + b"\r\n" for line in lines) + wire.stuffed(message) +
            b"QUIT\r\n").replace(b"\r\n", end)


def _netcat(end=b"\r\n"):
    def run(port, message, recipients, _folder, patience):
        heard = _program([packages.program("nc.openbsd"), "-N", "127.0.0.1", port], patience,
                         _whole_session(message, recipients, end))
        return _heard(heard, recipients)
    return run


def _bash(port, message, recipients, _folder, patience):
    heard = _program([packages.program("bash"), "-c", BASH, "bash", port], patience,
                     _whole_session(message, recipients))
    return _heard(heard, recipients)


def _php(script):
    def run(port, message, recipients, _folder, patience):
        heard = _program([packages.program("php"), "-n", "-r", script.removeprefix("<?php"), "--",
                          port, *recipients], patience, wire.stuffed(message))
        return _heard(heard, recipients)
    return run


def _swaks(*options, to=None, text=lambda message: message.removesuffix(b"\r\n")):
    def run(port, message, recipients, folder, patience):
        path = folder / "message"
        path.write_bytes(text(message))
        named = [to(name) for name in recipients] if to else recipients
        heard = _program([packages.program("swaks"), "--server", "127.0.0.1", "--port", port,
                          "--from", SENDER, "--to", ",".join(named), "--helo", "client.test",
                          "--timeout", patience, "--data", f"@{path}", *options], patience)
        replies = re.findall(rb"(?m)^<(?:-|\*\*) +(.*)$", heard)
        return _heard(b"\n".join(replies), recipients)
    return run


# --- smtplib and what people make of it ---

class Client(smtplib.SMTP):
    """Does everything right; each of those below does one thing wrong."""

    def __init__(self, port, patience):
        super().__init__("127.0.0.1", port, "client.test", timeout=patience)
        self.taken = []
        self.promised = collections.Counter()

    def hello(self):
        self.ehlo("client.test")

    def sender(self):
        self.docmd("MAIL", f"FROM:<{SENDER}>")

    def recipient(self, name):
        return self.docmd("RCPT", f"TO:<{name}>")

    def envelope(self, recipients):
        self.sender()
        self.taken = [name for name in recipients if self.recipient(name)[0] == 250]

    def text(self, message):
        self.putcmd("DATA")
        if self.getreply()[0] == 354:
            self.send(wire.stuffed(message))
            if self.getreply()[0] == 250:
                self.promised.update(self.taken)

    def go(self, message, recipients):
        self.hello()
        self.envelope(recipients)
        self.text(message)
        self.quit()


def smtplib_client(kind):
    def run(port, message, recipients, _folder, patience):
        client = None
        try:
            client = kind(port, patience)
            client.go(message, recipients)
        except (smtplib.SMTPException, OSError):
            pass
        finally:
            if client is not None:
                client.close()
        return client.promised if client is not None else {}
    return run


class SaysHelo(Client):
    def hello(self):
        self.helo("client.test")


class UsesExtensionsAfterHelo(SaysHelo):
    def sender(self):
        self.docmd("MAIL", f"FROM:<{SENDER}> SIZE=2000 BODY=7BIT")


class DoesNotGreet(Client):
    def hello(self):
        pass


class GreetsWithoutName(Client):
    def hello(self):
        self.docmd("EHLO")


class GreetsWithJunk(Client):
    def hello(self):
        self.docmd("EHLO", "Ricoh_MP (null)")


class GreetsAgain(Client):
    def envelope(self, recipients):
        super().envelope(recipients)
        self.hello()
        super().envelope(recipients)


class ReadsOneLine(Client):
    """Takes each line for a reply: behind EHLO it runs ahead and sees 250 wherever it looks."""

    def getreply(self):
        if self.file is None:
            self.file = self.sock.makefile("rb")
        line = self.file.readline()
        if not line:
            raise smtplib.SMTPServerDisconnected
        self.heard = getattr(self, "heard", b"") + line
        return int(line[:3]), line[4:]

    def text(self, message):
        self.docmd("DATA")
        self.send(wire.stuffed(message))

    def quit(self):
        self.putcmd("QUIT")
        try:
            while True:
                self.getreply()
        except smtplib.SMTPServerDisconnected:
            self.promised.update(_heard(self.heard, self.taken))


class SpeaksBlanks(Client):
    def sender(self):
        self.docmd("MAIL", f"FROM: <{SENDER}> ")

    def recipient(self, name):
        return self.docmd("RCPT", f"TO : <{name}>")


class SpeaksNoBrackets(Client):
    def sender(self):
        self.docmd("mail", f"from:{SENDER}")

    def recipient(self, name):
        return self.docmd("rcpt", f"to:{name}")


class SpeaksRoutes(Client):
    def recipient(self, name):
        return self.docmd("RCPT", f"TO:<@gone.test,@old.test:{name}>")


class TrailsBlanks(Client):
    def putcmd(self, cmd, args=""):
        super().putcmd(cmd, f"{args} \t")


class TrailsDots(Client):
    def recipient(self, name):
        return self.docmd("RCPT", f"TO:<{name}.>")


class QuotesAddresses(Client):
    def recipient(self, name):
        return self.docmd("RCPT", f"TO:<'{name}'>")


class BeginsWithNoise(Client):
    def hello(self):
        self.send(b"\xff\xfb\x03\xff\xfd\x01")
        super().hello()


class ForgetsReset(Client):
    """Its first envelope fails, and it begins the next without RSET."""

    def envelope(self, recipients):
        super().envelope([NOBODY])
        super().envelope(recipients)


class ForgetsSender(Client):
    def sender(self):
        pass


class KeepsAlive(Client):
    def envelope(self, recipients):
        for _ in range(NOOPS):
            self.noop()
        super().envelope(recipients)


class ResetsOften(Client):
    def envelope(self, recipients):
        for _ in range(NOOPS):
            self.rset()
        super().envelope(recipients)


class ForgetsQuit(Client):
    def quit(self):
        pass


class ForgetsCarriageReturn(Client):
    """In commands and message; only the end of it is right."""

    end = b"\r\n.\r\n"

    def putcmd(self, cmd, args=""):
        self.send(f"{cmd} {args}".strip().encode() + b"\n")

    def text(self, message):
        self.putcmd("DATA")
        if self.getreply()[0] == 354:
            self.send(wire.stuffed(message).removesuffix(b"\r\n.\r\n").replace(b"\r\n", b"\n") +
                      self.end)
            if self.getreply()[0] == 250:
                self.promised.update(self.taken)


class KnowsNoCarriageReturn(ForgetsCarriageReturn):
    end = b"\n.\n"


class IgnoresRefusals(Client):
    """Nobody takes its message, and it is sent all the same."""

    def envelope(self, recipients):
        super().envelope([NOBODY])

    def text(self, message):
        self.docmd("DATA")
        self.send(wire.stuffed(message))
        self.getreply()


def upgraded(context, client):
    """Client with STARTTLS, which forgets that EHLO belongs behind it."""
    class ForgetsGreeting(client):
        def hello(self):
            super().hello()
            if self.docmd("STARTTLS")[0] == 220:
                self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
                self.file = None
    return ForgetsGreeting


def logging_in(user, password, client=Client):
    """Says AUTH as System.Net.Mail.SmtpClient does: in lower case, the name on the same line."""
    class LogsIn(client):
        def envelope(self, recipients):
            code, _ = self.docmd("AUTH", "login " + base64.b64encode(user.encode()).decode())
            if code == 334:
                self.docmd(base64.b64encode(password.encode()).decode())
            super().envelope(recipients)
    return LogsIn


CLIENTS = [
    Faulty("swaks --helo 'my pc_1'", _swaks("--helo", "my pc_1"), mends=["junk-helo"]),
    Faulty("swaks --protocol SMTP", _swaks("--protocol", "SMTP")),
    Faulty("swaks --pipeline", _swaks("--pipeline")),
    Faulty("swaks --tls-optional", _swaks("--tls-optional")),
    Faulty("swaks, quoted recipients", _swaks(to="'{}'".format), mends=["quoted-address"]),
    Faulty("swaks --quit-after RCPT", _swaks("--quit-after", "RCPT"), copies=0),
    Faulty("swaks --drop-after RCPT", _swaks("--drop-after", "RCPT"), copies=0),
    Faulty("swaks --no-data-fixup", _swaks(
        "--no-data-fixup", text=lambda message: message.removesuffix(b"\r\n").replace(
            b"\r\n", b"\n").replace(b"\n.", b"\n..") + b"\r\n."), mends=["bare-lf"]),
    Faulty("PHP pipelines all of it", _php(PHP_PIPELINES)),
    Faulty("PHP without brackets", _php(PHP_BARE_PATHS), mends=["path-syntax"]),
    Faulty("bash does not wait", _bash),
    Faulty("netcat -N does not wait", _netcat()),
    Faulty("netcat -N, LF alone", _netcat(b"\n"), mends=["bare-lf", "lf-end-of-data"]),
] + [Faulty(name, smtplib_client(kind), **words) for name, kind, words in (
    ("HELO only", SaysHelo, {}),
    ("HELO, then SIZE and BODY", UsesExtensionsAfterHelo, {"mends": ["unknown-parameter"]}),
    ("MAIL before EHLO", DoesNotGreet, {"mends": ["missing-greeting"]}),
    ("EHLO without a name", GreetsWithoutName, {"mends": ["junk-helo"]}),
    ("EHLO with junk", GreetsWithJunk, {"mends": ["junk-helo"]}),
    ("EHLO in a transaction", GreetsAgain, {"mends": ["second-greeting"]}),
    ("reads one line per reply", ReadsOneLine, {}),
    ("MAIL FROM: <a@b>, TO : <c@d>", SpeaksBlanks, {"mends": ["path-syntax"]}),
    ("mail from:a@b", SpeaksNoBrackets, {"mends": ["path-syntax"]}),
    ("RCPT TO:<@x,@y:a@b>", SpeaksRoutes, {"mends": ["path-syntax"]}),
    ("blanks behind commands", TrailsBlanks, {"mends": ["trailing-blank"]}),
    ("a dot behind the domain", TrailsDots, {"mends": ["trailing-dot"]}),
    ("apostrophes round addresses", QuotesAddresses, {"mends": ["quoted-address"]}),
    ("telnet options first", BeginsWithNoise, {"mends": ["first-line-noise"]}),
    ("no RSET after a failure", ForgetsReset, {"mends": ["nested-mail"]}),
    ("RCPT without MAIL", ForgetsSender, {"mends": ["missing-sender"]}),
    ("NOOP to keep alive", KeepsAlive, {"mends": ["local-noop"]}),
    ("RSET to keep alive", ResetsOften, {"mends": ["local-noop"]}),
    ("no QUIT", ForgetsQuit, {}),
    ("LF alone, right end", ForgetsCarriageReturn, {"mends": ["bare-lf"]}),
    ("LF alone", KnowsNoCarriageReturn, {"mends": ["bare-lf", "lf-end-of-data"]}),
    ("sends what nobody takes", IgnoresRefusals, {"mends": ["stray-body"], "copies": 0}),
)]
