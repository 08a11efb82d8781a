"""The client's end of an SMTP conversation on a raw socket, where every write is one segment."""

import socket
import struct


class Broken(Exception):
    """The peer ended, or said something that is no reply."""


def stuffed(message):
    """A message of CRLF lines as it goes over the wire, with its final dot."""
    body = b"\r\n" + message
    return body.replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


class Reply(bytes):
    """One whole reply of one or more lines, with its line ends."""

    @property
    def code(self):
        return int(self[:3])

    @property
    def last(self):
        return self.splitlines()[-1]


class Conversation:
    """Says bytes and reads replies; with `heard`, a function that is told of both. `source` is the
    address it comes from; 127.0.0.0/8 has many."""

    def __init__(self, port, host="127.0.0.1", seconds=20, heard=None, source=""):
        self.heard = heard or (lambda side, text: None)
        self.held = b""
        self.socket = socket.create_connection((host, port), timeout=seconds,
                                               source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def secure(self, context, name=None):
        """TLS from here on, as the client of `name`; without one nobody is asked for."""
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        return self

    def say(self, text):
        """Writes at once. A peer that has gone is noticed by the next read, which still gets
        what it said before it went."""
        self.heard("C", text)
        try:
            self.socket.sendall(text)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def trickle(self, text):
        for at in range(len(text)):
            self.say(text[at:at + 1])

    def reply(self):
        lines = b""
        while True:
            line = self._line()
            lines += line
            if not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b"\r"):
                raise Broken(f"no reply: {lines!r}")
            if line[3:4] != b"-":
                self.heard("S", lines)
                return Reply(lines)

    def _line(self):
        while b"\n" not in self.held:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                raise Broken(f"ended after {self.held!r}")
            self.held += more
        line, _, self.held = self.held.partition(b"\n")
        return line + b"\n"

    def ask(self, command):
        self.say(command + b"\r\n")
        return self.reply()

    def open(self, name=b"client.test"):
        """Greeting and EHLO; the EHLO reply."""
        self.reply()
        return self.ask(b"EHLO " + name)

    def rest(self):
        """Everything until the peer ends; a reset counts as an end."""
        try:
            while more := self.socket.recv(65536):
                self.held += more
        except ConnectionResetError:
            pass
        everything, self.held = self.held, b""
        return everything

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
