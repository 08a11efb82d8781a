"""The admin interface of a running lockstep: alive, ready, counted, and closed to strangers."""

import http.client
import json
import pathlib
import re
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, place, proxy, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.process import Process  # noqa: E402
from support.token_endpoint import SECRET, TokenEndpoint  # noqa: E402

TOKEN = artefacts.secret("admin-token-9f2c41")
USER, PASSWORD = "scanner@client.test", artefacts.secret("health-3-word")
WRONG = artefacts.secret("wrong-5-word")
REFUSED_START = 78   # EX_CONFIG


class Admin(unittest.TestCase):
    def start(self, settings="admin: {listen: 127.0.0.1:0}"):
        sink = Process("sink", [place.lockstep(), "sink", "--listen", "127.0.0.1:0"],
                       self.folder.path)
        self.addCleanup(sink.stop)
        running = proxy.Proxy(sink.await_ready()[0], settings=settings)
        self.addCleanup(running.stop)
        self.find_port(running)
        return running

    def find_port(self, running):
        self.port = int(re.search(r"answers at http://127\.0\.0\.1:(\d+)",
                                  running.process.log()).group(1))

    def setUp(self):
        self.folder = place.Folder("admin")
        self.addCleanup(self.folder.remove)

    def ask(self, path, method="GET", **headers):
        talk = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        talk.request(method, path, headers=headers)
        answer = talk.getresponse()
        body = answer.read().decode()
        talk.close()
        artefacts.keep_text("answer", f"{answer.headers}{body}")
        artefacts.keep_text("admin.txt", f"{answer.headers}{body}")
        return answer, body

    def test_lives_and_is_ready(self):
        self.start()
        for path in ("/livez", "/readyz?verbose"):
            answer, body = self.ask(path)
            self.assertEqual((answer.status, answer.getheader("Content-Type")),
                             (200, "application/json"))
            self.assertTrue(json.loads(body).get("live") or json.loads(body)["ready"])
        self.assertEqual(self.ask("/")[0].status, 404)
        self.assertEqual(self.ask("/metrics", "DELETE")[0].status, 405)

    def test_sessions_are_counted(self):
        running = self.start()
        with wire.Conversation(running.port) as talk:
            talk.open()
            for line in (b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"DATA",
                         b"Subject: one\r\n\r\nwords\r\n.", b"QUIT"):
                talk.ask(line)
        place.await_true("a session is counted",
                         lambda: "lockstep_sessions_total{" in self.ask("/metrics")[1])
        answer, body = self.ask("/metrics")
        self.assertTrue(answer.getheader("Content-Type").startswith("text/plain; version=0.0.4"))
        of = '{listener="main",relay="relay"'
        self.assertIn(f'lockstep_sessions_total{of},ending="quit"}} 1\n', body)
        self.assertIn(f"lockstep_messages_total{of}}} 1\n", body)
        self.assertNotIn("127.0.0.1", body, "labels are names, never addresses")

    def test_not_ready_while_ending(self):
        running = self.start()
        with wire.Conversation(running.port) as talk:
            talk.open()
            for line in (b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"DATA"):
                talk.ask(line)
            running.drain()
            place.await_true("not ready", lambda: self.ask("/readyz")[0].status == 503)
            self.assertIn("ending", self.ask("/readyz")[1])
            self.assertEqual(self.ask("/livez")[0].status, 200)

    def test_a_credential_without_a_token_is_a_reason(self):
        authority = Authority(self.folder.path)
        leaf = authority.issue("localhost", "127.0.0.1")
        endpoint = TokenEndpoint(leaf, life=20)
        self.addCleanup(endpoint.stop)
        endpoint.always = "503"
        secret = self.folder.path / "secret"
        secret.write_text(SECRET, encoding="ascii")
        secret.chmod(0o600)
        self.start(f"""admin: {{listen: 127.0.0.1:0}}
credentials:
  scanner: {{user: scanner, oauth2: {{{endpoint.yaml(authority.certificate)}, grant: client-credentials,
             client-secret_file: {secret}}}}}""")
        _, body = place.await_true("not ready", lambda: self.unready())
        why = json.loads(body)["why"]
        self.assertEqual([reason["credential"] for reason in why], ["scanner"])
        self.assertIn("503", why[0]["error"])
        self.assertIn('lockstep_credential_usable{credential="scanner"} 0\n',
                      self.ask("/metrics")[1])
        endpoint.always = None
        place.await_true("ready", lambda: self.ask("/readyz")[0].status == 200)
        body = self.ask("/metrics")[1]
        self.assertIn('lockstep_credential_usable{credential="scanner"} 1\n', body)
        left = re.search(r'credential_expiry_seconds{credential="scanner"} (\S+)', body).group(1)
        self.assertTrue(0 < float(left) <= 20, left)
        self.assertIn('lockstep_credential_needs_login{credential="scanner"} 0\n', body)
        # That nobody renews it any more is told while it still holds.
        endpoint.always = "revoked"
        body = place.await_true("told", lambda: next(
            (text for text in [self.ask("/metrics")[1]]
             if 'needs_login{credential="scanner"} 1\n' in text), None), 40)
        self.assertIn('lockstep_credential_usable{credential="scanner"} 1\n', body)

    def test_a_credential_that_a_relay_refuses_is_a_reason(self):
        secret = self.folder.path / "password"
        relay = Process("relay", [place.lockstep(), "sink", "--listen", "127.0.0.1:0",
                                  "--auth", f"{USER}:{PASSWORD}"], self.folder.path)
        self.addCleanup(relay.stop)
        running = proxy.Proxy(
            relay.await_ready()[0], relay="allow_clear: on",
            settings="admin: {listen: 127.0.0.1:0}\ncredentials: {bridge: "
                     f"{{user: {USER}, password_file: {secret}}}}}",
            listener="routes: [{credential: bridge}]")
        self.addCleanup(running.stop)
        self.find_port(running)
        for content, code in ((WRONG, 4), (PASSWORD, 2)):
            secret.write_text(content, encoding="ascii")
            secret.chmod(0o600)
            place.await_true(f"{code} to MAIL", lambda: self.mail(running) == code)
            well = content == PASSWORD
            answer, body = self.ask("/readyz")
            self.assertEqual(answer.status, 200 if well else 503, body)
            self.assertEqual("relay relay refused credential bridge by" in body, not well, body)
            self.assertIn('lockstep_credential_usable{credential="bridge"} %d\n' % well,
                          self.ask("/metrics")[1])

    def mail(self, running):
        with wire.Conversation(running.port) as talk:
            talk.open()
            return talk.ask(b"MAIL FROM:<a@b.test>").code // 100

    def unready(self):
        answer, body = self.ask("/readyz")
        return answer.status == 503 and "503" in body and (answer, body)

    def test_with_a_token(self):
        path = self.folder.path / "token"
        path.write_text(TOKEN + "\n", encoding="ascii")
        path.chmod(0o600)
        running = self.start(f"admin: {{listen: 127.0.0.1:0, token_file: {path}}}")
        right = {"Authorization": f"Bearer {TOKEN}"}
        wrong = {"Authorization": f"Bearer {TOKEN[:-1]}x"}
        self.assertEqual(self.ask("/livez")[0].status, 200)
        self.assertEqual(self.ask("/metrics")[0].status, 401)
        self.assertEqual(self.ask("/metrics", **wrong)[0].status, 401)
        self.assertEqual(self.ask("/metrics", **right)[0].status, 200)
        self.assertNotIn(TOKEN, running.process.log())

    def test_strangers_need_a_token_and_nobody_else_may_read_it(self):
        path = self.folder.path / "token"
        path.write_text(TOKEN, encoding="ascii")
        path.chmod(0o644)
        for admin, words in (("{listen: 0.0.0.0:0}", "write token_file"),
                             (f"{{listen: 127.0.0.1:0, token_file: {path}}}", "others may read")):
            done = subprocess.run(
                [place.lockstep(), "run", "-c", "/dev/stdin"], capture_output=True, timeout=20,
                input=f"""config_version: 1
admin: {admin}
listeners: [{{name: main, listen: 127.0.0.1:0, relay: relay}}]
relays: {{relay: {{address: [smtp://127.0.0.1:1]}}}}
""".encode(), check=False)
            self.assertEqual(done.returncode, REFUSED_START)
            self.assertIn(words, done.stderr.decode())

    def test_bodies_have_a_limit_and_are_waited_for_only_when_wanted(self):
        path = self.folder.private("token", TOKEN)
        self.start(f"admin: {{listen: 127.0.0.1:0, token_file: {path}}}")
        right = f"Authorization: Bearer {TOKEN}\r\n"
        post = "POST /api/v1/verify HTTP/1.1\r\n"
        verdict = '{"assert": [{"sessions": 0}]}'
        for head, body, status in (
                (post + right, verdict, 200), (post + right, verdict.ljust(65536), 200),
                (post + right, verdict.ljust(65537), 413), (post + right, "x" * 90000, 413),
                (post + right, "", 400), (post, None, 401), ("GET /livez HTTP/1.1\r\n", None, 200),
                ("POST /nowhere HTTP/1.1\r\n" + right, None, 404),
                ("PUT /api/v1/sessions HTTP/1.1\r\n" + right, None, 405)):
            size = 50000 if body is None else len(body)  # None: it is not sent, and not waited for
            said = f"{head}Host: 127.0.0.1\r\nContent-Length: {size}\r\n\r\n{body or ''}"
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as talk:
                self.assertRegex(read_all(talk, said.encode()), b"^HTTP/1.1 %d " % status)
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as talk:
            talk.sendall(f"{post}{right}Transfer-Encoding: chunked\r\n\r\n".encode())
            for part in ('{"assert"', ': [{"sessions": 0}]}', ""):
                talk.sendall(f"{len(part):x}\r\n{part}\r\n".encode())
            self.assertRegex(read_all(talk, b""), b"^HTTP/1.1 200 ")

    def test_other_peoples_pages_can_not_ask(self):
        self.start()
        for path, headers, status in (
                ("/metrics", {"Host": "localhost:1"}, 200), ("/metrics", {"Host": "evil.test"}, 403),
                ("/livez", {"Host": "evil.test"}, 200),
                ("/metrics", {"Origin": "http://evil.test"}, 403),
                ("/metrics", {"Origin": f"http://127.0.0.1:{self.port}"}, 200)):
            self.assertEqual(self.ask(path, **headers)[0].status, status, headers)

    def test_those_who_say_nothing_or_nonsense(self):
        running = self.start()
        silent = []
        for _ in range(3):
            silent += [socket.create_connection(("127.0.0.1", self.port)) for _ in range(31)]
            self.assertEqual(self.ask("/livez")[0].status, 200)
        silent[0].settimeout(5)
        self.assertEqual(read_all(silent[0], b""), b"", "another has got its place")
        self.assertRegex(read_all(silent[-1], b"GET /livez HTTP/1.1\r\n\r\n"), b"^HTTP/1.1 200 ")
        for talk in silent:
            talk.close()
        for said in (b"EHLO me\r\n", b"GET /livez HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00\x01",
                     b"GET /" + b"x" * 2000 + b" HTTP/1.1\r\n\r\n",
                     b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 4000):
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as talk:
                self.assertEqual(read_all(talk, said), b"", said[:40])
        self.assertEqual(self.ask("/livez")[0].status, 200)
        self.assertTrue(running.process.running())


def read_all(talk, said):
    try:
        talk.sendall(said)
        return talk.recv(1000)
    except ConnectionError:
        return b""


if __name__ == "__main__":
    suite.main()
