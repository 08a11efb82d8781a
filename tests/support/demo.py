#!/usr/bin/env python3
"""Heals one real conversation: demo.py LOCKSTEP FOLDER

A client writes MAIL, RCPT, RCPT and DATA in one segment to a relay that takes one command at a
time: first straight, which fails, then through lockstep, which delivers. Both conversations are
printed as ladders, the second one from lockstep's own transcript. Exit 0: just that happened.
"""
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, wire  # noqa: E402  (found only after the line above)
from support.pipelining_client import send  # noqa: E402
from support.process import Process  # noqa: E402

WIDTHS = {1: 64, 2: 46}  # of a leg, by the number of legs
SENDER = b"scanner@office.example"
RECIPIENTS = [b"ann@office.example", b"bob@office.example"]
MESSAGE = (b"From: <%s>\r\nTo: <%s>\r\nSubject: page 1 of 1\r\n\r\n"
           b"A scanner sent this and did not wait.\r\n" % (SENDER, RECIPIENTS[0]))


def cell(width, text, right):
    """One leg of a rung: what was said, and an arrow in the direction it went."""
    text = text if len(text) <= width - 6 else text[:width - 9] + "..."
    rule = "-" * (width - 4 - len(text))
    return f" {text} {rule}> " if right else f" <{rule} {text} "


def rung(legs, text, right, leg=None):
    """On one leg; on all of them without `leg`."""
    width = WIDTHS[legs]
    print("|" + "|".join(cell(width, text, right) if leg in (None, i) else " " * width
                         for i in range(legs)) + "|")


def heading(*names):
    """The parties' names over the lines that stand for them."""
    gap = WIDTHS[len(names) - 1] + 1
    line = names[0]
    for i, name in enumerate(names[1:], 1):
        last = i == len(names) - 1
        line = line.ljust(i * gap + (1 - len(name) if last else -len(name) // 2)) + name
    print(line)


def talk(port, heard):
    """True: the message was accepted."""
    try:
        with wire.Conversation(port, heard=heard) as conversation:
            conversation.open(b"scanner.office.example")
            accepted = send(conversation, SENDER, RECIPIENTS, MESSAGE)
            conversation.ask(b"QUIT")
            return accepted
    except wire.Broken:
        print("  the relay ends the connection")
        return False


def show_direct(side, text):
    if text.endswith(b"\r\n.\r\n"):
        text = b"~ %d bytes" % (len(text) - len(b".\r\n"))
    for line in text.decode().splitlines():
        rung(1, line, side == "C")


def show_transcript(path):
    """The legs of a transcript: C is the client's, U the upstream's; > points upstream."""
    for line in path.read_text().splitlines():
        said = re.match(r"(?:\+\d+ )?([CU])([<>]) (.*)", line)
        note = re.match(r"(?:\+\d+ )?! (.*)", line)
        if said:
            rung(2, said.group(3), said.group(2) == ">", "CU".index(said.group(1)))
        elif note:
            print("|" + f"* {note.group(1)} *".center(2 * WIDTHS[2] + 1) + "|")


def finished(folder):
    """The transcript, once it tells of the end of the session."""
    for path in folder.glob("**/*"):
        if path.is_file() and re.search(r"C end|C shut|C reset|QUIT[\s\S]*C< 2", path.read_text()):
            return path
    return None


def demonstrate(lockstep, folder):
    maildir, transcripts = folder / "Maildir", folder / "transcripts"
    sink = Process("sink", [lockstep, "sink", "--listen", "127.0.0.1:0",
                            "--no-pipelining=opensmtpd", "--maildir", maildir], folder)
    proxy = None
    try:
        relay_port = sink.await_ready()[0]
        proxy = Process("run", [lockstep, "run", "--listen", "127.0.0.1:0", "--upstream",
                                f"smtp://127.0.0.1:{relay_port}", "--transcripts", transcripts],
                        folder)
        print("\n1. The client, straight at a relay that takes one command at a time:\n")
        heading("client", "relay")
        direct = talk(relay_port, show_direct)
        print(f"\n   {'delivered' if direct else 'NOT delivered'}\n\n"
              "2. The same client, the same relay, lockstep in between:\n")
        healed = talk(proxy.await_ready()[0], lambda side, text: None)
        heading("client", "lockstep", "relay")
        show_transcript(place.await_true("a transcript", lambda: finished(transcripts)))
        mails = list((maildir / "new").glob("*"))
        print(f"\n   {'delivered' if healed else 'NOT delivered'}: {', '.join(map(str, mails))}\n")
        whole = len(mails) == 1 and MESSAGE.split(b"\r\n")[-2] in mails[0].read_bytes()
        return not direct and healed and whole
    finally:
        for process in filter(None, (proxy, sink)):
            process.stop()


def main(argv):
    if len(argv) != 3 or argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 64
    folder = pathlib.Path(argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "transcripts").mkdir()
    return 0 if demonstrate(argv[1], folder) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
