"""Dialogues that show how an SMTP server talks: what is said to it, whatever it answers.

A step is a line, said when the step before was answered; a tuple of lines, said in one write; a
`Raw`, bytes with the number of answers they are worth; or a `Then`, said only if the last answer
has that code, so that one list serves servers that differ.
"""

import base64

from support import wire

ONE = b"RCPT TO:<one@lockstep.test>"
TWO = b"RCPT TO:<two@lockstep.test>"
NOSUCH = b"RCPT TO:<nosuch@lockstep.test>"
EHLO = b"EHLO client.test"
HELO = b"HELO client.test"
MAIL = b"MAIL FROM:<a@client.test>"
OTHER = b"MAIL FROM:<b@client.test>"
DATA = b"DATA"
WRONG = base64.b64encode(b"\0somebody\0wrong-word")


class Raw:
    """Bytes as they are, and how many answers they get."""

    def __init__(self, text, answers=1):
        self.text = text
        self.answers = answers


class Then(Raw):
    """The same, if the last answer has this code."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


BODY = Then(354, b"Subject: x\r\n\r\nx\r\n.\r\n")


def _raw(step):
    if isinstance(step, Raw):
        return step
    lines = step if isinstance(step, tuple) else (step,)
    return Raw(b"".join(line + b"\r\n" for line in lines), len(lines))


class Heard:
    """What one dialogue was answered: a list of (step, answers), and how it ended."""

    def __init__(self):
        self.steps = []
        self.rest = b""

    def answers(self):
        return [answer for _, answers in self.steps for answer in answers]


def hold(conversation, steps, ends=True):
    """Says `steps` and hears the answers, then QUIT and whatever comes until the end, unless the
    server is known not to end."""
    heard = Heard()
    early = isinstance(steps[0], Raw) and steps[0].answers == 0
    if early:
        conversation.say(steps[0].text)
    try:
        heard.steps.append((steps[0].text if early else b"", [conversation.reply()]))
        for step in map(_raw, steps[early:]):
            last = heard.answers()[-1]
            if isinstance(step, Then) and last.code != step.code:
                continue
            heard.steps.append((step.text, []))
            conversation.say(step.text)
            for _ in range(step.answers):
                heard.steps[-1][1].append(conversation.reply())
        if heard.answers()[-1].code == 354:
            conversation.say(b"\r\n.\r\n")
            heard.steps.append((b".\r\n", [conversation.reply()]))
        if ends:
            conversation.say(b"QUIT\r\n")
    except wire.Broken:
        pass
    if ends:
        heard.rest = conversation.rest()
    return heard


def chunk(text, last=False):
    return Raw(b"BDAT %d%s\r\n" % (len(text), b" LAST" if last else b"") + text)


ROWS = {
    "R1": [EHLO, ONE, MAIL, DATA, BODY],
    "R1 pipelined": [EHLO, (ONE, MAIL, DATA), BODY],
    "R2": [EHLO, MAIL, DATA, BODY, ONE],
    "R2 pipelined": [EHLO, (MAIL, DATA), BODY, ONE],
    "R3": [EHLO, MAIL, b"RSET", ONE, DATA],
    "R3 pipelined": [EHLO, (MAIL, b"RSET", ONE, DATA)],
    "R4": [EHLO, MAIL, ONE, OTHER, DATA, BODY],
    "R4 pipelined": [EHLO, (MAIL, ONE, OTHER, DATA), BODY],
    "R5": [EHLO, b"MAIL FROM:<a@client.test", ONE, DATA],
    "R5 pipelined": [EHLO, (b"MAIL FROM:<a@client.test", ONE, DATA)],
    "R6": [EHLO, MAIL, NOSUCH, DATA],
    "R6 pipelined": [EHLO, (MAIL, NOSUCH, DATA)],
    "R6 two": [EHLO, MAIL, NOSUCH, b"RCPT TO:<nosuch2@lockstep.test>", DATA],
    "R6 same": [EHLO, MAIL, NOSUCH, NOSUCH, DATA],
    "R6 helo": [HELO, MAIL, NOSUCH, DATA],
    "R6 noop": [EHLO, MAIL, NOSUCH, b"NOOP", DATA],
    "R6 syntax": [EHLO, MAIL, b"RCPT TO:<", DATA],
    "R6 one of two": [EHLO, (MAIL, NOSUCH, ONE, DATA), BODY],
    "R10": [EHLO, EHLO],
    "R10 helo": [HELO, HELO, EHLO],
    "R10 inside": [EHLO, MAIL, ONE, EHLO, ONE, DATA],
    "R11": [b"RSET", EHLO],
    "R14": [EHLO, b"XXXX", b"NOOP"],
    "R16": [EHLO, b"MAIL FROM:<a@client.test> FOO=BAR", b"MAIL FROM:<a@client.test> FOO",
            MAIL, ONE + b" FOO=BAR", ONE],
    "R16 helo": [HELO, b"MAIL FROM:<a@client.test> SIZE=1", MAIL,
                 ONE + b" NOTIFY=NEVER"],
    "R17": [HELO, MAIL, ONE],
}

# For servers that offer CHUNKING, and for those that do not.
CHUNKS = {
    "R13": [EHLO, MAIL, ONE, chunk(b"x\r\n"), DATA, ONE, MAIL],
    "R13 last": [EHLO, MAIL, ONE, chunk(b"Subject: x\r\n\r\nx\r\n", True), chunk(b"x", True)],
    "R13 alone": [EHLO, chunk(b"x\r\n"), MAIL, chunk(b"x\r\n"), b"RSET"],
    "R13 refused": [EHLO, MAIL, NOSUCH, chunk(b"x\r\n"), ONE, chunk(b"x\r\n"), b"RSET"],
    "R13 helo": [HELO, MAIL, ONE, chunk(b"x\r\n", True)],
    "early chunks": [EHLO, (MAIL, ONE), Raw(b"BDAT 3\r\nx\r\nBDAT 3 LAST\r\nx\r\n", 2)],
}
NO_CHUNKS = {"R13": [EHLO, b"BDAT 3", b"x", b"NOOP"]}

EVENTS = {
    "message": [EHLO, (MAIL, ONE, DATA), BODY, MAIL],
    "message serial": [EHLO, MAIL, ONE, DATA, BODY, ONE],
    "no hello": [MAIL, ONE, DATA, BODY],
    "no hello rcpt": [ONE, DATA, b"NOOP", b"VRFY one@lockstep.test", b"HELP"],
    "hello syntax": [b"EHLO", b"HELO", b"EHLO ", b"HELO a b", b"EHLO a b"],
    "hello odd": [b"EHLO a_b", b"EHLO [127.0.0.1]", b"EHLO a<b"],
    "hello odd helo": [b"HELO a_b", b"HELO a<b"],
    "lower case": [b"ehlo client.test", b"mail from:<a@client.test>",
                   b"rcpt to:<one@lockstep.test>", b"rset"],
    "mail syntax": [EHLO, b"MAIL", b"MAIL FROM:", b"MAIL FROM: <a@client.test>", b"RSET",
                    b"MAIL FROM:a@client.test"],
    "mail syntax 2": [EHLO, b"MAIL a@client.test", b"MAIL TO:<a@client.test>",
                      b"MAIL FROM:<a@client.test", b"RSET", b"MAIL FROM:<a b@client.test>"],
    "mail syntax 3": [EHLO, b"MAIL FROM <a@client.test>", b"MAIL FROM:<@>", b"RSET",
                      b"MAIL FROM:<a@>", b"RSET", b"MAIL FROM:<a>", b"RSET", b"MAIL FROM:<>"],
    "mail syntax 4": [EHLO, b"MAIL FROM:<.a@client.test>", b"RSET",
                      b"MAIL FROM:<a@client.test>x", b"RSET", b"MAIL FROM:<a(@client.test>",
                      b"RSET", b"MAIL FROM:<@x,@y:a@client.test>"],
    "rcpt syntax": [EHLO, MAIL, b"RCPT", b"RCPT TO:", b"RCPT TO:<>",
                    b"RCPT TO: <one@lockstep.test>", b"RCPT TO:two@lockstep.test"],
    "rcpt syntax 2": [EHLO, MAIL, b"RCPT one@lockstep.test", b"RCPT FROM:<one@lockstep.test>",
                      b"RCPT TO:<one@lockstep.test", b"RCPT TO:<no such@lockstep.test>"],
    "rcpt syntax 3": [EHLO, MAIL, b"RCPT TO:<@>", b"RCPT TO:<one@lockstep.test>x"],
    "rcpt syntax 4": [EHLO, MAIL, b"RCPT TO:<@x,@y:one@lockstep.test>"],
    "rcpt syntax 5": [EHLO, MAIL, b"RCPT TO:<one@>"],
    "arguments": [EHLO, b"NOOP x", b"RSET x", b"DATA x", b"NOOP"],
    "arguments data": [EHLO, MAIL, ONE, b"DATA x", Then(354, b"\r\n.\r\n"), b"NOOP"],
    "quit argument": [EHLO, b"QUIT x", b"NOOP"],
    "help": [EHLO, b"HELP", b"HELP MAIL", b"HELP XXXX"],
    "vrfy": [EHLO, b"VRFY", b"VRFY one@lockstep.test", b"VRFY nosuch@lockstep.test"],
    "expn": [EHLO, b"EXPN", b"EXPN one@lockstep.test"],
    "etrn": [EHLO, b"ETRN", b"ETRN lockstep.test"],
    "starttls": [EHLO, b"STARTTLS", b"STARTTLS x"],
    "auth off": [EHLO, b"AUTH PLAIN AHUAcA==", b"AUTH LOGIN", b"AUTH"],
    "auth off early": [b"AUTH LOGIN"],
    "old verbs": [EHLO, b"TURN", b"SEND FROM:<a@client.test>", b"SOML FROM:<a@client.test>"],
    "old verbs 2": [EHLO, b"SAML FROM:<a@client.test>", b"ATRN", b"BURL x"],
    "extension verbs": [EHLO, b"XCLIENT NAME=x", b"XFORWARD NAME=x"],
    "empty": [EHLO, b"", b" ", b"NOOP"],
    "blanks": [EHLO, b" NOOP", b"NOOP ", b"\tNOOP"],
    "get": [b"GET / HTTP/1.1", b"Host: x", b""],
    "post": [b"POST / HTTP/1.1", b"Host: x", b""],
    "connect": [b"CONNECT x:25 HTTP/1.1", b"NOOP"],
    "header": [EHLO, b"Subject: x", b"NOOP"],
    "nul": [EHLO, b"NO\0OP", b"NOOP"],
    "eight bit verb": [EHLO, b"NOOP\xc3\xa4", b"\xc3\xa4", b"NOOP \xc3\xa4"],
    "eight bit address": [EHLO, b"MAIL FROM:<\xc3\xa4@client.test>", b"RSET",
                          b"MAIL FROM:<\xc3\xa4@client.test> SMTPUTF8", b"RSET", MAIL,
                          b"RCPT TO:<nosuch\xc3\xa4@lockstep.test>"],
    "parameters": [EHLO, b"MAIL FROM:<a@client.test> SIZE=5 BODY=8BITMIME", b"RSET",
                   b"MAIL FROM:<a@client.test> SIZE=x", b"RSET",
                   b"MAIL FROM:<a@client.test> BODY=9BIT", b"RSET"],
    "parameters 2": [EHLO, b"MAIL FROM:<a@client.test> SIZE=1 SIZE=1", b"RSET",
                     b"MAIL FROM:<a@client.test> BODY=BINARYMIME", b"RSET",
                     b"MAIL FROM:<a@client.test> SMTPUTF8=1", b"RSET"],
    "parameters dsn": [EHLO, b"MAIL FROM:<a@client.test> RET=HDRS ENVID=x", ONE + b" NOTIFY=NEVER",
                       ONE + b" NOTIFY=x", ONE + b" NOTIFY=NEVER,DELAY",
                       ONE + b" ORCPT=rfc822;one@lockstep.test", b"RSET",
                       b"MAIL FROM:<a@client.test> RET=x"],
    "parameters auth": [EHLO, b"MAIL FROM:<a@client.test> AUTH=<>", b"RSET",
                        b"MAIL FROM:<a@client.test> NOTIFY=NEVER", b"RSET",
                        MAIL, ONE + b" SIZE=1"],
    "too big": [EHLO, b"MAIL FROM:<a@client.test> SIZE=99999999999", b"NOOP"],
    "bare lf": [EHLO, Raw(b"NOOP\n"), Raw(b"NOOP\nNOOP\r\n", 2), b"NOOP"],
    "bare cr": [EHLO, b"NOOP\rx", b"NOOP"],
    "bare lf content": [EHLO, (MAIL, ONE, DATA), Then(354, b"x\ny\r\n.\r\n"), b"NOOP"],
    "bare lf content serial": [EHLO, MAIL, ONE, DATA, Then(354, b"Subject: x\r\n\r\nx\ny\r\n.\r\n"),
                               b"NOOP"],
    "bare dot": [EHLO, MAIL, ONE, DATA, Then(354, b"x\r\n.\nNOOP\r\n.\r\n"), b"NOOP"],
    "long line": [EHLO, b"NOOP " + 600 * b"x", b"NOOP"],
    "longer line": [EHLO, b"NOOP " + 1500 * b"x", b"NOOP"],
    "longest line": [EHLO, b"NOOP " + 5000 * b"x", b"NOOP"],
    "many unknown": [EHLO] + 26 * [b"XXXX"],
    "many unknown before": 26 * [b"XXXX"],
    "many noops": [EHLO] + 30 * [b"NOOP"],
    "many resets": [EHLO] + 30 * [b"RSET"],
    "many order errors": [EHLO] + 30 * [ONE],
    "many syntax errors": [EHLO] + 30 * [b"MAIL x"],
    "many refused": [EHLO, MAIL] + 30 * [NOSUCH],
    "many hellos": 12 * [EHLO],
    "many vrfys": [EHLO] + 30 * [b"VRFY one@lockstep.test"],
    "early hello": [(EHLO, b"NOOP")],
    "early hello mail": [(EHLO, MAIL), ONE],
    "early helo": [HELO, (MAIL, ONE, DATA), BODY],
    "early helo noops": [HELO, (b"NOOP", b"NOOP")],
    "early noops": [EHLO, (b"NOOP", b"NOOP")],
    "early rsets": [EHLO, (b"RSET", b"RSET")],
    "early vrfy": [EHLO, (b"VRFY one@lockstep.test", b"NOOP")],
    "early unknown": [EHLO, (b"XXXX", b"NOOP")],
    "early data": [EHLO, MAIL, ONE, Raw(b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n", 2)],
    "early end": [EHLO, MAIL, ONE, DATA, Raw(b"Subject: x\r\n\r\nx\r\n.\r\nNOOP\r\n", 2)],
    "one write": [EHLO, Raw(b"\r\n".join([MAIL, ONE, DATA, b"Subject: x", b"", b"x", b".",
                                          b"RSET", b""]), 5)],
    "stuck commands": [EHLO, MAIL, b"DATAX", b"QUITX", b"RCPT", b"RCPTTO:<one@lockstep.test>"],
}


def logins(user, password):
    """The same for AUTH, of a server that lets in whoever knows these two."""
    plain = base64.b64encode(b"\0" + user + b"\0" + password)
    user, password = base64.b64encode(user), base64.b64encode(password)
    good = b"AUTH PLAIN " + plain
    return {
        "plain": [EHLO, b"AUTH PLAIN", Then(334, plain + b"\r\n"), MAIL],
        "plain at once": [EHLO, good, MAIL],
        "login": [EHLO, b"AUTH LOGIN", Then(334, user + b"\r\n"), Then(334, password + b"\r\n")],
        "login at once": [EHLO, b"AUTH LOGIN " + user, Then(334, password + b"\r\n")],
        "R8": [EHLO, MAIL, good, b"NOOP"],
        "R8 again": [EHLO, good, MAIL, good, b"NOOP"],
        "R9": [EHLO, good, good, b"NOOP"],
        "R17": [HELO, MAIL, ONE, DATA],
        "R17 ehlo": [EHLO, MAIL, ONE, DATA],
        "wrong": [EHLO, b"AUTH PLAIN " + WRONG, b"AUTH LOGIN", Then(334, b"c29tZWJvZHk=\r\n"),
                  Then(334, b"d3Jvbmctd29yZA==\r\n"), b"NOOP"],
        "base64": [EHLO, b"AUTH PLAIN *!", b"AUTH LOGIN", Then(334, b"!!\r\n"), b"NOOP"],
        "cancelled": [EHLO, b"AUTH LOGIN", Then(334, b"*\r\n"), b"AUTH PLAIN",
                      Then(334, b"*\r\n"), b"NOOP"],
        "mechanism": [EHLO, b"AUTH FOO", b"AUTH", b"NOOP"],
        "empty": [EHLO, b"AUTH PLAIN =", b"NOOP"],
        "three words": [EHLO, b"AUTH PLAIN " + WRONG + b" x", b"NOOP"],
        "before hello": [good, b"NOOP"],
        "after helo": [HELO, good, b"NOOP"],
        "lower case": [EHLO, b"auth plain " + plain, b"RSET", good],
        "many wrong": [EHLO] + 8 * [b"AUTH PLAIN " + WRONG],
    }
