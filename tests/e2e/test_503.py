"""The faulty path reproduces the 503s: for each order of the wire catalogue's table (R1 to R17) the
fault that makes it of a proper session, at every real relay. What the relay answers then is what it
answers to whoever speaks to it in that order."""

import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import dialogues, place, relays, suite, wire  # noqa: E402
from support.dialogues import DATA, EHLO, HELO, MAIL, ONE  # noqa: E402
from support.process import Process  # noqa: E402

SERVERS = {"postfix": relays.Postfix, "exim": relays.Exim, "sendmail": relays.Sendmail,
           "opensmtpd": relays.OpenSmtpd, "haraka": relays.Haraka}
PROPER = [EHLO, (MAIL, ONE, DATA)]
# row: the faults, and what the client says; the path hands on one command at a time, so that also a
# relay without pipelining shows what it thinks of the order
CASES = {
    "R1": (["reorder"], PROPER),
    "R2": (["reorder-data"], PROPER),
    "R3": (["command RCPT do insert RSET absorb"], PROPER),
    "R4": (['command DATA do insert "MAIL FROM:<b@client.test>" absorb'], PROPER),
    "R5": (["command MAIL do truncate 24"], PROPER),
    "R6": (['command RCPT do replace "RCPT TO:<nosuch@lockstep.test>"'], PROPER),
    "R10": (["command EHLO do repeat absorb"], [EHLO]),
    "R11": (["command EHLO do insert RSET absorb"], [EHLO]),
    "R14": (["command NOOP do insert XXXX absorb"], [EHLO, b"NOOP"]),
    "R16 first": (['command MAIL do replace "test>" with="test> FOO=BAR"'], [EHLO, MAIL]),
    "R17": (['command EHLO do replace "HELO client.test"'], [EHLO, MAIL, ONE]),
}
# What the relay hears then, said to it directly.
ORDERS = {**dialogues.ROWS,
          "R16 first": [EHLO, b"MAIL FROM:<a@client.test> FOO=BAR"],
          "R17": [HELO, MAIL, ONE]}


def codes_directly(port, steps):
    with wire.Conversation(port, seconds=30) as talk:
        return [answer.code for answer in dialogues.hold(talk, steps).answers()]


class Path:
    """`lockstep fault` in front of a relay, one command at a time."""

    def __init__(self, faults, port):
        self.folder = place.Folder("fault")
        self.transcripts = self.folder.path / "transcripts"
        self.process = Process("fault", [
            place.lockstep(), "fault", "command !END do alone", *faults, "--listen",
            "127.0.0.1:0", "--seed", "1", "--upstream", f"smtp://127.0.0.1:{port}",
            "--transcripts", self.transcripts], self.folder.path)
        self.port = self.process.await_ready()[0]

    def heard(self):
        """The relay's answers, from the record of its leg."""
        def whole():
            text = "".join(file.read_text() for file in self.transcripts.glob("*"))
            return text if " C shut" in text or " C fail" in text else ""
        text = place.await_true("the session's end", whole)
        return [int(code) for code in re.findall(r"^\+\d+ U< (\d{3})(?: |$)", text, re.M)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()
        self.folder.remove()


class Reproduced(unittest.TestCase):
    table = {}  # row: {server: codes}

    def compare(self, server):
        with SERVERS[server]() as relay:
            for row, (faults, steps) in CASES.items():
                with self.subTest(server=server, row=row), Path(faults, relay.port) as path:
                    with wire.Conversation(path.port, seconds=10) as talk:
                        try:
                            dialogues.hold(talk, steps)
                        except OSError:
                            pass  # it waits for an answer that the fault has cost it
                    wanted = codes_directly(relay.port, ORDERS[row])
                    got = path.heard()
                    self.table.setdefault(row, {})[server] = got
                    self.assertEqual(got[:len(wanted)], wanted)

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


def print_table():
    """Which fault gives which answers, behind the banner."""
    print(f"\n{'row':10}{'fault':62}" + "".join(f"{name:22}" for name in SERVERS))
    for row, cells in Reproduced.table.items():
        print(f"{row:10}{' + '.join(CASES[row][0])[:60]:62}" + "".join(
            f"{' '.join(map(str, cells.get(name, [])[1:]))[:21]:22}" for name in SERVERS))
    print()


unittest.addModuleCleanup(print_table)


if __name__ == "__main__":
    suite.main()
