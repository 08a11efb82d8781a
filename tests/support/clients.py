"""Real clients and raw ones. Each sends one message (or, where it says so, two) to some recipients
and tells how many the server accepted."""

import smtplib
import subprocess

from support import packages, wire
from support.pipelining_client import batch, send

SENDER = "sender@client.test"


class Client:
    """`messages` copies are sent to each of the first `recipients` users."""

    messages = 1
    recipients = 2
    ahead = False   # writes commands before the answers to earlier ones, offered or not
    adds = b""      # what it puts behind every message, unasked
    chunks = False  # says BDAT, which lockstep can turn into DATA
    early = False   # even before EHLO is answered, where no server allows it

    def __init__(self, name, run, **facts):
        self.name = name
        self.run = run  # run(port, message, recipients, folder) -> messages accepted
        for fact, value in facts.items():
            setattr(self, fact, value)


def _exit_status(argv, **options):
    done = subprocess.run([str(word) for word in argv], capture_output=True, timeout=60,
                          check=False, **options)
    return 1 if done.returncode == 0 else 0


def _file(folder, message):
    path = folder / "message"
    path.write_bytes(message)
    return path


def _unended(message):
    """For clients that add the last line's end themselves."""
    return message.removesuffix(b"\r\n")


def _swaks(*options):
    def run(port, message, recipients, folder):
        return _exit_status([packages.program("swaks"), "--server", "127.0.0.1", "--port", port,
                             "--from", SENDER, "--to", ",".join(recipients),
                             "--helo", "client.test", "--data",
                             f"@{_file(folder, _unended(message))}", *options])
    return run


def _curl(port, message, recipients, folder):
    names = [word for name in recipients for word in ("--mail-rcpt", name)]
    return _exit_status([packages.program("curl"), "--silent", "--max-time", 60,
                         f"smtp://127.0.0.1:{port}/client.test", "--mail-from", SENDER, *names,
                         "--upload-file", _file(folder, message)])


def _msmtp(port, message, recipients, folder):
    with open(_file(folder, message), "rb") as given:
        return _exit_status([packages.program("msmtp"), "--file=/dev/null", "--host=127.0.0.1",
                             f"--port={port}", "--tls=off", "--auth=off",
                             "--domain=client.test", f"--from={SENDER}", "--", *recipients],
                            stdin=given)


def _smtp_source(port, message, recipients, folder):
    # It knows one recipient, and reads lines without CR.
    path = _file(folder, message.replace(b"\r\n", b"\n"))
    return _exit_status([packages.program("smtp-source"), "-M", "client.test", "-f", SENDER,
                         "-t", recipients[0], "-F", path, f"127.0.0.1:{port}"])


def _smtplib(port, message, recipients, _folder):
    try:
        with smtplib.SMTP("127.0.0.1", port, "client.test", timeout=30) as server:
            return 1 if not server.sendmail(SENDER, recipients, message) else 0
    except (smtplib.SMTPException, OSError):
        return 0


def _raw(talk_to_server):
    """A client made of talk_to_server(talk, message, recipients)."""
    def run(port, message, recipients, _folder):
        try:
            with wire.Conversation(port) as talk:
                return talk_to_server(talk, message, [name.encode() for name in recipients])
        except (OSError, wire.Broken):
            return 0
    return run


def _one_segment(talk, message, recipients):
    talk.open()
    accepted = send(talk, SENDER.encode(), recipients, message)
    talk.ask(b"QUIT")
    return 1 if accepted else 0


def _over_the_dot(talk, message, recipients):
    """The next message's envelope stands behind the dot, and QUIT behind the last one."""
    talk.open()
    envelope = batch(SENDER.encode(), recipients)
    talk.say(envelope)
    if [talk.reply() for _ in range(len(recipients) + 2)][-1].code != 354:
        return 0
    talk.say(wire.stuffed(message) + envelope)
    accepted = 1 if talk.reply().code == 250 else 0
    if [talk.reply() for _ in range(len(recipients) + 2)][-1].code != 354:
        return accepted
    talk.say(wire.stuffed(message) + b"QUIT\r\n")
    accepted += 1 if talk.reply().code == 250 else 0
    talk.reply()
    return accepted


def _byte_by_byte(talk, message, recipients):
    talk.reply()
    talk.trickle(b"EHLO client.test\r\n")
    talk.reply()
    for line in batch(SENDER.encode(), recipients).splitlines(keepends=True):
        talk.trickle(line)
        answer = talk.reply()
    if answer.code != 354:
        return 0
    talk.trickle(wire.stuffed(message))
    accepted = talk.reply().code == 250
    talk.trickle(b"QUIT\r\n")
    talk.reply()
    return 1 if accepted else 0


def _all_at_once(talk, message, recipients):
    """From EHLO to QUIT in one write, the message included: what shell scripts do."""
    talk.say(b"EHLO client.test\r\n" + batch(SENDER.encode(), recipients) +
             wire.stuffed(message) + b"QUIT\r\n")
    replies = [talk.reply() for _ in range(len(recipients) + 6)]
    return 1 if replies[-3].code == 354 and replies[-2].code == 250 else 0


def _chunks(talk, message, recipients):
    """Chunks of uneven sizes, cut through lines and dots, all in one write."""
    if b"CHUNKING" not in talk.open():
        return 0
    text = batch(SENDER.encode(), recipients).removesuffix(b"DATA\r\n")
    count = len(recipients) + 1
    for size in (1, 7, 130, 3, 2):
        text += b"BDAT %d\r\n" % size + message[:size]
        message = message[size:]
        count += 1
    talk.say(text + b"BDAT %d LAST\r\n" % len(message) + message + b"QUIT\r\n")
    replies = [talk.reply() for _ in range(count + 2)]
    return 1 if replies[-2].code == 250 else 0


CLIENTS = [
    Client("swaks", _swaks()),
    Client("swaks --pipeline", _swaks("--pipeline")),
    Client("curl", _curl),
    Client("msmtp", _msmtp),
    Client("smtp-source", _smtp_source, recipients=1, adds=b"\r\n"),
    Client("smtplib", _smtplib),
    Client("byte by byte", _raw(_byte_by_byte)),
    Client("one segment", _raw(_one_segment), ahead=True),
    Client("over the dot", _raw(_over_the_dot), ahead=True, messages=2),
    Client("chunks in one write", _raw(_chunks), ahead=True, chunks=True),
    Client("all at once", _raw(_all_at_once), ahead=True, early=True),
]
