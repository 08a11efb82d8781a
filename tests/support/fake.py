"""Upstreams made for a test: a server whose every connection is handled by one function."""

import socket
import ssl
import struct
import threading


HEARD_MAX = 1 << 20  # of what a connection said, this much is kept to be looked at


class Lost(Exception):
    """The connection ended, or its budget of bytes did."""


class ServerEnd:
    """One accepted connection. `hears` and `says` are how many bytes it lives for; None: for ever.

    When a budget is used up the connection ends there, in the middle of whatever it was, with a
    FIN or (`abruptly`) a RST.
    """

    def __init__(self, connection, hears=None, says=None, abruptly=False, seconds=20):
        self.socket = connection
        self.socket.settimeout(seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.hears = hears
        self.says = says
        self.abruptly = abruptly
        self.held = b""
        self.heard = b""

    def line(self):
        while b"\n" not in self.held:
            self.held += self._read()
        line, _, self.held = self.held.partition(b"\n")
        return line + b"\n"

    def _read(self):
        if self.hears == 0:
            raise Lost
        try:
            more = self.socket.recv(min(self.hears or 65536, 65536))
        except OSError:
            more = b""
        if not more:
            raise Lost
        if self.hears is not None:
            self.hears -= len(more)
        if len(self.heard) < HEARD_MAX:
            self.heard += more
        return more

    def ahead(self):
        """What is here already and was not asked for, without waiting."""
        patience = self.socket.gettimeout()
        self.socket.setblocking(False)
        try:
            if is_secured(self):  # which can't peek, but hold
                self.held += self.socket.recv(65536)
                return self.held
            return self.held + self.socket.recv(65536, socket.MSG_PEEK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return self.held
        except OSError:
            raise Lost from None
        finally:
            self.socket.settimeout(patience)

    def say(self, text):
        if self.says is not None:
            text = text[:self.says]
            self.says -= len(text)
        try:
            self.socket.sendall(text)
        except OSError:
            raise Lost from None
        if self.says == 0:
            raise Lost

    def close(self):
        if self.abruptly:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Polite:
    """Speaks SMTP correctly, accepts everything, stores what it accepts.

    Override a word's reply with replies={"RCPT": b"550 5.1.1 no\\r\\n"}. A message counts as
    delivered when its dot has come, whatever happens to the reply: as in a relay that queued it.
    With a `context` (server_context) it offers STARTTLS.
    """

    def __init__(self, keywords=("8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 300000000"), replies=(),
                 context=None):
        self.keywords = keywords
        self.context = context
        self.replies = dict(replies)
        self.said = []
        self.delivered = []
        self.violations = []  # bytes that came before the last command was answered

    def __call__(self, talk):
        self.say(talk, "GREETING", b"220 fake.test ESMTP\r\n")
        while True:
            line = talk.line()
            word = line[:4].upper().decode(errors="replace")
            if "PIPELINING" not in self.keywords and talk.ahead():
                self.violations.append(line + talk.ahead())
            if word == "EHLO":
                names = ("fake.test", *self.keywords, *self.upgrade(talk))
                self.say(talk, word, b"".join(
                    b"250%s%s\r\n" % (b" " if at == len(names) - 1 else b"-", name.encode())
                    for at, name in enumerate(names)))
            elif word == "DATA":
                if self.say(talk, word, b"354 go on\r\n").startswith(b"354"):
                    self.delivered.append(self.body(talk))
                    self.say(talk, "END", b"250 2.0.0 stored\r\n")
            elif word == "QUIT":
                self.say(talk, word, b"221 2.0.0 bye\r\n")
                return
            elif word == "STAR" and self.upgrade(talk):
                if self.say(talk, word, b"220 2.0.0 go ahead\r\n").startswith(b"220"):
                    shake_hands(talk, self.context)
            else:
                self.say(talk, word, self.other(talk, line))

    def other(self, talk, line):
        """The reply to any other line."""
        return b"250 2.0.0 ok\r\n"

    def upgrade(self, talk):
        return () if self.context is None or is_secured(talk) else ("STARTTLS",)

    def say(self, talk, word, text):
        text = self.replies.get(word, text)
        self.said.append(text)
        talk.say(text)
        return text

    def body(self, talk):
        lines = []
        while (line := talk.line()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)


class Secured:
    """The handler behind TLS; `handshakes` has, for each that was tried, what became of it."""

    def __init__(self, handler, leaf, **words):
        self.handler = handler
        self.handshakes = []
        self.resumed = []
        self.context = server_context(leaf, **words)

    def __call__(self, talk):
        try:
            shake_hands(talk, self.context)
        except Lost as lost:
            self.handshakes.append(str(lost))
            raise
        self.handshakes.append(talk.socket.version())
        self.resumed.append(talk.socket.session_reused)
        self.handler(talk)


def is_secured(talk):
    return isinstance(talk.socket, ssl.SSLSocket)


def shake_hands(talk, context):
    try:
        talk.socket = context.wrap_socket(talk.socket, server_side=True)
    except OSError as error:
        raise Lost(getattr(error, "reason", None) or str(error)) from None


def server_context(leaf, minimum=ssl.TLSVersion.TLSv1_2, maximum=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    context.minimum_version = minimum
    context.maximum_version = maximum
    return context


class Upstream:
    """Listens on a free port; each connection runs handler(talk) in a thread of its own. With
    `once` in the budget, only the next connection has it. A `port` is one that was free before."""

    def __init__(self, handler, port=0, **budget):
        self.handler = handler
        self.budget = budget
        self.heard = []  # what each connection said, in the order of their ends
        self.errors = []
        self.threads = []
        self.ends = set()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            budget = dict(self.budget)
            if budget.pop("once", False):
                self.budget = {}
            talk = ServerEnd(connection, **budget)
            thread = threading.Thread(target=self._serve, args=(talk,), daemon=True)
            self.ends.add(talk)
            self.threads.append(thread)
            thread.start()

    def _serve(self, talk):
        try:
            self.handler(talk)
        except Lost:
            pass
        except Exception as error:  # a broken handler must fail the test, not vanish in a thread
            self.errors.append(error)
        finally:
            self.heard.append(talk.heard)
            talk.close()
            self.ends.discard(talk)

    def settle(self, seconds=10):
        """Waits until every connection so far has ended."""
        for thread in self.threads:
            thread.join(seconds)
            if thread.is_alive():
                raise TimeoutError("a connection to the upstream did not end")
        self.threads.clear()
        if self.errors:
            raise self.errors[0]

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)
        for talk in list(self.ends):
            try:
                talk.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
