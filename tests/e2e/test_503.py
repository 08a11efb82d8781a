"""The faulty path reproduces the 503s: for each order of the wire catalogue's table (R1 to R17) the
fault that makes it of a proper session, at every real relay. What the relay answers then is what it
answers to whoever speaks to it in that order."""

import base64
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import dialogues, place, proxy, relays, secure_relays, suite, wire  # noqa: E402
from support.dialogues import BODY, DATA, EHLO, HELO, MAIL, ONE, OTHER, chunk  # noqa: E402
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
LOGIN = b"AUTH PLAIN " + base64.b64encode(
    f"\0{secure_relays.USER}\0{secure_relays.PASSWORD}".encode())
# At relays that take logins; some of them only behind TLS, which is the path's own there.
LOGINS = {"postfix": secure_relays.Postfix, "exim": secure_relays.Exim,
          "sendmail": secure_relays.Sendmail, "opensmtpd": secure_relays.OpenSmtpd,
          "haraka": secure_relays.Haraka}
LOGIN_CASES = {
    "R8": (["reorder-auth"], [EHLO, (LOGIN, MAIL), b"NOOP"]),
    "R9": (["duplicate-auth"], [EHLO, LOGIN, b"NOOP"]),
    "R17 login": CASES["R17"],
}
# Behind STARTTLS, which a box between the path and the relay says.
SECURED = (["lost-ehlo-250"], [EHLO, MAIL])
# At relays that offer CHUNKING.
CHUNKS = [EHLO, MAIL, ONE, chunk(b"x\r\n"), chunk(b"x\r\n", True)]
CHUNK_SERVERS = ("postfix", "exim")
CHUNK_CASES = {
    "R13 data": (["command BDAT nth=2 do insert DATA absorb"], CHUNKS),
    "R13 rcpt": (['command BDAT nth=2 do insert "RCPT TO:<one@lockstep.test>" absorb'], CHUNKS),
    "R13 mail": (["lost-chunk"], [*CHUNKS, OTHER, ONE, DATA]),
    "R13 last": (['command BDAT nth=1 do replace "3" with="3 LAST"'], CHUNKS),
}
# What the relay hears then, said to it directly.
ORDERS = {
    **dialogues.ROWS,
    "R7": [MAIL],
    "R8": [EHLO, MAIL, LOGIN, b"NOOP"],
    "R9": [EHLO, LOGIN, LOGIN, b"NOOP"],
    "R12": PROPER[:1] + list(PROPER[1]),
    "R13 data": [*CHUNKS[:4], DATA, CHUNKS[4]],
    "R13 rcpt": [*CHUNKS[:4], ONE, CHUNKS[4]],
    "R13 mail": [*CHUNKS[:4], OTHER, ONE, DATA],
    "R13 last": [*CHUNKS[:3], chunk(b"x\r\n", True), CHUNKS[4]],
    "R16 first": [EHLO, b"MAIL FROM:<a@client.test> FOO=BAR"],
    "R17": [HELO, MAIL, ONE],
    "R17 login": [HELO, MAIL, ONE],
}


class RefusingPostfix(relays.Postfix):
    """It greets with 554."""

    def _settings(self, here):
        return (f"{super()._settings(here)}\n"
                "smtpd_delay_reject = no\nsmtpd_client_restrictions = reject")


class RefusingExim(relays.Exim):
    """It greets with 550, and is gone."""

    def _settings(self, jail):
        return f"{super()._settings(jail)}\nacl_smtp_connect = deny"


class RefusingSendmail(relays.Sendmail):
    """It greets with 220 all the same."""

    def _rules(self):
        return 'SLocal_check_relay\nR$*\t$#error $@ 5.7.1 $: "550 Not from there"'


class RefusingHaraka(relays.Haraka):
    """It greets with 554."""

    refuses = True


# Relays that refuse this client before it has said anything; the path greets it in its own words.
REFUSING = {"postfix": RefusingPostfix, "exim": RefusingExim, "sendmail": RefusingSendmail,
            "haraka": RefusingHaraka}
REFUSING_CASE = (["own-greeting"], ORDERS["R12"])


def codes_directly(port, steps, context=None, starttls=False):
    with wire.Conversation(port, seconds=30) as talk:
        if starttls:
            greeting = talk.reply()
            talk.ask(EHLO)
            talk.ask(b"STARTTLS")
        if context:
            talk.secure(context, secure_relays.NAME)
        if starttls:
            return [greeting.code, *(talk.ask(step).code for step in steps)]
        return [answer.code for answer in dialogues.hold(talk, steps, ends=False).answers()]


class Path:
    """`lockstep fault` in front of a relay, one command at a time."""

    def __init__(self, faults, url, words=()):
        self.folder = place.Folder("fault")
        self.transcripts = self.folder.path / "transcripts"
        settings = [word for name, value in dict(words).items()
                    for word in ("--set", f"{name}={value}")]
        self.process = Process("fault", [
            place.lockstep(), "fault", "command !END do alone", *faults, "--listen",
            "127.0.0.1:0", "--seed", "1", "--upstream", url, *settings,
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


def clear(port):
    return f"smtp://127.0.0.1:{port}"


def codes_through(path, steps, ends=True):
    """What the relay answers when a client says this to the path."""
    with wire.Conversation(path.port, seconds=10) as talk:
        try:
            dialogues.hold(talk, steps, ends)
        except OSError:
            pass  # it waits for an answer that the fault has cost it
    return path.heard()


class Reproduced(unittest.TestCase):
    table = {}  # row: (faults, {server: codes})

    def same(self, row, server, faults, got, wanted):
        self.table.setdefault(row, (faults, {}))[1][server] = got
        self.assertEqual(got[:len(wanted)], wanted)

    def compare(self, server):
        with SERVERS[server]() as relay:
            cases = {**CASES, **(CHUNK_CASES if server in CHUNK_SERVERS else {})}
            for row, (faults, steps) in cases.items():
                with self.subTest(server=server, row=row), \
                        Path(faults, clear(relay.port)) as path:
                    ends = row not in CHUNK_CASES  # Exim may wait for more chunks behind QUIT
                    self.same(row, server, faults, codes_through(path, steps, ends),
                              codes_directly(relay.port, ORDERS[row]))

    def compare_login(self, server):
        with LOGINS[server]() as relay:
            context = None if relay.clear else relay.context()
            port = relay.port if relay.clear else relay.tls_port
            url = clear(port) if relay.clear else f"smtps://127.0.0.1:{port}"
            words = () if relay.clear else relay.words()
            for row, (faults, steps) in LOGIN_CASES.items():
                with self.subTest(server=server, row=row), Path(faults, url, words) as path:
                    self.same(row, server, faults, codes_through(path, steps),
                              codes_directly(port, ORDERS[row], context))
            with self.subTest(server=server, row="R7"):
                self.compare_secured(server, relay)

    def compare_secured(self, server, relay):
        """R7: the box is a lockstep that puts nothing right; it says EHLO and STARTTLS itself, and
        what comes from the path is the first that the relay hears behind it."""
        off = "repairs: {missing-greeting: off, replay-envelope: off, repeated-auth: off}"
        words = "\n".join(f"{name}: '{value}'" for name, value in relay.words().items())
        faults, steps = SECURED
        with proxy.Proxy(addresses=[f"starttls://127.0.0.1:{relay.port}"], relay=words,
                         settings=off) as box, Path(faults, clear(box.port)) as path:
            self.same("R7", server, faults, codes_through(path, steps),
                      codes_directly(relay.port, ORDERS["R7"], relay.context(), starttls=True))

    def compare_refused(self, server):
        faults, steps = REFUSING_CASE
        with self.subTest(server=server, row="R12"), REFUSING[server]() as relay, \
                Path(faults, clear(relay.port)) as path:
            self.same("R12", server, faults, codes_through(path, steps),
                      codes_directly(relay.port, ORDERS["R12"]))

    def test_hmailserver(self):
        """R15, at the sink that plays it: nobody has the server itself."""
        faults, steps = CASES["R14"]
        folder = place.Folder("sink")
        sink = Process("sink", [place.lockstep(), "sink", "--listen", "127.0.0.1:0",
                                "--personality", "hmailserver"], folder.path)
        try:
            with Path(faults, clear(sink.await_ready()[0])) as path:
                self.same("R15", "hmailserver", faults, codes_through(path, steps),
                          [220, 250, 503, 250, 221])
        finally:
            sink.stop()
            folder.remove()


def _add_tests():
    for compare, servers in ((Reproduced.compare, SERVERS), (Reproduced.compare_login, LOGINS),
                             (Reproduced.compare_refused, REFUSING)):
        for server in servers:
            name = compare.__name__.replace("compare", "test") + "_" + server
            setattr(Reproduced, name, lambda self, c=compare, s=server: c(self, s))


_add_tests()


def print_table():
    """Which fault gives which answers, behind the banner; of R12, from the banner on."""
    names = [*SERVERS, "hmailserver"]
    print(f"\n{'row':10}{'fault':62}" + "".join(f"{name:22}" for name in names))
    rows = sorted(Reproduced.table.items(), key=lambda row: int(re.match(r"R(\d+)", row[0])[1]))
    for row, (faults, cells) in rows:
        first = 0 if row == "R12" else 1
        print(f"{row:10}{' + '.join(faults)[:60]:62}" + "".join(
            f"{' '.join(map(str, cells.get(name, [])[first:]))[:21]:22}" for name in names))
    print()


unittest.addModuleCleanup(print_table)


if __name__ == "__main__":
    suite.main()
