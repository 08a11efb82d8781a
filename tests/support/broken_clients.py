"""Broken clients, as data: what each puts on the wire, what lockstep is told to do about it, and
what must come of it. One row or more for every B-entry of the catalogue of broken clients.

A wire is a tuple of what happens in turn:
    bytes       are written at once; MESSAGE in them is the row's message, dot-stuffed, with its dot
    a number    so many replies are read, whatever they say
    IF_354      what follows is left out unless the last reply was 354
    TLS         the handshake, where the last reply was 220
    NEEDS(x)    the client gives up unless the last reply holds x
    REST        everything until the server ends
    DROP        the client closes, in the middle of whatever it was
"""

import base64

from support import artefacts
from support.relays import STRANGER

MESSAGE = b"%MESSAGE%"
IF_354, TLS, REST, DROP = "if 354", "tls", "rest", "drop"


def NEEDS(text):
    return ("needs", text)


HELO = (b"HELO client.test\r\n", 1)
EHLO = (b"EHLO client.test\r\n", 1)
SENDER = b"MAIL FROM:<sender@client.test>\r\n"
RECIPIENT = b"RCPT TO:<one@lockstep.test>\r\n"
NOBODY = b"RCPT TO:<nobody-there@lockstep.test>\r\n"
ENVELOPE = (SENDER, 1, RECIPIENT, 1)
DATA = (b"DATA\r\n", 1, IF_354, MESSAGE, 1)
QUIT = (b"QUIT\r\n", 1)
END = DATA + QUIT
STARTTLS = (b"STARTTLS\r\n", 1, TLS)

# Whatever is said is taken (`auth.clients: accept`), so that it is the way of saying that counts.
NAME = b"scanner"
PASSWORD = artefacts.secret("a-scanner's-password").encode()


def _base64(text):
    return base64.b64encode(text)


PLAIN = _base64(b"\0" + NAME + b"\0" + PASSWORD)
ACCEPT = "auth: {clients: accept, clear: on}"
OFFER_TLS = "tls: {offer: starttls, certificate: %CERTIFICATE%, key: %KEY%}"

ACCOUNT = "rewrite: {sender: sender@client.test}"

DELIVERED, REFUSED = "delivered", "refused"


class Row:
    """`repairs` are switched on; `settings` are other lines of the listener. `expected` is what comes
    of it through lockstep. An `attack` is not to succeed there although it may directly."""

    attack = None     # why
    misread = False   # directly it may be taken for somebody else, whose mail nobody looks at
    elsewhere = None  # the test that has it, because no raw client of one relay shows it
    relays = ()       # `expected` is only of these, where others have not what it takes
    author = "sender@client.test"
    settings = ()

    def __init__(self, entry, says, wire=(), expected=DELIVERED, repairs=(), **facts):
        self.entry = entry
        self.says = says
        self.wire = wire
        self.expected = expected
        self.repairs = repairs
        for fact, value in facts.items():
            setattr(self, fact, value)

    @property
    def name(self):
        return f"{self.entry} {self.says}"

    def listener(self, repairs):
        """The lines of its listener."""
        switched = ", ".join(f"{name}: on" for name in sorted(repairs))
        return "\n".join([*self.settings, f"repairs: {{{switched}}}"])


def _hello_of_tls():
    return b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(range(32)) + b"\n" * 150


HTTP = (b"POST /mail HTTP/1.1\r\nHost: relay.lockstep.test\r\nContent-Length: 999\r\n\r\n"
        b"EHLO client.test\r\n" + SENDER + RECIPIENT + b"DATA\r\n" + MESSAGE + b"QUIT\r\n", REST)
BY_FORM = "whoever gets a browser to post a form would have mail sent"

ROWS = (
    # The start of a session.
    Row("B-01", "talks before the banner",
        (b"EHLO client.test\r\n", 2) + ENVELOPE + END, repairs=("early-talk",)),
    Row("B-02", "no EHLO at all", (1,) + ENVELOPE + END, repairs=("missing-greeting",)),
    Row("B-03", "EHLO without a name",
        (1, b"EHLO\r\n", 1, b"HELO (null)\r\n", 1) + ENVELOPE + END, repairs=("junk-helo",)),
    Row("B-03", "EHLO with two words", (1, b"EHLO my pc\r\n", 1) + ENVELOPE + END,
        repairs=("junk-helo",)),
    Row("B-04", "HELO, then ESMTP",
        (1,) + HELO + (b"MAIL FROM:<sender@client.test> SIZE=1000 BODY=8BITMIME\r\n", 1,
                       RECIPIENT, 1) + END, repairs=("upgrade-helo", "unknown-parameter")),
    Row("B-05", "no EHLO after STARTTLS", (1,) + EHLO + STARTTLS + ENVELOPE + END,
        repairs=("missing-greeting",), settings=(OFFER_TLS,)),
    Row("B-06", "STARTTLS before EHLO", (1,) + STARTTLS + EHLO + ENVELOPE + END,
        repairs=("missing-greeting",), settings=(OFFER_TLS,)),
    Row("B-07", "STARTTLS once more", (1,) + EHLO + STARTTLS + EHLO + (b"STARTTLS\r\n", 1) +
        ENVELOPE + END, settings=(OFFER_TLS,)),
    Row("B-08", "no QUIT", (1,) + EHLO + ENVELOPE + DATA + (DROP,), repairs=("missing-quit",)),
    Row("B-09", "reads one line", elsewhere="Replies.test_one_line_for_clients_that_read_one"),
    Row("B-10", "wants a reply in one piece", elsewhere="Replies.test_one_write_for_one_reply"),
    Row("B-11", "HTTP", HTTP, REFUSED, ("http",), attack=BY_FORM),
    Row("B-12", "TLS on a plain port", (_hello_of_tls(), REST), REFUSED, ("tls-on-plain-port",)),
    Row("B-12", "SSL 2", (1, b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + b"\n" * 40, REST),
        REFUSED, ("tls-on-plain-port",)),
    Row("B-13", "old TLS", elsewhere="test_tls.py"),
    Row("B-14", "PROXY header", (b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 25\r\n", 2) + EHLO +
        ENVELOPE + END, REFUSED, ("proxy-header",),
        attack="nobody may say for others where they come from"),
    # Pipelining and order.
    Row("B-20", "pipelines unasked", (1,) + EHLO + (SENDER + RECIPIENT + b"DATA\r\n", 3, IF_354,
                                                    MESSAGE + b"QUIT\r\n", 2)),
    Row("B-21", "message behind DATA", (1,) + EHLO + ENVELOPE + (b"DATA\r\n" + MESSAGE, 2) + QUIT,
        repairs=("early-body",)),
    Row("B-22", "DATA after a refused RCPT",
        (1,) + EHLO + (SENDER, 1, NOBODY, 1, b"DATA\r\n", 1) + QUIT, REFUSED,
        ("refused-recipients",)),
    Row("B-23", "RCPT and DATA after a refused MAIL",
        (1,) + EHLO + (b"MAIL FROM:<sender @client.test> XYZ=1\r\n", 1, RECIPIENT, 1,
                       b"DATA\r\n", 1) + QUIT, REFUSED, ("refused-sender",)),
    Row("B-24", "message after a refused DATA",
        (1,) + EHLO + (SENDER, 1, NOBODY, 1, b"DATA\r\n", 1, MESSAGE, REST), REFUSED,
        ("stray-body",)),
    Row("B-25", "MAIL while one is open", (1,) + EHLO + (SENDER, 1) + ENVELOPE + END,
        repairs=("nested-mail",)),
    Row("B-26", "no MAIL", (1,) + EHLO + (RECIPIENT, 1) + END, repairs=("missing-sender",),
        settings=("rewrite: {default-sender: device@client.test}",)),
    Row("B-27", "RCPT before MAIL", (1,) + EHLO + (RECIPIENT, 1, SENDER, 1) + END, REFUSED),
    Row("B-28", "NOOP for ever", (1,) + EHLO + (b"NOOP\r\n", 1) * 30 + ENVELOPE + END,
        repairs=("local-noop",)),
    Row("B-29", "EHLO again", (1,) + EHLO + EHLO + ENVELOPE + END, repairs=("second-greeting",)),
    # The envelope.
    Row("B-30", "blanks round the colon", (1,) + EHLO + (
        b"mail from : sender@client.test\r\n", 1, b"rcpt  to: <one@lockstep.test>\r\n", 1) + END,
        repairs=("path-syntax",)),
    Row("B-31", "names and routes in a path", (1,) + EHLO + (
        b"MAIL FROM:<The Dude <sender@client.test>>\r\n", 1,
        b"RCPT TO:<@mx.client.test:one@lockstep.test>\r\n", 1) + END, repairs=("path-syntax",)),
    Row("B-32", "apostrophes round an address", (1,) + EHLO + (
        SENDER, 1, b"RCPT TO:<'one@lockstep.test'>\r\n", 1) + END, repairs=("quoted-address",),
        misread=True),
    Row("B-33", "blanks and a dot at the end", (1,) + EHLO + (
        b"MAIL FROM:<sender@client.test> \t\r\n", 1, b"RCPT TO:<one@lockstep.test.>\r\n", 1) + END,
        repairs=("trailing-blank", "trailing-dot"), misread=True),
    Row("B-33", "<@>", (1,) + EHLO + (b"MAIL FROM:<@>\r\n", 1, RECIPIENT, 1) + END,
        repairs=("empty-path",)),
    Row("B-34", "sender without a domain", (1,) + EHLO + (
        b"MAIL FROM:<scanner>\r\n", 1, RECIPIENT, 1) + END, repairs=("unqualified",),
        settings=("rewrite: {domain: client.test}",)),
    Row("B-35", "sender of somebody else", (1,) + EHLO + (
        b"MAIL FROM:<%s>\r\n" % STRANGER.encode(), 1, RECIPIENT, 1) + END,
        repairs=("match-sender",), settings=(ACCOUNT,)),
    Row("B-35", "author is somebody else", (1,) + EHLO + ENVELOPE + END, author=STRANGER,
        repairs=("match-header-from",), settings=(ACCOUNT,)),
    Row("B-36", "parameters nobody offered", (1,) + EHLO + (
        b"MAIL FROM:<sender@client.test> AUTH=<> SIZE=1000 BODY=7BIT\r\n", 1, RECIPIENT, 1) + END,
        repairs=("unknown-parameter",)),
    Row("B-37", "8 bits undeclared", (1,) + EHLO + ENVELOPE + (
        b"DATA\r\n", 1, IF_354, b"Subject: caf\xe9\r\n" + MESSAGE, 1) + QUIT),
    Row("B-38", "UTF-8 undeclared", (1,) + EHLO + (
        "MAIL FROM:<jürgen@client.test>\r\n".encode(), 1, RECIPIENT, 1) + END, None),
    # AUTH.
    Row("B-40", "reads AUTH= only", (1,) + EHLO + (
        NEEDS(b"AUTH="), b"AUTH PLAIN " + PLAIN + b"\r\n", 1, NEEDS(b"235")) + ENVELOPE + END,
        settings=("auth: {clients: accept, clear: on, equals: on}",)),
    Row("B-41", "AUTH login with the name", (1,) + EHLO + (
        b"AUTH login " + _base64(NAME) + b"\r\n", 1, NEEDS(b"334"), _base64(PASSWORD) + b"\r\n", 1,
        NEEDS(b"235")) + ENVELOPE + END, settings=(ACCEPT,)),
    Row("B-42", "knows two prompts", (1,) + EHLO + (
        b"AUTH LOGIN\r\n", 1, NEEDS(b"334 VXNlcm5hbWU6"), _base64(NAME) + b"\r\n", 1,
        NEEDS(b"334 UGFzc3dvcmQ6"), _base64(PASSWORD) + b"\r\n", 1, NEEDS(b"235")) + ENVELOPE +
        END, settings=(ACCEPT,)),
    Row("B-43", "asks for a password when it can", elsewhere="scenarios/inject/client-auth-hidden"),
    Row("B-44", "can't log in", elsewhere="test_credentials.py"),
    Row("B-45", "logs in twice", (1,) + EHLO + (
        b"AUTH PLAIN " + PLAIN + b"\r\n", 1, NEEDS(b"235"), b"AUTH PLAIN " + PLAIN + b"\r\n", 1) +
        ENVELOPE + END, repairs=("repeated-auth",), settings=(ACCEPT,)),
    Row("B-46", "AUTH after HELO", (1,) + HELO + (
        b"AUTH PLAIN " + PLAIN + b"\r\n", 1, NEEDS(b"235")) + ENVELOPE + END,
        repairs=("unadvertised-auth",), settings=(ACCEPT,)),
    Row("B-47", "nothing instead of =", (1,) + EHLO + (
        NEEDS(b"EXTERNAL"), b"AUTH EXTERNAL \r\n", 1, NEEDS(b"235")) + ENVELOPE + END,
        repairs=("empty-initial-response",), relays=("exim",)),
    Row("B-48", "base64 with blanks", (1,) + EHLO + (
        b"AUTH PLAIN " + PLAIN[:8] + b" " + PLAIN[8:] + b"\r\n", 1, NEEDS(b"235")) + ENVELOPE + END,
        REFUSED, settings=(ACCEPT,)),
    Row("B-49", "a long AUTH line", (1,) + EHLO + (
        b"AUTH PLAIN " + _base64(b"\0" + NAME + b"\0" + PASSWORD * 40) + b"\r\n", 1,
        NEEDS(b"235")) + ENVELOPE + END, settings=(ACCEPT,)),
    Row("B-50", "POP before SMTP", elsewhere="test_pop.py"),
    # The message.
    Row("B-60", "a raw dot inside", (1,) + EHLO + ENVELOPE + (
        b"DATA\r\n", 1, IF_354, MESSAGE + b"the rest\r\n.\r\n", 1, REST)),
    Row("B-61", "bare LF", (1,) + EHLO + ENVELOPE + (
        b"DATA\r\n", 1, IF_354, b"Subject: bare\n" + MESSAGE, 1) + QUIT, repairs=("bare-lf",)),
    Row("B-61", "bare LF in commands", (1, b"EHLO client.test\n", 1, SENDER.replace(b"\r", b""), 1,
                                        RECIPIENT.replace(b"\r", b""), 1) + END,
        repairs=("bare-lf",)),
    Row("B-62", "CR CR LF", (1,) + EHLO + ENVELOPE + (
        b"DATA\r\n", 1, IF_354, b"Subject: doubled\r\r\n" + MESSAGE, 1) + QUIT,
        repairs=("doubled-cr",)),
    Row("B-63", "a From line as a command", (1,) + EHLO + (
        b"From sender@client.test Thu Jan  1 00:00:00 2026\r\n", 1) + ENVELOPE + END, None),
    Row("B-63", "a From line before the message", (1,) + EHLO + ENVELOPE + (
        b"DATA\r\n", 1, IF_354, b"From sender@client.test Thu Jan  1 00:00:00 2026\r\n" + MESSAGE,
        1) + QUIT, repairs=("from-line",)),
    Row("B-64", "a line of 1500 bytes", (1,) + EHLO + ENVELOPE + (
        b"DATA\r\n", 1, IF_354, b"X-Long: " + b"x" * 1500 + b"\r\n" + MESSAGE, 1) + QUIT, None),
    Row("B-65", "no line end before the dot", (1,) + EHLO + ENVELOPE + (
        b"DATA\r\n", 1, IF_354, b"no end.\r\n", DROP), REFUSED),
    Row("B-66", "a lie about the size", (1,) + EHLO + (
        b"MAIL FROM:<sender@client.test> SIZE=1\r\n", 1, RECIPIENT, 1) + END, None),
    Row("B-67", "BDAT everywhere", (1,) + EHLO + ENVELOPE + (
        b"BDAT 12\r\nX-First: 1\r\n", 1, b"BDAT %LENGTH% LAST\r\n%RAW%", 1) + QUIT,
        repairs=("bdat-to-data",)),
    Row("B-68", "gone behind the dot", (1,) + EHLO + ENVELOPE + (
        b"DATA\r\n", 1, IF_354, MESSAGE, DROP), None),
    Row("B-69", "goes on after 421", elsewhere="scenarios/closing/421-*.smtp"),
    Row("B-70", "two threads on one socket", (1,) + EHLO + ENVELOPE + (
        b"DATA\r\nDATA\r\n", 1, IF_354, MESSAGE, 1) + QUIT, None),
)
