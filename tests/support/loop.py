#!/usr/bin/env python3
"""The closed loop: what each faulty path does, and whether lockstep in front of it heals that.

usage: loop.py [--relay NAME] [PROFILE...]

For every profile a legacy client, which writes its envelope in one segment whatever it is offered,
sends a message three ways: to a real relay; through the fault to it; and through lockstep, through
the fault, to it. Prints one table. Exit 0: every profile did what it says of itself.
"""

import argparse
import concurrent.futures
import itertools
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import pipelining_client, place, proxy, relays, wire  # noqa: E402
from support.process import Process  # noqa: E402

# Patience that a test has; a person's is longer, and heals the same.
PATIENCE = """timeouts:
  connect: 3s
  greeting: 9s
  command: 3s
  mail: 3s
  rcpt: 3s
  data: 3s
  data-end: 8s
  data-block: 5s
  group: 1s
"""
CLIENT_SECONDS = 45
SIDE_BY_SIDE = 16

NUMBERS = itertools.count(1)

# Notes of a transcript that tell an operator what happened on the path.
NAMED = ("finding", "learnt", "replay", "unknown-outcome", "odd", "timeout", "answer", "fault")


def message(number):
    """Awkward enough to show what is changed on the way, and larger than a segment."""
    return b"\r\n".join([
        b"%s %d" % (relays.MARK, number),
        b"From: <sender@client.test>",
        b"To: <one@lockstep.test>",
        b"Date: Thu, 01 Jan 2026 00:00:00 +0000",
        b"Message-ID: <%d@client.test>" % number,
        b"Subject: caf\xc3\xa9",
        b"",
        b".one dot in front",
        b"eight bits: caf\xc3\xa9",
        b"x" * 990,
        *[b"line %d of a message that takes several segments" % i for i in range(60)],
        b"the end", b""])


class Profile:
    """What `lockstep fault --list` says of it."""

    def __init__(self, name):
        shown = subprocess.run([place.lockstep(), "fault", "--list", name], check=True,
                               capture_output=True, text=True).stdout
        self.name = name
        self.says = re.search(r"^# (.*)$", shown, re.M).group(1)
        self.healed = re.search(r"^# put right by lockstep: (.*)$", shown, re.M).group(1)


def profiles():
    shown = subprocess.run([place.lockstep(), "fault", "--list"], check=True, capture_output=True,
                           text=True).stdout
    return [line.split()[0] for line in shown.splitlines()]


class Outcome:
    """What the client was told, and what the relay has of it."""

    def __init__(self, told, sent, stored):
        self.told = told
        self.copies = stored.count(sent)
        self.changed = len(stored) - self.copies

    @property
    def accepted(self):
        return self.told.startswith("250")

    @property
    def whole(self):
        return self.accepted and self.copies == 1 and self.changed == 0

    def __str__(self):
        if self.whole:
            return "delivered"
        kept = [f"{self.copies} stored"] if self.copies else []
        kept += [f"{self.changed} changed"] if self.changed else []
        return self.told + (f" ({', '.join(kept)})" if kept else
                            " (nothing stored)" if self.accepted else "")


def speak(talk, number, heard):
    """The client: EHLO, HELO where that fails, its envelope at once, the message."""
    def listen():
        heard.append(talk.reply())
        return heard[-1].code

    if listen() != 220:
        return
    for hello in (b"EHLO client.test\r\n", b"HELO client.test\r\n"):
        talk.say(hello)
        if listen() == 250:
            break
    else:
        return
    talk.say(pipelining_client.batch(b"sender@client.test", [b"one@lockstep.test"]))
    codes = [listen() for _ in range(3)]
    if codes[2] != 354:
        heard.append(next((reply for reply in heard[-3:] if reply.code not in (250, 251)),
                          heard[-1]))
        return
    talk.say(wire.stuffed(message(number)))
    listen()
    talk.say(b"QUIT\r\n")


def told(port, number):
    """The last word that the client heard of its message."""
    heard, end = [], ""
    try:
        with wire.Conversation(port, seconds=CLIENT_SECONDS) as talk:
            speak(talk, number, heard)
    except (wire.Broken, ConnectionError) as error:
        end = "connection lost" if "no reply" not in str(error) else str(error)
    except OSError:
        end = "no answer"
    last = heard[-1].last.decode(errors="replace").strip() if heard else ""
    if end and heard and heard[-1].code < 400:
        return end
    return f"{last}, then {end}" if last and end else last or end


def stored_of(relay, number):
    """What the relay stored with that number, however it looks."""
    mark = b"%s %d\r\n" % (relays.MARK, number)
    return [text for text in relay.stored("one") if mark in text]


def settled(relay, number, expected):
    """A relay that said 250 stores soon; one that did not may have stored all the same."""
    try:
        place.await_true("a message", lambda: stored_of(relay, number), 10 if expected else 0.3)
    except TimeoutError:
        pass
    return stored_of(relay, number)


def send(port, relay):
    number = next(NUMBERS)
    answer = told(port, number)
    return Outcome(answer, message(number), settled(relay, number, answer.startswith("250")))


class Fault:
    """`lockstep fault` in front of the relay."""

    def __init__(self, name, upstream):
        self.folder = place.Folder("fault")
        self.process = Process("fault", [
            place.lockstep(), "fault", name, "--listen", "127.0.0.1:0", "--seed", "1",
            "--upstream", f"smtp://127.0.0.1:{upstream}"], self.folder.path)
        self.port = self.process.await_ready()[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()
        self.folder.remove()


class Row:
    """One line of the table."""

    def __init__(self, profile, relay):
        self.profile = profile
        with Fault(profile.name, relay.port) as fault:
            self.faulty = send(fault.port, relay)
        with Fault(profile.name, relay.port) as fault, \
                proxy.Proxy(fault.port, settings=PATIENCE, transcripts=True) as lockstep:
            self.mended = send(lockstep.port, relay)
            self.notes = self.notes_of(lockstep)

    def notes_of(self, lockstep):
        """What the transcripts of the session name, in their words."""
        lockstep.process.stop()
        found = []
        for path in sorted((lockstep.folder.path / "transcripts").glob("*")):
            for line in path.read_text(errors="replace").splitlines():
                note = re.match(r"\+\d+ ! (\S+)(.*)", line)
                if note and note.group(1) in NAMED:
                    found.append(note.group(1) + note.group(2))
        return list(dict.fromkeys(found))

    @property
    def healed(self):
        return self.mended.whole

    def problem(self):
        """What is not as the profile says; None: all is."""
        if self.profile.healed == "yes" and not self.healed:
            return "is not healed"
        own = self.mended.told == self.faulty.told  # a refusal that says itself what it is
        if not self.healed and not self.mended.accepted and not self.notes and not own:
            return "is not healed, and nothing names it"
        if self.profile.healed != "yes" and self.healed and not self.faulty.whole:
            return "is healed, though it says that it can't be"
        return None


def show(rows, direct):
    print(f"direct: {direct}\n")
    print(f"{'profile':26} {'with the fault':44} {'with lockstep in front':44} healed")
    for row in rows:
        why = "" if row.healed else f"  ({row.profile.healed}; named: {', '.join(row.notes[:3])})"
        print(f"{row.profile.name:26} {str(row.faulty)[:43]:44} {str(row.mended)[:43]:44} "
              f"{'yes' if row.healed else 'no'}{why}")
        if row.problem():
            print(f"    {row.profile.name}: {row.problem()}")


def run(relay, names):
    """The rows, and how a message fares without any fault."""
    direct = send(relay.port, relay)
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        rows = list(pool.map(lambda name: Row(Profile(name), relay), names))
    return rows, direct


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--relay", default="postfix", choices=relays.RELAYS)
    parser.add_argument("profile", nargs="*")
    options = parser.parse_args(argv)
    with relays.RELAYS[options.relay]() as relay:
        rows, direct = run(relay, options.profile or profiles())
    show(rows, direct)
    problems = [row for row in rows if row.problem()]
    print(f"{len(rows) - len(problems)} passed, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
