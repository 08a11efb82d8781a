"""Every broken client of the catalogue against real relays, directly and through lockstep.

Nothing that worked directly fails through lockstep, but for attacks; and what a row expects comes of
it at every relay. Each row is printed: what it says, and per relay how it went -> through lockstep.
A row whose repairs this lockstep does not know is skipped, visibly.
"""

import concurrent.futures
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import broken_clients as broken  # noqa: E402
from support import certificates, packages, place, proxy, relays, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402

KEYS = ("sink", "postfix", "exim", "opensmtpd", "sendmail", "haraka")
SECONDS = 15          # for a reply; a row that hears nothing for so long is given up
SECONDS_TO_STORE = 20
AT_ONCE = 4           # conversations: OpenSMTPD has room for 5 that it did not accept yet
TABLE = {}            # (row, key) -> "direct -> lockstep"


def known_repairs():
    """What this lockstep can switch, and whether it is on where nobody says so."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "lockstep.yaml"
        path.write_text("config_version: 1\nrelays: {r: {address: smtp://192.0.2.1}}\n"
                        "listeners: [{name: a, listen: 127.0.0.1:25, relay: r}]\n",
                        encoding="ascii")
        shown = subprocess.run([place.lockstep(), "check", "-c", path], capture_output=True,
                               text=True, timeout=60, check=True).stdout
    section = re.search(r"^    repairs:\n((?:      \S.*\n)+)", shown, re.MULTILINE)
    return dict(re.findall(r"^      ([a-z-]+): (on|off)", section.group(1), re.MULTILINE))


KNOWN = known_repairs()


def unknown(row):
    return sorted(set(row.repairs) - set(KNOWN))


class Outcome:
    """What the client saw: the codes in turn, and whether its message was taken."""

    def __init__(self):
        self.codes = []
        self.taken = False   # 250 to the message
        self.stored = False

    def __str__(self):
        word = "ok" if self.stored else "no"
        return f"{word} {self.codes[-1] if self.codes else '-'}"


class Client:
    """Plays one row on one connection."""

    def __init__(self, port, row, number):
        self.row = row
        self.message = (f"X-Lockstep-Test: {number}\r\nFrom: <{row.author}>\r\n"
                        f"Subject: {row.entry}\r\n\r\nwords\r\n").encode()
        self.outcome = Outcome()
        self.last = b""
        self.data = False  # what was written last had the message in it
        self.talk = wire.Conversation(port, seconds=SECONDS)

    def play(self):
        with self.talk:
            try:
                for part in self.row.wire:
                    if not self.happens(part):
                        break
            except (wire.Broken, OSError) as error:
                self.outcome.codes.append("silent" if isinstance(error, socket.timeout) else "end")
        return self.outcome

    def happens(self, part):
        """False: that was all."""
        if isinstance(part, bytes):
            self.say(part)
        elif isinstance(part, int):
            for _ in range(part):
                self.hear()
        elif part == broken.IF_354:
            return self.last.startswith(b"354")
        elif part == broken.TLS:
            self.secure()
        elif part == broken.REST:
            self.rest()
        elif part == broken.DROP:
            return False
        else:
            return part[1] in self.last
        return True

    def say(self, text):
        self.data = broken.MESSAGE in text or b"%RAW%" in text
        self.talk.say(text.replace(broken.MESSAGE, wire.stuffed(self.message))
                      .replace(b"%LENGTH%", b"%d" % len(self.message))
                      .replace(b"%RAW%", self.message))

    def hear(self):
        self.last = self.talk.reply()
        self.outcome.codes.append(self.last.code)
        self.outcome.taken = self.outcome.taken or (self.data and self.last.code == 250)

    def secure(self):
        if self.last.startswith(b"220"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.talk.secure(context)

    def rest(self):
        """A server that does not end the session is left after its answers; who says nothing is
        given a moment only, because that is all that can come."""
        self.talk.socket.settimeout(1)
        try:
            text = self.talk.rest()
        except socket.timeout:
            text, self.talk.held = self.talk.held, b""
        codes = [int(code) for code in re.findall(rb"^(\d{3})[ \r]", text, re.MULTILINE)]
        self.outcome.codes += codes
        self.outcome.taken = self.outcome.taken or (354, 250) in zip(codes, codes[1:])


def play(port, row, number):
    return Client(port, row, number).play()


def listeners_of(rows, leaf):
    """YAML of one listener for each set of settings, and the place of each row's."""
    texts = []
    places = {}
    for row in rows:
        switched = [name for name in row.repairs if KNOWN[name] == "off"]
        text = (row.listener(switched).replace("%CERTIFICATE%", str(leaf.certificate))
                .replace("%KEY%", str(leaf.key)))
        if text not in texts:
            texts.append(text)
        places[row] = texts.index(text) + 1  # the first is the proxy's own
    yaml = "\n".join(f"- name: l{at}\n  listen: 127.0.0.1:0\n  relay: relay\n"
                     + "\n".join("  " + line for line in text.splitlines())
                     for at, text in enumerate(texts))
    return yaml, places


class External(relays.Exim):
    """Takes whoever says that somebody else knows him; the one of these relays that asks for it."""

    authenticators = """begin authenticators
EXTERNAL:
  driver = plaintext
  public_name = EXTERNAL
  server_prompts = Well?
  server_condition = ${if eq{$auth1}{}}
"""


class Broken(unittest.TestCase):
    """A subclass per relay; `key` names it in relays.RELAYS."""

    key = None
    numbers = iter(range(1, 1 << 30))

    @classmethod
    def setUpClass(cls):
        cls.folder = place.Folder("broken")
        cls.addClassCleanup(cls.folder.remove)
        cls.leaf = certificates.Authority(cls.folder.path).issue("localhost")
        cls.relay = External() if cls.key == "exim" else relays.RELAYS[cls.key]()
        cls.addClassCleanup(cls.relay.stop)
        cls.rows = [row for row in broken.ROWS if not row.elsewhere and not unknown(row)]

    def play(self, ports, direct=False):
        """Row -> its outcome, each with a message of its own."""
        numbers = {row: next(self.numbers) for row in self.rows}
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            playing = {row: pool.submit(play, ports[row], row, numbers[row])
                       for row in self.rows}
            outcomes = {row: one.result() for row, one in playing.items()}
        taken = [row for row in self.rows
                 if outcomes[row].taken and not (direct and row.misread)]
        wanted = {numbers[row] for row in taken}
        try:
            place.await_true("the relay to store", lambda: wanted <= set(self.stored()),
                             SECONDS_TO_STORE)
        except TimeoutError:
            pass
        stored = self.stored()
        for row in self.rows:
            outcomes[row].stored = numbers[row] in stored
            self.assertLessEqual(stored.count(numbers[row]), 1, f"{row.name}: stored twice")
            if row in taken:
                self.assertTrue(outcomes[row].stored, f"{row.name}: taken, and not stored")
        return outcomes

    def stored(self):
        """The numbers of the messages that are there."""
        found = []
        for path in self.relay.files("one"):
            found += re.findall(rb"^X-Lockstep-Test: (\d+)\r?$", path.read_bytes(), re.MULTILINE)
        return [int(number) for number in found]

    def play_through_lockstep(self):
        yaml, places = listeners_of(self.rows, self.leaf)
        with proxy.Proxy(self.relay.port, listeners=yaml) as lockstep:
            return self.play({row: lockstep.ports[places[row]] for row in self.rows})

    def test_broken(self):
        direct = self.play({row: self.relay.port for row in self.rows}, direct=True)
        through = self.play_through_lockstep()
        for row in self.rows:
            TABLE[row, self.key] = f"{direct[row]} -> {through[row]}"
            with self.subTest(row=row.name):
                told = f"directly {direct[row].codes}, through lockstep {through[row].codes}"
                if direct[row].stored and not row.attack:
                    self.assertTrue(through[row].stored, f"it worked directly: {told}")
                if row.attack:
                    self.assertFalse(through[row].stored, f"{row.attack}: {told}")
                elif row.expected is not None and self.key in (row.relays or KEYS):
                    self.assertEqual(through[row].stored, row.expected == broken.DELIVERED, told)


class Rows(unittest.TestCase):
    def test_every_entry_has_a_row(self):
        entries = {row.entry for row in broken.ROWS}
        missing = {"B-%02d" % number for first, last in ((1, 14), (20, 38), (40, 50), (60, 70))
                   for number in range(first, last + 1)} - entries - {"B-39"}
        self.assertEqual(missing, set())

    def test_every_row_is_played(self):
        """Skipped, and said so, while this lockstep does not know a row's repairs."""
        skipped = {row.name: unknown(row) for row in broken.ROWS if unknown(row)}
        if skipped:
            packages.skip("repairs unknown to this lockstep: " + "; ".join(
                f"{name} ({', '.join(names)})" for name, names in skipped.items()))


class Replies(unittest.TestCase):
    """What only an upstream of the test's own shows."""

    def start(self, settings="", **words):
        self.relay = Polite(**words)
        upstream = Upstream(self.relay)
        self.addCleanup(upstream.stop)
        lockstep = proxy.Proxy(upstream.port, listener=settings)
        self.addCleanup(lockstep.stop)
        return lockstep

    def test_one_line_for_clients_that_read_one(self):
        """B-09: the second line of a reply is the answer to the next command, to such a client."""
        replies = {"GREETING": b"220-fake.test\r\n220 no spam\r\n",
                   "HELO": b"250-hello\r\n250 you\r\n",
                   "MAIL": b"250-2.1.0 sender\r\n250 2.1.0 ok\r\n",
                   "RCPT": b"250-2.1.5 recipient\r\n250 2.1.5 ok\r\n"}
        for flat, wanted in (("off", [220, 220, 250, 250, 250]), ("on", [220, 250, 250, 250, 354])):
            lockstep = self.start(f"repairs: {{flat-replies: {flat}}}", replies=replies)
            with self.subTest(flat=flat), wire.Conversation(lockstep.port) as talk:
                codes = [talk._line()[:3]]
                for command in (b"HELO c", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"DATA"):
                    talk.say(command + b"\r\n")
                    codes.append(talk._line()[:3])
                self.assertEqual([int(code) for code in codes], wanted)

    def test_one_write_for_one_reply(self):
        """B-10: some clients can't cope with a reply in pieces, whatever pieces it came in."""
        lockstep = self.start(replies={"HELP": b"214-one\r\n214-two\r\n214 three\r\n"})
        before = None
        with wire.Conversation(lockstep.port) as talk:
            for ask in (lambda: talk.reply(), lambda: talk.ask(b"EHLO c"),
                        lambda: talk.ask(b"HELP"), lambda: talk.ask(b"MAIL FROM:<a@b>")):
                before = segments_in(talk.socket) if before is not None else 0
                ask()
                self.assertEqual(segments_in(talk.socket) - before, 1)

    def test_a_421_and_a_command_cross(self):
        """F-34, R-55: both lie there when lockstep looks, and the command gets no other's answer."""
        talks = []

        def greets(talk):
            talks.append(talk)
            talk.say(b"220 fake.test ESMTP\r\n")
            while True:
                talk.line()
                talk.say(b"250 2.0.0 ok\r\n")

        upstream = Upstream(greets)
        self.addCleanup(upstream.stop)
        lockstep = proxy.Proxy(upstream.port, listener="repairs: {replay-envelope: off}")
        self.addCleanup(lockstep.stop)
        with wire.Conversation(lockstep.port) as talk:
            talk.open()
            lockstep.process.child.send_signal(signal.SIGSTOP)
            try:
                talks[0].say(b"421 4.4.2 fake.test idle too long\r\n")
                talks[0].socket.shutdown(socket.SHUT_RDWR)
                talk.say(b"MAIL FROM:<a@b>\r\n")
            finally:
                lockstep.process.child.send_signal(signal.SIGCONT)
            self.assertEqual(talk.rest(), b"421 4.4.2 fake.test idle too long\r\n")


def segments_in(connection):
    """Data segments that came so far: tcpi_data_segs_in of struct tcp_info (linux/tcp.h)."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int.from_bytes(info[152:156], sys.byteorder)


def cases():
    for key in KEYS:
        yield type("Broken_" + key, (Broken,), {"key": key})


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case)
                              for case in (Rows, Replies, *cases()))


def print_table():
    """Per relay: was it delivered, and the last code the client heard, direct -> lockstep."""
    print(f"\n{'broken client':44}" + "".join(f"{key:>20}" for key in KEYS))
    for row in broken.ROWS:
        if row.elsewhere:
            print(f"{row.name:44}    {row.elsewhere}")
        elif unknown(row):
            print(f"{row.name:44}    SKIPPED, no such repair: {', '.join(unknown(row))}")
        else:
            print(f"{row.name:44}" + "".join(f"{TABLE.get((row, key), '-'):>20}" for key in KEYS))
    print()


unittest.addModuleCleanup(print_table)


if __name__ == "__main__":
    suite.main()
