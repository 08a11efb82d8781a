#!/usr/bin/env python3
"""The closed loop: what each faulty path does, and whether lockstep in front of it heals that.

usage: loop.py [--relay NAME] [PROFILE...]

For every profile a client says what the profile acts upon (see conversations.py) three ways: to a
real relay; through the fault to it; and through lockstep, through the fault, to it. Prints one
table. Exit 0: every profile did harm, or is known to do none, and what it says of itself is true.
"""

import argparse
import collections
import concurrent.futures
import itertools
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import conversations, loop_relay, place, proxy, relays, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
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
  tls: 3s
"""
CLIENT_SECONDS = 45  # that a client waits for lockstep, which is to end the wait itself ...
FAULTY_SECONDS = 8   # ... and for the faulty path; none takes longer for what it says
TRICKLED_TIMES_MAX = 8
STORED_SECONDS = 5   # that a relay may take to store what it took
NOTICED_SECONDS = 1  # that a slow path takes more
SIDE_BY_SIDE = 16

# Profiles whose harm is that everything takes longer.
SLOW = ("late-250", "tarpit")
# Profiles that harm nobody, and why.
HARMLESS = {
    "merged-replies": "Postfix itself answers a batch in one segment; a client that reads lines "
                      "hears the same",
    "own-greeting": "Postfix serves this client; it hides why another is not served",
    "starttls-injected-command": "Postfix throws away what came in clear",
}

# What is put right of profiles that say that not all of it can be.
HEALED_TOO = {
    ("cisco-asa", "byte by byte"),
    ("extreme-ap", "QUIT heard"),
    ("f-secure", "one of two refused"),
    ("flap", "two addresses"),
    ("fortimail", "odd name"),
    ("symantec-sgs", "byte by byte"),
}

NUMBERS = itertools.count(1)

# What in a transcript tells an operator what happened on the path.
NAMED = {"U fail", *(f"! {word}" for word in (
    "finding", "learnt", "replay", "unknown-outcome", "odd", "timeout", "answer", "swallow"))}


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


# --- what became of a conversation ---

class Stored:
    """What the relay has of some messages."""

    def __init__(self, relay, kind, numbers):
        self.same, self.changed = collections.Counter(), collections.Counter()
        self.smuggled = self.receipts = self.clear = 0
        sent = {number: kind.text(number) for number in numbers}
        for user in relays.USERS:
            for path in relay.files(user):
                self.count(user, path.read_bytes(), sent)

    def count(self, user, whole, sent):
        found = re.search(rb"^%s (\d+)\r?$" % relays.MARK, whole, re.M)
        number = int(found.group(1)) if found else 0
        if number - conversations.SMUGGLED in sent:
            self.smuggled += 1
        elif number not in sent:
            return
        elif b"multipart/report" in whole[:found.start()]:
            self.receipts += 1
        else:
            same = relays.without_trace(whole) == sent[number]
            (self.same if same else self.changed)[user] += 1
            self.clear += b"with ESMTPS" not in whole[:found.start()]

    @property
    def count_all(self):
        return sum(self.same.values()) + sum(self.changed.values())


class Outcome:
    """What the client was told, and what the relay has of it."""

    def __init__(self, kind, client, end, stored, seconds):
        self.kind = kind
        self.told = self.last_word(client, end)
        self.accepted = not end and client.last.startswith(b"250")
        self.code = self.told[:1] if self.told[:1].isdigit() else ""
        self.farewell = client.farewell or not kind.farewell
        self.in_vain = client.sent and not client.taken  # the message, said for nobody
        self.receipt = stored.receipts > 0 or not kind.receipt
        self.secure = stored.clear == 0 or not kind.tls
        self.stored = stored
        self.seconds = seconds

    @staticmethod
    def last_word(client, end):
        last = client.last.splitlines()[-1].decode(errors="replace") if client.last else ""
        if not end or (last and not last.startswith(("2", "3"))):
            return f"{last}, then {end}" if end else last
        return end

    @property
    def fate(self):
        """What two conversations have in common that fared the same."""
        return (self.code, self.stored.same, self.stored.changed, self.stored.smuggled,
                self.secure, self.receipt, self.farewell, self.in_vain)

    def __str__(self):
        stored = self.stored
        kept = [f"{count} at {user}" for user, count in sorted(stored.same.items()) if count]
        kept += [f"{count} changed at {user}" for user, count in sorted(stored.changed.items())]
        kept += [f"{stored.smuggled} smuggled"] if stored.smuggled else []
        kept += ["in clear"] if not self.secure else []
        kept += ["no receipt"] if not self.receipt and stored.count_all else []
        kept += ["no farewell"] if not self.farewell and stored.count_all else []
        kept += ["said for nobody"] if self.in_vain else []
        if kept == ["1 at one"] and self.accepted and len(self.kind.recipients) == 1:
            return "delivered"
        word = "250" if self.accepted else self.told
        return word + (f" ({', '.join(kept)})" if kept else
                       " (nothing stored)" if self.accepted else "")


def send(port, relay, kind, seconds, wanted=None):
    """Holds a conversation. `wanted` is how it fares without a fault: what is waited for."""
    numbers = [next(NUMBERS) for _ in range(kind.messages * kind.sessions)]
    client = conversations.Client(kind, relay.login())
    began, end = time.monotonic(), ""
    for first in range(0, len(numbers), kind.messages):
        try:
            client.session(port, numbers[first:first + kind.messages], seconds)
        except (wire.Broken, ConnectionError) as error:
            end = str(error) if "no reply" in str(error) else "connection lost"
        except OSError:
            end = "no answer"
    took = time.monotonic() - began
    stored = settled(relay, kind, numbers, client, wanted)
    return Outcome(kind, client, end, stored, took)


def settled(relay, kind, numbers, client, wanted):
    """A relay that said 250 stores soon; one that did not may have stored all the same."""
    copies = wanted.stored.count_all if wanted else client.accepted
    receipts = kind.receipt and (not wanted or wanted.receipt)

    def there():
        stored = Stored(relay, kind, numbers)
        return (stored.count_all >= copies and stored.receipts >= receipts and
                stored.smuggled >= kind.smuggles)
    try:
        place.await_true("messages", there, 1 if kind.smuggles else
                         STORED_SECONDS if client.accepted else 0.3)
    except TimeoutError:
        pass
    return Stored(relay, kind, numbers)


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
    """One line of the table: a profile, and a kind of conversation."""

    def __init__(self, profile, kind, relay, clean, certificate):
        self.profile, self.kind, self.clean = profile, kind, clean
        said = conversations.KINDS[kind]
        upstream = relay.services[said.service]
        # Whether bytes that were written one by one are read so is for the machine to say.
        for _ in range(TRICKLED_TIMES_MAX if said.trickles else 1):
            with Fault(profile.name, upstream) as fault:
                self.faulty = send(fault.port, relay, said, FAULTY_SECONDS, clean)
            if self.harmed:
                break
        with Fault(profile.name, upstream) as fault, \
                in_front(fault.port, said, certificate) as lockstep:
            self.mended = send(lockstep.port, relay, said, CLIENT_SECONDS, clean)
            self.notes = self.notes_of(lockstep)

    def notes_of(self, lockstep):
        """What the transcripts of the session name, in their words."""
        lockstep.process.stop()
        found = []
        for path in sorted((lockstep.folder.path / "transcripts").glob("*")):
            for line in path.read_text(errors="replace").splitlines():
                note = re.match(r"\+\d+ (! |U )(\S+)(.*)", line)
                if note and note.group(1) + note.group(2) in NAMED:
                    found.append(note.group(2) + note.group(3))
        return list(dict.fromkeys(found))

    @property
    def slow(self):
        return (self.profile.name in SLOW and
                self.faulty.seconds > self.clean.seconds + NOTICED_SECONDS)

    @property
    def harmed(self):
        return self.faulty.fate != self.clean.fate or self.slow

    @property
    def healed(self):
        return self.mended.fate == self.clean.fate

    def problem(self):
        """What is not as the profile says; None: all is."""
        if self.harmed == (self.profile.name in HARMLESS):
            return "does this client harm" if self.harmed else "does nothing to this client"
        if self.profile.healed == "yes" and not self.healed:
            return "is not healed"
        own = self.mended.told == self.faulty.told  # a refusal that says itself what it is
        if not self.healed and not self.mended.accepted and not self.notes and not own:
            return "is not healed, and nothing names it"
        known = (self.profile.name, self.kind) in HEALED_TOO
        if self.profile.healed != "yes" and self.harmed and self.healed != known:
            return f"is {'' if self.healed else 'not '}healed, though it says otherwise"
        return None


def in_front(port, kind, certificate):
    """lockstep, between the client and the fault."""
    words = {"addresses": [f"smtp://127.0.0.1:{port}"] * kind.addresses}
    if kind.tls:
        words = {"listener": f"tls: {{offer: starttls, certificate: {certificate.certificate}, "
                             f"key: {certificate.key}}}",
                 "relay": "verify: none", "addresses": [f"starttls://127.0.0.1:{port}"]}
    return proxy.Proxy(port, settings=PATIENCE, transcripts=True, **words)


def show(rows, direct):
    print("without a fault: " + ", ".join(
        f"{kind}: {outcome}" for kind, outcome in direct.items() if str(outcome) != "delivered") +
        "; all others: delivered\n")
    print(f"{'profile':26} {'what the client says':24} {'with the fault':44} "
          f"{'with lockstep in front':44} healed")
    for row in rows:
        faulty = f"{row.faulty}, {row.faulty.seconds:.0f} s" if row.slow else str(row.faulty)
        why = HARMLESS.get(row.profile.name, "")
        if not row.healed:
            why = f"{row.profile.healed}; named: {', '.join(row.notes[:3])}"
        print(f"{row.profile.name:26} {row.kind:24} {faulty[:43]:44} {str(row.mended)[:43]:44} "
              f"{'yes' if row.healed else 'no'}{f'  ({why})' if why else ''}")
        if row.problem():
            print(f"    {row.profile.name}, {row.kind}: {row.problem()}")


def run(relay, names):
    """The rows, and how each kind fares without any fault."""
    pairs = [(name, kind) for name in names for kind in conversations.kinds_of(name)
             if conversations.KINDS[kind].service in relay.services]
    folder = place.Folder("loop")
    certificate = Authority(folder.path).issue("localhost", "127.0.0.1")
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        def alone(kind):
            said = conversations.KINDS[kind]
            return send(relay.services[said.service], relay, said, CLIENT_SECONDS)
        kinds = list(dict.fromkeys(kind for _, kind in pairs))
        direct = dict(zip(kinds, pool.map(alone, kinds)))
        rows = list(pool.map(lambda pair: Row(Profile(pair[0]), pair[1], relay, direct[pair[1]],
                                              certificate), pairs))
    folder.remove()
    return rows, direct


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--relay", default="postfix", choices=relays.RELAYS)
    parser.add_argument("profile", nargs="*")
    options = parser.parse_args(argv)
    with loop_relay.start(options.relay) as relay:
        rows, direct = run(relay, options.profile or profiles())
    show(rows, direct)
    failed = sum(row.problem() is not None for row in rows)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
