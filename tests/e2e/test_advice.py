"""What a session asks the vault: answers at once and later, and what becomes of late ones."""

import base64
import contextlib
import http.server
import pathlib
import signal
import ssl
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, place, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.fake import Polite, Secured, Upstream, server_context  # noqa: E402
from support.process import Process  # noqa: E402

USER, PASSWORD = "scanner@office.test", artefacts.secret("bridge-7-word")
ANOTHER, LIVE = artefacts.secret("another-5-word"), artefacts.secret("living-3-word")


def setUpModule():
    global folder, authority, leaf
    folder = place.Folder("advice")
    authority = Authority(folder.path)
    leaf = authority.issue("localhost", "127.0.0.1")
    (folder.path / "password").write_text(PASSWORD)
    (folder.path / "password").chmod(0o600)


def tearDownModule():
    folder.remove()


class Wanting(Polite):
    """A relay that takes mail from who has logged in with PLAIN, one line or two."""

    def __init__(self, user=USER, password=PASSWORD, **facts):
        super().__init__(**facts)
        self.keywords = (*self.keywords, "AUTH PLAIN LOGIN")
        self.right = base64.b64encode(f"\0{user}\0{password}".encode())
        self.asked = []

    def other(self, talk, line):
        words = line.split()
        if words[0].upper() == b"AUTH":
            self.asked.append(line)
            given = words[2] if len(words) > 2 else self.challenge(talk)
            talk.known = given == self.right
            return b"235 2.7.0 welcome\r\n" if talk.known else b"535 5.7.8 wrong\r\n"
        if words[0].upper() == b"MAIL" and not getattr(talk, "known", False):
            return b"530 5.7.0 log in first\r\n"
        return b"250 2.0.0 ok\r\n"

    def challenge(self, talk):
        talk.say(b"334 \r\n")
        return talk.line().strip()


class Live(http.server.BaseHTTPRequestHandler):
    """nginx's auth_http: `server.answer` is a table of headers."""

    def do_GET(self):
        self.server.asked.append(dict(self.headers))
        self.server.wait.wait(10)
        self.send_response(200)
        for name, value in self.server.answer.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Advice(unittest.TestCase):
    def upstream(self, handler):
        upstream = Upstream(handler)
        self.addCleanup(upstream.stop)
        return upstream

    def serve(self, upstream, credential, **words):
        self.room = place.Folder("advice-run")
        self.addCleanup(self.room.remove)
        self.write(upstream, credential, **words)
        self.process = Process("run", [place.lockstep(), "run", "-c",
                                       self.room.path / "lockstep.yaml"], self.room.path)
        self.addCleanup(self.process.stop)
        self.port = self.process.await_ready()[0]

    def write(self, upstream, credential, routes="[{credential: scanner}]", scheme="smtps",
              settings="", listener="", listen="127.0.0.1:0"):
        (self.room.path / "lockstep.yaml").write_text(f"""config_version: 1
workers: 2
transcripts: {{directory: {self.room.path}/transcripts}}
{settings}
listeners:
  - name: main
    listen: "{listen}"
    relay: office
    routes: {routes}
    {listener}
relays:
  office:
    address: [{scheme}://127.0.0.1:{upstream.port}]
    ca: {authority.certificate}
credentials:
  scanner: {{user: {USER}, {credential}}}
""", encoding="ascii")

    def envelope(self, greeting=b"HELO scanner"):
        """The replies to a device's words, up to the first refusal."""
        replies = []
        with wire.Conversation(self.port) as talk, contextlib.suppress(wire.Broken):
            replies.append(talk.reply())
            for line in (greeting, b"MAIL FROM:<a@office.test>", b"RCPT TO:<b@r.test>", b"QUIT"):
                if replies[-1].code >= 400:
                    break
                replies.append(talk.ask(line))
        return replies

    def codes(self, **words):
        return [reply.code for reply in self.envelope(**words)]

    def await_log(self, words, count=1):
        return place.await_true(
            f"{words!r} in the log",
            lambda: self.process.log().count(words) >= count and self.process.log())

    def command(self, text):
        path = folder.path / f"command-{self.id()}"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return f"password_command: {path}"


class Credentials(Advice):
    DELIVERED = [220, 250, 250, 250, 221]

    def test_from_a_file(self):
        relay = Wanting()
        self.serve(self.upstream(Secured(relay, leaf)), f"password_file: {folder.path}/password")
        self.assertEqual(self.codes(), self.DELIVERED)
        self.assertEqual(len(relay.asked), 1)
        self.assertIn(" credential=scanner ending=quit ", self.await_log("ending=quit"))

    def test_from_a_program_that_takes_its_time(self):
        relay = Wanting()
        self.serve(self.upstream(Secured(relay, leaf)),
                   self.command(f"sleep 0.3; echo '{PASSWORD}'"))
        self.assertEqual(self.codes(), self.DELIVERED)
        self.assertEqual(self.codes(), self.DELIVERED)

    def test_behind_starttls(self):
        relay = Wanting(context=server_context(leaf))
        self.serve(self.upstream(relay), f"password_file: {folder.path}/password",
                   scheme="starttls")
        self.assertEqual(self.codes(), self.DELIVERED)
        self.assertEqual(len(relay.asked), 1)

    def test_wrong_ones_bring_the_client_back_later(self):
        relay = Wanting(password=ANOTHER)
        self.serve(self.upstream(Secured(relay, leaf)), f"password_file: {folder.path}/password")
        self.assertEqual(self.codes(), [220, 250, 454])

    def test_clients_that_leave_while_it_is_awaited(self):
        relay = Wanting()
        self.serve(self.upstream(Secured(relay, leaf)),
                   self.command(f"sleep 1; echo '{PASSWORD}'"))
        for _ in range(20):
            with wire.Conversation(self.port) as talk:
                talk.reply()
                talk.say(b"HELO scanner\r\nMAIL FROM:<a@office.test>\r\n")
                self.assertEqual(talk.reply().code, 250)
                talk.reset()
        self.await_log("ending=client-lost", 20)
        self.assertEqual(self.codes(), self.DELIVERED)

    def test_told_to_end_while_it_is_awaited(self):
        self.serve(self.upstream(Secured(Wanting(), leaf)), self.command("sleep 60"),
                   settings="timeouts: {drain: 1s}")
        with wire.Conversation(self.port) as talk:
            talk.reply()
            talk.say(b"HELO scanner\r\nMAIL FROM:<a@office.test>\r\n")
            self.assertEqual(talk.reply().code, 250)
            self.assertEqual(self.process.stop(), 0)
            self.assertTrue(talk.rest().startswith(b"4"))

    def test_another_after_a_reload(self):
        relay = Wanting(password=ANOTHER)
        upstream = self.upstream(Secured(relay, leaf))
        self.serve(upstream, f"password_file: {folder.path}/password")
        self.assertEqual(self.codes()[-1], 454)
        second = self.room.path / "second"
        second.write_text(ANOTHER)
        second.chmod(0o600)
        self.write(upstream, f"password_file: {second}")
        self.process.child.send_signal(signal.SIGHUP)
        self.await_log("is in force")
        self.assertEqual(self.codes(), self.DELIVERED)


class Known(Advice):
    """What is known of a client beside what it says decides."""

    def tries(self, *talks):
        """What MAIL is answered: 530 is the relay's word to who has not logged in."""
        for talk, code in talks:
            talk.open()
            self.assertEqual(talk.ask(b"MAIL FROM:<a@office.test>").code, code)
            talk.close()

    def test_by_its_certificate(self):
        known, other = (authority.issue(name, client=True) for name in ("printer", "stranger"))
        self.serve(self.upstream(Secured(Wanting(), leaf)),
                   f"password_file: {folder.path}/password",
                   routes="[{certificate: printer, credential: scanner}]",
                   listener=f"tls: {{offer: both, certificate: {leaf.certificate}, "
                            f"key: {leaf.key}, client-ca: {authority.certificate}, "
                            "client-certificate: ask, wait: 2s}")

        def talk(client=None):
            context = ssl.create_default_context(cafile=authority.certificate)
            if client:
                context.load_cert_chain(client.certificate, client.key)
            return wire.Conversation(self.port).secure(context, "localhost")
        self.tries((talk(known), 250), (talk(other), 530), (talk(), 530),
                   (wire.Conversation(self.port), 530))
        upgraded = wire.Conversation(self.port)
        upgraded.open()
        self.assertEqual(upgraded.ask(b"STARTTLS").code, 220)
        context = ssl.create_default_context(cafile=authority.certificate)
        context.load_cert_chain(known.certificate, known.key)
        upgraded.secure(context, "localhost")
        self.assertEqual(upgraded.ask(b"EHLO client.test").code, 250)
        self.assertEqual(upgraded.ask(b"MAIL FROM:<a@office.test>").code, 250)
        upgraded.close()

    def test_by_the_address_it_came_to(self):
        self.serve(self.upstream(Secured(Wanting(), leaf)),
                   f"password_file: {folder.path}/password", listen="0.0.0.0:0",
                   listener="allow: [127.0.0.0/8]",
                   routes='[{destination: "127.0.0.2:*", credential: scanner}]')
        self.tries((wire.Conversation(self.port, "127.0.0.2"), 250),
                   (wire.Conversation(self.port, "127.0.0.1"), 530))

    def test_by_its_own_address(self):
        self.serve(self.upstream(Secured(Wanting(), leaf)),
                   f"password_file: {folder.path}/password", listen="[::1]:0",
                   routes='[{client: ["::1/128"], credential: scanner}]')
        self.tries((wire.Conversation(self.port, "::1"), 250))


class Moved(Advice):
    """The live source says where to go."""

    def source(self, answer):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Live)
        server.answer, server.asked, server.wait = answer, [], threading.Event()
        server.wait.set()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(server.wait.set)
        return server, f"[{{ask: \"http://127.0.0.1:{server.server_port}/auth\"}}]"

    def test_to_another_server_as_another_user(self):
        near, far = Wanting(), Wanting(user="live@office.test", password=LIVE)
        there = self.upstream(Secured(far, leaf))
        source, routes = self.source({"Auth-Status": "OK", "Auth-Server": "127.0.0.1",
                                      "Auth-Port": str(there.port),
                                      "Auth-User": "live@office.test",
                                      "Auth-Pass": LIVE})
        self.serve(self.upstream(Secured(near, leaf)), f"password_file: {folder.path}/password",
                   routes=routes)
        self.assertEqual(self.codes(), Credentials.DELIVERED)
        self.assertEqual((len(near.asked), len(far.asked)), (0, 1))
        self.assertIn(f"relay=127.0.0.1:{there.port} ", self.await_log("ending=quit"))
        self.assertEqual(source.asked[0]["Client-IP"], "127.0.0.1")

    def test_only_as_long_as_the_source_was_asked(self):
        """A credential of ours goes to our relay, not to where another one's session was sent."""
        near, far = Wanting(), Wanting(user="live@office.test", password=LIVE)
        there = self.upstream(Secured(far, leaf))
        source, routes = self.source({"Auth-Status": "OK", "Auth-Server": "127.0.0.1",
                                      "Auth-Port": str(there.port),
                                      "Auth-User": "live@office.test", "Auth-Pass": LIVE})
        asks = routes[1:-1].replace("{", '{sender: "live@*", ')
        self.serve(self.upstream(Secured(near, leaf)), f"password_file: {folder.path}/password",
                   routes=f"[{asks}, {{credential: scanner}}]")
        with wire.Conversation(self.port) as talk:
            talk.open()
            for sender, asked in ((b"live@office.test", (0, 1)), (b"a@office.test", (1, 1)),
                                  (b"live@office.test", (1, 2)), (b"b@office.test", (2, 2))):
                self.assertEqual(talk.ask(b"MAIL FROM:<%s>" % sender).code, 250)
                self.assertEqual((len(near.asked), len(far.asked)), asked)
                self.assertEqual(talk.ask(b"RSET").code, 250)
            self.assertEqual(talk.ask(b"QUIT").code, 221)

    def test_who_was_sent_elsewhere_without_a_login(self):
        near, far = Wanting(), Wanting()
        there = self.upstream(Secured(far, leaf))
        _, routes = self.source({"Auth-Status": "OK", "Auth-Server": "127.0.0.1",
                                 "Auth-Port": str(there.port)})
        asks = routes[1:-1].replace("{", '{sender: "live@*", ')
        self.serve(self.upstream(Secured(near, leaf)), f"password_file: {folder.path}/password",
                   routes=f"[{asks}, {{credential: scanner}}]")
        with wire.Conversation(self.port) as talk:
            talk.open()
            self.assertEqual(talk.ask(b"MAIL FROM:<live@office.test>").code, 530)
            self.assertEqual(talk.ask(b"MAIL FROM:<a@office.test>").code, 250)
        self.assertEqual((len(near.asked), len(far.asked)), (1, 0))

    def test_a_login_and_a_route_name_two_users(self):
        """What came with the login is not what came with a route's answer."""
        near = Wanting(user="login@office.test", password=LIVE)
        checker, _ = self.source({"Auth-Status": "OK", "Auth-User": "login@office.test",
                                  "Auth-Pass": LIVE})
        _, routes = self.source({"Auth-Status": "OK", "Auth-User": "route@office.test",
                                 "Auth-Pass": LIVE})
        url = f"http://127.0.0.1:{checker.server_port}/auth"
        self.serve(self.upstream(Secured(near, leaf)), f"password_file: {folder.path}/password",
                   routes=routes.replace("{", '{sender: "live@*", '),
                   listener=f"auth: {{clients: check, clear: on, http: \"{url}\"}}")
        with wire.Conversation(self.port) as talk:
            talk.open()
            self.assertEqual(talk.ask(b"AUTH PLAIN " + base64.b64encode(b"\0a\0b")).code, 235)
            for sender, code in ((b"live@office.test", 454), (b"a@office.test", 250)):
                self.assertEqual(talk.ask(b"MAIL FROM:<%s>" % sender).code, code)
        users = [base64.b64decode(line.split()[2]).split(b"\0")[1] for line in near.asked]
        self.assertEqual(users, [b"route@office.test", b"login@office.test"])

    def test_a_source_that_says_no(self):
        _, routes = self.source({"Auth-Status": "You are not known here"})
        self.serve(self.upstream(Secured(Wanting(), leaf)),
                   f"password_file: {folder.path}/password", routes=routes)
        last = self.envelope()[-1]
        self.assertGreaterEqual(last.code, 400)
        self.assertIn(b"You are not known here", last)


if __name__ == "__main__":
    suite.main()
