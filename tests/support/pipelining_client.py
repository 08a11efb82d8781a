#!/usr/bin/env python3
"""A client that writes MAIL, RCPT, RCPT and DATA in one segment, whatever the server offers.

usage: pipelining_client.py HOST:PORT [SENDER [RECIPIENT...]]

Prints both sides of the conversation. Exit 0: the message was accepted; 1: it was not.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import wire  # noqa: E402  (found only after the line above)


def batch(sender, recipients):
    """The envelope of one message and DATA, to be written at once."""
    return (b"MAIL FROM:<%s>\r\n" % sender +
            b"".join(b"RCPT TO:<%s>\r\n" % recipient for recipient in recipients) + b"DATA\r\n")


def send(talk, sender, recipients, message):
    """One message, its envelope in one write. True: accepted."""
    talk.say(batch(sender, recipients))
    replies = [talk.reply() for _ in range(len(recipients) + 2)]
    if replies[-1].code != 354:
        return False
    talk.say(wire.stuffed(message))
    return talk.reply().code == 250


def show(side, text):
    for line in text.decode(errors="replace").splitlines():
        print(f"{side}: {line}", flush=True)


def main(argv):
    if len(argv) < 2 or argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 64
    host, _, port = argv[1].rpartition(":")
    sender = (argv[2] if len(argv) > 2 else "sender@client.test").encode()
    recipients = [name.encode() for name in argv[3:]] or [b"one@lockstep.test",
                                                          b"two@lockstep.test"]
    message = (b"From: <%s>\r\nTo: <%s>\r\nSubject: one segment\r\n\r\n"
               b"MAIL, RCPT and DATA were written at once.\r\n" % (sender, recipients[0]))
    try:
        with wire.Conversation(int(port), host, heard=show) as talk:
            talk.open()
            accepted = send(talk, sender, recipients, message)
            talk.ask(b"QUIT")
    except (OSError, wire.Broken) as error:
        print(f"   ({error})")
        accepted = False
    print("   accepted" if accepted else "   NOT accepted")
    return 0 if accepted else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
