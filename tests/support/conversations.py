"""What clients say on a faulty path: kinds of conversation, and which of them a profile is held with.

A fault does nothing to whoever does not say what it acts upon. So each profile of config/faults has
its rows in TOUCHES; one that is not there is held with PLAIN, a client that writes its envelope in
one segment whatever it is offered.
"""

import base64
import dataclasses
import re
import select
import ssl

from support import relays, wire

ONE = b"one@lockstep.test"
TWO = b"two@lockstep.test"
NOBODY = b"nobody@lockstep.test"  # whom no relay has
SENDER = b"sender@client.test"
SMUGGLED = 1000000  # added to its number, the number of a message that stands in another

# The beginning of the EICAR test file, which is all that the profiles look for.
VIRUS = b"X5O!P%@AP"


# --- messages ---

def message(number, author=SENDER, *lines):
    """Awkward enough to show what is changed on the way, and larger than a segment."""
    return b"\r\n".join([
        b"%s %d" % (relays.MARK, number),
        b"From: <%s>" % author,
        b"To: <one@lockstep.test>",
        b"Date: Thu, 01 Jan 2026 00:00:00 +0000",
        b"Message-ID: <%d@client.test>" % number,
        b"Subject: caf\xc3\xa9",
        b"",
        b".one dot in front",
        b"eight bits: caf\xc3\xa9",
        b"x" * 990,
        *lines,
        *[b"line %d of a message that takes several segments" % i for i in range(60)],
        b"the end", b""])


def refused(number):
    """The relay takes none with that author."""
    return message(number, relays.STRANGER.encode())


def long_line(number):
    return message(number, SENDER, b"y" * 1500)


def long_field(number):
    return b"%s %d\r\nX-Long: %s\r\n" % (relays.MARK, number, b"z" * 5000) + message(number)


def infected(number):
    return message(number, SENDER, VIRUS, *[b"much more of it" * 4] * 100)


def smuggling(number):
    """CRs of their own, which a path that makes line ends of them takes for an end and a beginning."""
    inner = b"\r".join([b"the end of one", b".", b"MAIL FROM:<smuggler@client.test>",
                        b"RCPT TO:<two@lockstep.test>", b"DATA",
                        b"%s %d" % (relays.MARK, number + SMUGGLED), b"", b"and another"])
    return message(number, SENDER, inner)


# --- kinds ---

@dataclasses.dataclass(frozen=True)
class Kind:
    """One way to say a message. `service` is what it needs of a relay: one of the loop's ports."""

    service: str = "plain"
    hello: bytes = b"EHLO client.test"
    sender: bytes = SENDER
    recipients: tuple = (ONE,)
    text: object = message
    parameters: bytes = b""      # of MAIL
    notify: bytes = b""          # of RCPT
    before: tuple = ()           # lines that come before the envelope, one at a time
    within: tuple = ()           # and those that are said in one write with it
    at_once: str = "envelope"    # or line, hello, all: what one write brings
    early: bool = False          # talks before it is greeted
    trickles: bool = False       # writes byte by byte
    chunks: bool = False         # BDAT where it is offered
    tls: bool = False            # STARTTLS where it is offered
    behind_starttls: bytes = b""
    strict: bool = False         # only CRLF ends a line
    one_read: bool = False       # takes what comes in one read for one whole reply
    farewell: bool = False       # minds whether its QUIT is answered
    receipt: bool = False        # waits for a notice of delivery
    smuggles: bool = False       # holds a message that must not get out
    pause: float = 0             # seconds of silence before the envelope
    messages: int = 1            # in one session
    sessions: int = 1
    addresses: int = 1           # that lockstep knows of the relay


LONG_RECIPIENT = b"one+%s@lockstep.test" % (b"extension" * 9)
LONG_SENDER = b"sender@" + b".".join([b"d" * 60] * 4)
LOGIN = b"AUTH PLAIN %s"

KINDS = {
    "plain": Kind(),
    "one by one": Kind(at_once="line"),
    "before the banner": Kind("lenient", early=True),
    "all from EHLO on": Kind("lenient", at_once="hello"),
    "all in one write": Kind("lenient", at_once="all"),
    "byte by byte": Kind("lenient", trickles=True),
    "only CRLF": Kind(strict=True),
    "a reply is a read": Kind(at_once="line", one_read=True),
    "QUIT heard": Kind(farewell=True),
    "chunks": Kind(chunks=True),
    "TLS": Kind("tls", tls=True),
    "TLS, not waited for": Kind("tls", tls=True, behind_starttls=b"MAIL FROM:<%s>\r\n" % SENDER),
    "login with the envelope": Kind("login", within=(LOGIN,)),
    "login first": Kind("login", before=(LOGIN,)),
    "RSET with the envelope": Kind(within=(b"RSET",)),
    "one of two refused": Kind(recipients=(NOBODY, ONE)),
    "last of two refused": Kind(recipients=(ONE, NOBODY)),
    "all refused": Kind(recipients=(NOBODY,)),
    "two recipients": Kind(recipients=(ONE, TWO)),
    "two domains": Kind(recipients=(ONE, b"two@partner.test")),
    "101 recipients": Kind(recipients=(ONE,) * 101),
    "plus in the address": Kind(recipients=(b"one+tag@lockstep.test",)),
    "long recipient": Kind(recipients=(LONG_RECIPIENT,)),
    "long sender": Kind(sender=LONG_SENDER),
    "asks for 451": Kind(recipients=(b"451-greylisted@fault.test",)),
    "parameters": Kind(parameters=b" BODY=8BITMIME SIZE=9000"),
    "receipt": Kind(sender=TWO, notify=b" NOTIFY=SUCCESS", receipt=True),
    "odd name": Kind(hello=b"EHLO my_computer"),
    "VRFY": Kind(before=(b"VRFY one@lockstep.test",)),
    "unknown verbs": Kind(before=(b"XONE", b"XTWO", b"XTHREE", b"XFOUR", b"XFIVE")),
    "refused at the dot": Kind(text=refused),
    "slow relay": Kind("slow"),
    "idle": Kind(pause=2.5),
    "six messages": Kind(messages=6),
    "two sessions": Kind(sessions=2),
    "two addresses": Kind(sessions=2, addresses=2),
    "long line": Kind(text=long_line),
    "long field": Kind(text=long_field),
    "virus": Kind(text=infected),
    "lone CRs": Kind("lenient", text=smuggling, smuggles=True),
}

# What each profile acts upon.
TOUCHES = {
    "address-rewrite": ("plus in the address",),
    "bare-lf-replies": ("only CRLF",),
    "broken-pipelining-flush": ("one of two refused",),
    "broken-pipelining-last": ("last of two refused",),
    "broken-pipelining-none": ("all refused",),
    "checkpoint": ("two domains", "refused at the dot"),
    "cisco-asa": ("byte by byte", "101 recipients", "long field"),
    "cisco-pix": ("plain", "byte by byte"),
    "cisco-pix-noop": ("plain", "byte by byte"),
    "codeless-reply": ("unknown verbs",),
    "crlf-normaliser": ("lone CRs",),
    "duplicate-auth": ("login first",),
    "early-ack": ("refused at the dot",),
    "early-talk-nginx": ("before the banner",),
    "early-talk-postfix": ("all in one write",),
    "early-talk-sendmail": ("all from EHLO on", "all in one write"),
    "extreme-ap": ("VRFY", "QUIT heard"),
    "f-secure": ("one of two refused", "TLS"),
    "flap": ("two sessions", "two addresses"),
    "fold": ("long line",),
    "fortigate-bdat": ("chunks",),
    "fortimail": ("TLS", "odd name"),
    "greet-delay": ("before the banner",),
    "greet-teaser": ("before the banner",),
    "idle-expiry": ("idle",),
    "idle-expiry-reset": ("idle",),
    "isp-redirect": ("TLS",),
    "juniper-av": ("virus",),
    "keyword-first": ("TLS",),
    "lost-chunk": ("chunks",),
    "lost-command-250": ("two recipients",),
    "magic-addresses": ("asks for 451",),
    "no-farewell": ("QUIT heard",),
    "norton-2002": ("TLS",),
    "parameter-refuse": ("parameters",),
    "parameter-strip": ("receipt",),
    "rate-limit": ("six messages",),
    "reorder-auth": ("login with the envelope",),
    "reorder-ehlo": ("all from EHLO on",),
    "reorder-rset": ("RSET with the envelope",),
    "reorder-starttls": ("TLS, not waited for",),
    "rst-on-verb": ("chunks", "TLS"),
    "short-eod-timeout": ("slow relay",),
    "snort-inline": ("all in one write",),
    "sonicwall-av": ("virus",),
    "split-replies": ("a reply is a read",),
    "starttls-injected-command": ("TLS",),
    "starttls-injected-reply": ("TLS",),
    "starttls-strip": ("TLS",),
    "starttls-strip-verb": ("TLS",),
    "stormshield": ("unknown verbs", "long sender"),
    "symantec-sgs": ("byte by byte", "TLS"),
    "tls-blackhole": ("TLS",),
    "tls-failed": ("TLS",),
    "tls-old-only": ("TLS",),
    "tls-refused": ("TLS",),
    "truncate": ("long recipient",),
    "truncate-rest": ("long recipient",),
    "watchguard": ("TLS",),
    "zorp": ("long sender",),
}


def kinds_of(profile):
    """The names of the kinds that the profile is held with."""
    return TOUCHES.get(profile, ("plain",))


# --- a client ---

class Ear(wire.Conversation):
    """Reads replies as a kind of client does."""

    def __init__(self, port, kind, seconds):
        self.kind = kind
        super().__init__(port, seconds=seconds)

    def reply(self):
        if not self.kind.one_read:
            return super().reply()
        text = self.socket.recv(65536)
        if not re.fullmatch(rb"(\d{3}[ -][^\n]*\r\n)*\d{3}[ \r][^\n]*\n", text):
            raise wire.Broken(f"no reply: {text[:40]!r}" if text else "ended")
        return wire.Reply(text)

    def _line(self):
        line = super()._line()
        while self.kind.strict and not line.endswith(b"\r\n"):
            line += super()._line()
        return line

    def silence(self, seconds):
        """Says nothing for so long, unless something is heard."""
        select.select([self.socket], [], [], seconds)


class Refused(Exception):
    """A reply after which the client goes no further."""


class Client:
    """Says messages as its kind does, and keeps what it heard of them."""

    def __init__(self, kind, login=""):
        self.kind = kind
        self.login = base64.b64encode(login.encode())
        self.heard = []
        self.last = b""      # of the message at hand
        self.offered = set()
        self.taken = 0       # recipients
        self.accepted = 0    # of those, the ones whose message was
        self.sent = 0        # messages
        self.farewell = False
        self.talk = None

    def session(self, port, numbers, seconds):
        """A connection with those messages. Raises OSError or wire.Broken where it breaks."""
        with Ear(port, self.kind, seconds) as self.talk:
            try:
                self.greet()
                for number in numbers:
                    self.send(number)
            except Refused:
                pass
            self.talk.say(b"QUIT\r\n" if self.kind.at_once != "all" else b"")
            if self.kind.farewell:
                self.farewell = self.talk.reply().code == 221
                self.talk.rest()

    def say(self, text):
        if self.kind.trickles:
            self.talk.trickle(text)
        else:
            self.talk.say(text)

    def listen(self):
        self.last = self.talk.reply()
        self.heard.append(self.last)
        return self.last.code

    def need(self, *codes):
        if self.listen() not in codes:
            raise Refused

    def greet(self):
        if self.kind.early:
            self.say(self.kind.hello + b"\r\n")
        self.need(220)
        if self.kind.at_once in ("hello", "all"):
            return  # it says so with the rest
        self.hello(not self.kind.early)
        if self.kind.tls and b"STARTTLS" in self.offered:
            self.start_tls()
        for line in self.kind.before:
            self.say(line.replace(b"%s", self.login) + b"\r\n")
            if self.listen() != 235 and line == LOGIN:
                raise Refused

    def hello(self, say=True):
        """EHLO, and HELO where that fails."""
        for line in (self.kind.hello, self.kind.hello.replace(b"EHLO", b"HELO")):
            if say:
                self.say(line + b"\r\n")
            if self.listen() == 250:
                self.offered = {text[4:].split()[0] for text in self.last.splitlines()[1:]
                                if len(text) > 4}
                return
            say = True
        raise Refused

    def start_tls(self):
        """A client that has what it can get: it goes on in clear where it is refused."""
        self.say(b"STARTTLS\r\n" + self.kind.behind_starttls)
        if self.listen() != 220:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.talk.secure(context)
        self.hello()

    def envelope(self):
        """Its lines, and the codes that let it go on."""
        lines = [(line.replace(b"%s", self.login), (235, 250)) for line in self.kind.within]
        lines += [(b"MAIL FROM:<%s>%s" % (self.kind.sender, self.kind.parameters), (250,))]
        lines += [(b"RCPT TO:<%s>%s" % (name, self.kind.notify), None)
                  for name in self.kind.recipients]
        return lines

    def answers(self, lines):
        """Hears what belongs to them: the recipients that were taken, and the first refusal."""
        taken, refusal = 0, None
        for line, codes in lines:
            code = self.listen()
            taken += line.startswith(b"RCPT") and code in (250, 251)
            if refusal is None and code not in (codes or (250, 251)):
                refusal = self.last
        return taken, refusal

    def send(self, number):
        if self.kind.pause:
            self.talk.silence(self.kind.pause)
        if self.kind.chunks and b"CHUNKING" in self.offered:
            self.send_chunks(self.kind.text(number))
            return
        lines = self.envelope() + [(b"DATA", (354,))]
        text = wire.stuffed(self.kind.text(number))
        if self.kind.at_once in ("hello", "all"):
            lines.insert(0, (self.kind.hello, (250,)))
        if self.kind.at_once == "line":
            taken, refusal = self.one_by_one(lines)
        else:
            self.say(b"".join(line + b"\r\n" for line, _ in lines) +
                     (text + b"QUIT\r\n" if self.kind.at_once == "all" else b""))
            taken, refusal = self.answers(lines)
        if self.last.code != 354:
            self.last = refusal
            raise Refused
        if self.kind.at_once != "all":
            self.say(text)
        self.finish(taken)

    def one_by_one(self, lines):
        taken, refusal = 0, None
        for line in lines:
            self.say(line[0] + b"\r\n")
            one, other = self.answers([line])
            taken, refusal = taken + one, refusal or other
        return taken, refusal

    def send_chunks(self, text):
        lines = self.envelope()
        self.say(b"".join(line + b"\r\n" for line, _ in lines))
        taken, refusal = self.answers(lines)
        if not taken:
            self.last = refusal
            raise Refused
        parts = [text[:500], text[500:1500]]
        for part in parts:
            self.say(b"BDAT %d\r\n" % len(part) + part)
            self.need(250)
        rest = text[1500:]
        self.say(b"BDAT %d LAST\r\n" % len(rest) + rest)
        self.finish(taken)

    def finish(self, taken):
        self.sent += 1
        self.taken += taken
        if self.listen() == 250:
            self.accepted += taken
