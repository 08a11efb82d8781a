#!/usr/bin/env python3
"""Heals one real conversation: demo.py LOCKSTEP FOLDER

A client writes MAIL, RCPT and DATA in one segment, and on the way to the relay a firewall
changes their order: 503. The same client, firewall and relay with lockstep in front: delivered. Both
conversations are printed as ladders, side by side where there is room, from the transcripts of the
firewall and of lockstep. The relay is Exim where it can be had, else lockstep's own sink, which
talks like it. Exit 0: just that happened.
"""
import itertools
import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, relays, wire  # noqa: E402  (found only after the line above)
from support.pipelining_client import send  # noqa: E402
from support.process import Process  # noqa: E402

WIDTH = 36  # of a leg
GAP = "    "  # between two ladders
SENDER = b"scanner@client.test"
RECIPIENTS = [b"one@lockstep.test"]
MESSAGE = (relays.MARK + b" 1\r\nFrom: <%s>\r\nTo: <%s>\r\nSubject: page 1 of 1\r\n\r\n"
           b"A scanner sent this and did not wait.\r\n" % (SENDER, RECIPIENTS[0]))


def cell(text, right):
    """One leg of a rung: what was said, and an arrow in the direction it went."""
    text = text if len(text) <= WIDTH - 6 else text[:WIDTH - 9] + "..."
    rule = "-" * (WIDTH - 4 - len(text))
    return f" {text} {rule}> " if right else f" <{rule} {text} "


def heading(*names):
    """The parties' names over the lines that stand for them."""
    line = names[0].ljust(WIDTH + 1 - len(names[1]) // 2) + names[1]
    return line.ljust(2 * WIDTH + 3 - len(names[2])) + names[2]


def ladder(parties, path):
    """The lines of a transcript as rungs: C is the client's leg, U the upstream's; > points
    upstream."""
    lines = [heading(*parties)]
    for line in path.read_text().splitlines():
        said = re.match(r"(?:\+\d+ )?([CU])([<>]) (.*)", line)
        note = re.match(r"(?:\+\d+ )?! (.*)", line)
        if said:
            legs = [" " * WIDTH, " " * WIDTH]
            legs["CU".index(said.group(1))] = cell(said.group(3), said.group(2) == ">")
            lines.append("|" + "|".join(legs) + "|")
        elif note:
            lines.append("|" + f"* {note.group(1)[:2 * WIDTH - 4]} *".center(2 * WIDTH + 1) + "|")
    return lines


def show(left, right):
    """Both ladders, side by side where they fit."""
    width = 2 * WIDTH + 3
    if sys.stdout.isatty() and shutil.get_terminal_size().columns < 2 * width + len(GAP):
        print("\n".join(left + [""] + right))
        return
    for one, other in itertools.zip_longest(left, right, fillvalue=""):
        print((one.ljust(width) + GAP + other).rstrip())


def talk(port):
    """The last word that the client heard of its message."""
    try:
        with wire.Conversation(port) as conversation:
            conversation.open(b"scanner.client.test")
            accepted = send(conversation, SENDER, RECIPIENTS, MESSAGE)
            conversation.ask(b"QUIT")
            return accepted
    except wire.Broken:
        return False


def finished(folder):
    """The transcript, once it tells of the end of the session."""
    for path in folder.glob("**/*"):
        if path.is_file() and re.search(r"C end|C shut|C reset|QUIT[\s\S]*C< 2", path.read_text()):
            return path
    return None


def real_relay(lockstep):
    """Exim, or what talks like it."""
    try:
        return relays.Exim(), "Exim"
    except Exception as error:  # no package, no root, no network: the demo goes on all the same
        print(f"(Exim can't be had here, {type(error).__name__}: lockstep sink takes its place)")
    place_of = os.environ.get("LOCKSTEP")
    os.environ["LOCKSTEP"] = lockstep
    try:
        return relays.Sink(), "sink"
    finally:
        if place_of is None:
            del os.environ["LOCKSTEP"]


def firewall(lockstep, relay, folder, name):
    """`lockstep fault`, with RCPT and DATA in the wrong order."""
    (folder / name).mkdir(parents=True)
    return Process(name, [lockstep, "fault", "reorder-data", "--listen", "127.0.0.1:0", "--seed", "1",
                          "--upstream", f"smtp://127.0.0.1:{relay.port}", "--transcripts",
                          folder / name], folder)


def demonstrate(lockstep, folder):
    relay, relay_name = real_relay(lockstep)
    processes = []
    try:
        processes.append(firewall(lockstep, relay, folder, "firewall"))
        direct = talk(processes[-1].await_ready()[0])
        broken = place.await_true("a transcript", lambda: finished(folder / "firewall"))
        processes.append(firewall(lockstep, relay, folder, "firewall-behind"))
        port = processes[-1].await_ready()[0]
        (folder / "lockstep").mkdir()
        processes.append(Process("run", [lockstep, "run", "--listen", "127.0.0.1:0", "--upstream",
                                         f"smtp://127.0.0.1:{port}", "--transcripts",
                                         folder / "lockstep"], folder))
        healed = talk(processes[-1].await_ready()[0])
        mended = place.await_true("a transcript", lambda: finished(folder / "lockstep"))
        print("\nOne client, one firewall that changes the order of what is pipelined, one relay:"
              " without and with lockstep.\n")
        show(ladder(("client", "firewall", relay_name), broken),
             ladder(("client", "lockstep", "firewall"), mended))
        mails = place.await_true("the message", lambda: relay.stored("one")) if healed else []
        print(f"\n   without: {'delivered' if direct else 'NOT delivered'};   with lockstep: "
              f"{'delivered' if healed else 'NOT delivered'}\n")
        said = broken.read_text()
        return not direct and "C< 503" in said and healed and len(mails) == 1
    finally:
        for process in reversed(processes):
            process.stop()
        relay.stop()


def main(argv):
    if len(argv) != 3 or argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 64
    folder = pathlib.Path(argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return 0 if demonstrate(argv[1], folder) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
