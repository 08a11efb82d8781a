"""OAuth 2.0 tokens: every way to log in for them, and mail that goes on while they are renewed,
refused, revoked, or nobody is there to give them."""

import base64
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, fake, packages, place, secure_relays, suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.process import Process  # noqa: E402
from support.token_endpoint import DEVICE_CODE, JWT_BEARER, SECRET, TokenEndpoint  # noqa: E402

USER = "scanner@oauth.test"


class Place:
    """A folder with a store, keys, and a configuration for one credential "scanner"."""

    def __init__(self):
        self.folder = place.Folder("oauth")
        self.path = self.folder.path
        self.authority = Authority(self.path)
        self.leaf = self.authority.issue("localhost", "127.0.0.1")
        self.private("store.key", os.urandom(32))
        self.private("client.secret", f"{SECRET}\n".encode())
        subprocess.run([packages.program("openssl"), "genrsa", "-out", self.path / "robot.key",
                        "2048"], check=True, capture_output=True, timeout=60)
        subprocess.run([packages.program("openssl"), "rsa", "-in", self.path / "robot.key",
                        "-pubout", "-out", self.path / "robot.pub"], check=True,
                       capture_output=True, timeout=60)
        self.private("robot.json", json.dumps({
            "type": "service_account", "client_email": "robot@project.test", "private_key_id": "1",
            "private_key": (self.path / "robot.key").read_text()}).encode())

    def private(self, name, content):
        (self.path / name).write_bytes(content)
        (self.path / name).chmod(0o600)

    def endpoint(self, **options):
        return TokenEndpoint(self.leaf, user=USER, public_key=self.path / "robot.pub", **options)

    def configure(self, oauth2, relay_port=9, top=""):
        (self.path / "lockstep.yaml").write_text(f"""config_version: 1
workers: 1
store: {{directory: {self.path}/store, key_file: {self.path}/store.key}}
{top}
listeners:
  - {{name: main, listen: "127.0.0.1:0", relay: relay, routes: [{{credential: scanner}}]}}
relays:
  relay: {{address: "smtp://127.0.0.1:{relay_port}", auth: XOAUTH2, allow_clear: on}}
credentials:
  scanner: {{user: {USER}, oauth2: {{{oauth2}}}}}
""", encoding="ascii")

    def command(self, *words):
        return [place.lockstep(), "oauth", *words, "-c", str(self.path / "lockstep.yaml")]

    def run(self, *words, typed=""):
        """(exit code, all that was said)."""
        done = subprocess.run(self.command(*words), input=typed, capture_output=True, text=True,
                              timeout=60, check=False)
        said = done.stdout + done.stderr
        artefacts.keep_text("oauth.out", said)
        return done.returncode, said


class Person(threading.Thread):
    """Runs a command that waits for somebody, and hears what it says."""

    def __init__(self, command):
        super().__init__(daemon=True)
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True)
        self.said = ""
        self.start()

    def run(self):
        with self.child.stdout:
            for line in self.child.stdout:
                self.said += line

    def hears(self, pattern):
        return place.await_true(f"{pattern} in {self.said}",
                                lambda: re.search(pattern, self.said)).group(1)

    def types(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def end(self):
        code = self.child.wait(30)
        self.child.stdin.close()
        self.join(5)
        artefacts.keep_text("oauth.out", self.said)
        return code, self.said


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place()
        cls.addClassCleanup(cls.place.folder.remove)

    def setUp(self):
        shutil.rmtree(self.place.path / "store", ignore_errors=True)
        self.endpoint = self.place.endpoint()
        self.addCleanup(self.endpoint.stop)

    def configure(self, grant, more="", **options):
        self.place.configure(f"{self.endpoint.yaml(self.place.authority.certificate)}, "
                             f"grant: {grant}{more}", **options)

    def assert_well(self, done):
        code, said = done
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r"(?m)^scanner: good, token of \d+ s ago, ends in \d+ (min|s), renewed")
        self.assert_discreet(said)

    def assert_ill(self, done, words):
        code, said = done
        self.assertEqual(code, 1, said)
        self.assertIn(words, said)
        self.assert_discreet(said)

    def assert_discreet(self, said):
        for secret in self.endpoint.secrets:
            self.assertNotIn(secret, said)


class Logins(Case):
    """What a person does once."""

    def test_a_device_code(self):
        self.configure("device")
        self.assert_ill(self.place.run("status"), "nobody has logged in yet")
        person = Person(self.place.command("login", "scanner"))
        code = person.hears(r"type the code\s+(\w+)\n")
        self.assertIn(self.endpoint.url("/activate"), person.said)
        place.await_true("a poll", lambda: self.endpoint.count(DEVICE_CODE,
                                                               "authorization_pending"))
        self.endpoint.approve(code)
        self.assert_well(person.end())
        self.assert_well(self.place.run("status"))
        # The refresh token is kept, and the next one too, for each is good only once.
        self.assert_well(self.place.run("refresh", "scanner"))
        self.assert_well(self.place.run("refresh", "scanner"))
        self.assertEqual(self.endpoint.count("refresh_token"), 2)

    def test_an_endpoint_that_wants_to_be_asked_less_often(self):
        self.configure("device")
        person = Person(self.place.command("login", "scanner"))
        code = person.hears(r"type the code\s+(\w+)\n")
        self.endpoint.approve(code, "slow")
        place.await_true("a wish", lambda: self.endpoint.count(DEVICE_CODE, "slow_down"))
        self.endpoint.approve(code)
        heard = time.monotonic()
        self.assert_well(person.end())
        self.assertGreater(time.monotonic() - heard, 5, "RFC 8628 3.5")

    def test_a_key_that_only_the_service_has(self):
        self.configure("device")
        path = self.place.path / "lockstep.yaml"
        path.write_text(re.sub("key_file: [^}]*", "key_credential: store.key", path.read_text()))
        code, said = self.place.run("status")
        self.assertEqual(code, 66, said)
        self.assertIn("systemd gave no credentials", said)
        self.assert_ill(self.place.run("status", "--key-file", self.place.path / "store.key"),
                        "nobody has logged in yet")

    def test_a_device_that_is_refused(self):
        self.configure("device")
        for state, words in (("access_denied", "an administrator must allow it"),
                             ("expired_token", "somebody must log in")):
            person = Person(self.place.command("login", "scanner"))
            self.endpoint.approve(person.hears(r"type the code\s+(\w+)\n"), state)
            self.assert_ill(person.end(), words)

    def test_a_browser_that_comes_back(self):
        self.configure("code")
        person = Person(self.place.command("login", "scanner"))
        back = self.endpoint.authorize(person.hears(r"(https://localhost\S+)"))
        for wrong in (re.sub("state=.*", "state=guessed", back), re.sub(r"\?.*", "/favicon", back)):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(wrong, timeout=10)
            self.assertEqual(refused.exception.code, 400)
        with urllib.request.urlopen(back, timeout=10) as page:
            self.assertIn(b"You can close this page", page.read())
        self.assert_well(person.end())
        self.assert_well(self.place.run("refresh", "scanner"))

    def test_a_browser_on_another_machine(self):
        self.configure("code")
        person = Person(self.place.command("login", "scanner"))
        back = self.endpoint.authorize(person.hears(r"(https://localhost\S+)"))
        person.types("https://else.test/?code=x&state=y")
        person.hears("(another login)")
        person.types(back)
        self.assert_well(person.end())

    def test_a_paste(self):
        self.configure("code")
        for what in ("address", "code"):
            person = Person(self.place.command("login", "scanner", "--paste"))
            back = self.endpoint.authorize(person.hears(r"(https://localhost\S+)"))
            code = urllib.parse.parse_qs(urllib.parse.urlsplit(back).query)["code"][0]
            person.types(back if what == "address" else code)
            self.assert_well(person.end())
        self.assert_ill(self.place.run("login", "scanner", "--paste", typed="?code=a&state=b\n"),
                        "another login")
        self.assert_ill(self.place.run("login", "scanner", "--paste"), "neither a code")

    def test_a_code_that_was_stolen_is_worth_nothing(self):
        self.configure("code")
        person = Person(self.place.command("login", "scanner", "--paste"))
        person.hears(r"(https://localhost\S+)")
        stolen = self.endpoint.authorize(
            self.endpoint.url("/authorize?response_type=code&code_challenge_method=S256&"
                              "client_id=client-of-tests&code_challenge=other&state=x&"
                              "redirect_uri=http://127.0.0.1:1/"))
        person.types(urllib.parse.parse_qs(urllib.parse.urlsplit(stolen).query)["code"][0])
        self.assert_ill(person.end(), "the verifier does not fit")

    def test_nobody_logs_in_where_no_person_is_needed(self):
        self.configure("client-credentials",
                       f", client-secret_file: {self.place.path}/client.secret")
        self.assert_ill(self.place.run("login", "scanner"), "needs no login")

    def test_google_gives_devices_no_mail(self):
        self.place.configure("provider: google, client-id: x, grant: code")
        self.assert_ill(self.place.run("login", "scanner", "--device"), "use a service account")

    def test_words_that_are_wrong(self):
        self.configure("device")
        for words, said in ((("login",), "usage: lockstep oauth"),
                            (("renew", "scanner"), "usage: lockstep oauth"),
                            (("refresh", "printer"), "no credential printer")):
            code, heard = self.place.run(*words)
            self.assertEqual(code, 64)
            self.assertIn(said, heard)
        path = self.place.path / "lockstep.yaml"
        path.write_text(re.sub("oauth2: .*}}", "password_env: X}", path.read_text()))
        code, heard = self.place.run("status")
        self.assertEqual((code, heard),
                         (64, "lockstep oauth: no credential with oauth2 is configured\n"))


class Grants(Case):
    """What needs no person, or none any more."""

    def test_client_credentials(self):
        self.configure("client-credentials",
                       f", client-secret_file: {self.place.path}/client.secret")
        self.assert_well(self.place.run("refresh", "scanner"))
        self.endpoint.secret = artefacts.secret("another secret")
        self.assert_ill(self.place.run("refresh", "scanner"),
                        "client-id or the client's secret must be put right")
        self.assert_ill(self.place.run("status"), "invalid_client")

    def test_a_key_instead_of_the_clients_secret(self):
        self.configure("client-credentials", f", key_file: {self.place.path}/robot.key")
        self.assert_well(self.place.run("refresh", "scanner"))

    def test_a_service_account(self):
        self.configure("jwt", f", key_file: {self.place.path}/robot.json")
        self.assert_well(self.place.run("refresh", "scanner"))
        self.assertEqual(self.endpoint.count(JWT_BEARER), 1)
        self.endpoint.user = "somebody@else.test"
        self.assert_ill(self.place.run("refresh", "scanner"), "key, user or clock")

    def test_a_file_that_others_can_read_is_refused(self):
        key = self.place.path / "open.json"
        key.write_bytes((self.place.path / "robot.json").read_bytes())
        key.chmod(0o644)
        self.configure("jwt", f", key_file: {key}")
        self.assert_ill(self.place.run("refresh", "scanner"), "chmod 600")
        self.assertEqual(self.endpoint.asked, [])

    def test_a_file_of_another_program(self):
        tokens = self.place.path / "sasl-xoauth2.json"
        self.place.private(tokens.name, json.dumps({
            "access_token": "old", "refresh_token": self.endpoint.new_refresh(),
            "expiry": "1700000000", "kept": "as it was"}).encode())
        self.configure("refresh", f", token_file: {tokens}")
        self.assert_well(self.place.run("refresh", "scanner"))
        kept = json.loads(tokens.read_text())
        self.assertTrue(self.endpoint.valid(kept["access_token"]))
        self.assertEqual(kept["kept"], "as it was")
        self.assertGreater(int(kept["expiry"]), time.time() + 3000)
        self.assertEqual(tokens.stat().st_mode & 0o777, 0o600)
        self.assert_well(self.place.run("refresh", "scanner"))
        self.assertEqual(list(self.place.path.glob("sasl-xoauth2.json.*")), [])

    def test_a_token_that_is_about_to_end_is_due_for_renewal(self):
        """It is there, and is used no longer: the last 30 s of an hour are for the way."""
        tokens = self.place.path / "held.json"
        self.configure("refresh", f", token_file: {tokens}")
        for ends_s, said in ((20, "due for renewal, token of .* ago, ends in "),
                             (-20, "due for renewal, token of .* ago, ended "),
                             (3000, "good, token of .* ago, ends in ")):
            with self.subTest(ends_s):
                self.place.private(tokens.name, json.dumps({
                    "access_token": self.endpoint.new_access(),
                    "refresh_token": self.endpoint.new_refresh(),
                    "obtained": str(int(time.time()) + ends_s - 3600),
                    "expiry": str(int(time.time()) + ends_s)}).encode())
                self.assert_says(f"^scanner: {said}")
        self.configure("client-credentials",
                       f", client-secret_file: {self.place.path}/client.secret")
        self.assertEqual(self.place.run("status"), (0, "scanner: no token yet\n"))

    def assert_says(self, pattern):
        code, said = self.place.run("status")
        self.assertEqual(code, 0, said)
        self.assertRegex(said, pattern)
        self.assert_discreet(said)

    def test_a_renewal_that_comes_too_late_overwrites_nothing(self):
        tokens = self.place.path / "shared.json"

        def keep(refresh):
            self.place.private(tokens.name, json.dumps({"refresh_token": refresh}).encode())

        keep(self.endpoint.new_refresh())
        self.configure("refresh", f", token_file: {tokens}")
        self.endpoint.faults = ["slow"]
        late = Person(self.place.command("refresh", "scanner"))
        place.await_true("a renewal", lambda: self.endpoint.flying)
        self.endpoint.revoke()
        newest = self.endpoint.new_refresh()
        keep(newest)
        self.assert_ill(late.end(), "invalid_grant")
        self.assertEqual(json.loads(tokens.read_text())["refresh_token"], newest)
        self.assert_well(self.place.run("refresh", "scanner"))

    def test_whatever_the_endpoint_answers_is_said(self):
        self.configure("client-credentials",
                       f", client-secret_file: {self.place.path}/client.secret")
        for fault, words in (("rubbish", "no JSON object"), ("html", "no JSON object"),
                             ("empty", "no JSON object"), ("404", "HTTP 404"),
                             ("500", "HTTP 500"), ("429", "HTTP 429"),
                             ("endless", "64 KiB"), ("close", "without an answer")):
            with self.subTest(fault):
                self.endpoint.faults = [fault]
                self.assert_ill(self.place.run("refresh", "scanner"), words)
        self.endpoint.stop()
        self.assert_ill(self.place.run("refresh", "scanner"), "refused")

    def test_a_certificate_that_nobody_trusts(self):
        self.configure("client-credentials",
                       f", client-secret_file: {self.place.path}/client.secret")
        text = (self.place.path / "lockstep.yaml").read_text()
        other = Authority(self.place.path, name="other")
        (self.place.path / "lockstep.yaml").write_text(
            text.replace(f"ca: {self.place.authority.certificate}", f"ca: {other.certificate}"))
        self.assert_ill(self.place.run("refresh", "scanner"), "certificate")
        self.assertEqual(self.endpoint.asked, [])


class Relay(fake.Polite):
    """Takes mail from whoever shows a token that is good at that moment."""

    def __init__(self, endpoint):
        super().__init__(keywords=("AUTH XOAUTH2", "ENHANCEDSTATUSCODES"))
        self.endpoint = endpoint
        self.tokens = []  # those shown, in order
        self.entered = set()
        self.on_login = lambda token: None

    def say(self, talk, word, text):
        line = talk.heard.splitlines()[-1] if talk.heard else b""
        if word == "AUTH":
            text = self.judge(talk, line.split()[2])
        elif not word.strip():
            text = b"535 5.7.8 no\r\n"  # the answer to the challenge that says why
        elif word == "MAIL" and talk not in self.entered:
            text = b"530 5.7.0 log in first\r\n"
        return super().say(talk, word, text)

    def judge(self, talk, response):
        user, token = re.fullmatch(r"user=(.*)\x01auth=Bearer (.*)\x01\x01",
                                   base64.b64decode(response).decode()).groups()
        self.tokens.append(token)
        if user != USER or not self.endpoint.valid(token):
            return b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n"
        self.on_login(token)
        self.entered.add(talk)
        return b"235 2.7.0 welcome\r\n"


class Mail(Case):
    """A scanner that knows nothing but HELO and MAIL, in front of a relay that wants tokens."""

    def setUp(self):
        super().setUp()
        self.relay = Relay(self.endpoint)
        self.upstream = fake.Upstream(self.relay)
        self.addCleanup(self.upstream.stop)
        self.lockstep = None

    def start(self, grant="refresh", more="", relay_port=None):
        self.configure(grant, more, relay_port=relay_port or self.upstream.port)
        self.begin()

    def begin(self):
        self.lockstep = Process("lockstep", [place.lockstep(), "run", "-c",
                                             self.place.path / "lockstep.yaml"], self.place.path)
        self.addCleanup(self.lockstep.stop)
        self.port = self.lockstep.await_ready()[0]

    def log_in(self):
        """Somebody does it, on the command line."""
        person = Person(self.place.command("login", "scanner", "--device"))
        self.endpoint.approve(person.hears(r"type the code\s+(\w+)\n"))
        self.assert_well(person.end())

    def deliver(self):
        """The reply that ended it: the one to the dot, or a refusal before."""
        with wire.Conversation(self.port) as scanner:
            scanner.reply()
            for command in (b"HELO scanner", b"MAIL FROM:<scanner@oauth.test>",
                            b"RCPT TO:<one@oauth.test>", b"DATA"):
                reply = scanner.ask(command)
                if reply.code >= 400:
                    return reply
            scanner.say(b"Subject: scan\r\n\r\npage\r\n.\r\n")
            return scanner.reply()

    def assert_delivered(self):
        reply = self.deliver()
        self.assertEqual(reply.code, 250, (reply, self.lockstep.explain()))

    def await_delivered(self, seconds=20):
        def delivered():
            reply = self.deliver()
            self.assertIn(reply.code, (250, 454), reply)
            return reply.code == 250
        place.await_true("mail goes on", delivered, seconds)

    def assert_unusable(self, reply, why):
        """The client hears nothing of this machine; the log has it all."""
        self.assertRegex(reply, rb"^454 4\.7\.0 .*credential [\w.]+: it can't be used: the mail "
                                rb"administrator can see why in lockstep's log\r\n$")
        self.assertRegex(self.lockstep.log(), f"credential scanner: .*({why})")

    def status(self):
        code, said = self.place.run("status")
        self.assert_discreet(said)
        return code, said

    def test_tokens_are_renewed_before_they_end(self):
        self.endpoint.life = 15
        self.endpoint.slow_s = 1
        self.start("client-credentials", f", client-secret_file: {self.place.path}/client.secret")
        self.await_delivered()
        # Every renewal meets something; there is time for that until the token ends.
        self.endpoint.faults = ["503", None, "slow", "rubbish", None]

        def renewed():
            self.assert_delivered()
            return len(set(self.relay.tokens)) >= 4
        place.await_true("three renewals", renewed, 90)
        self.assertEqual(self.endpoint.faults, [])
        self.assertEqual(self.endpoint.flying_most, 1)
        self.assertLess(len(self.endpoint.asked), 20, self.endpoint.asked)
        self.assert_discreet(self.lockstep.explain())

    def test_idle_tokens_are_renewed_too_and_outlive_the_process(self):
        self.endpoint.life = 8
        self.configure("device", relay_port=self.upstream.port)
        self.log_in()
        self.endpoint.life = 2
        self.begin()
        place.await_true("renewals", lambda: self.endpoint.count("refresh_token") >= 3, 40)
        self.lockstep.stop()
        self.assertEqual(self.relay.tokens, [])
        self.endpoint.life = 3600
        self.begin()
        self.await_delivered()

    def test_a_refresh_token_is_kept_before_its_access_token_is_used(self):
        """Whoever is killed at the first use of a new token finds the new refresh token kept."""
        self.endpoint.life = 8
        self.configure("device", relay_port=self.upstream.port)
        self.log_in()
        self.endpoint.life = 2
        for _ in range(3):
            known = set(self.relay.tokens)
            self.begin()
            child = self.lockstep

            def kill(token, known=known, child=child):
                if known and token not in known:
                    os.kill(child.pid, signal.SIGKILL)
                known.add(token)

            self.relay.on_login = kill
            with self.assertRaises((wire.Broken, ConnectionError)):
                end = time.monotonic() + 60
                while time.monotonic() < end:
                    self.deliver()
            child.stop()
            self.relay.on_login = lambda token: None
        code, said = self.place.run("refresh", "scanner")
        self.assertEqual(code, 0, said)
        self.assertEqual(self.endpoint.count("refresh_token", "invalid_grant"), 0)

    def test_what_can_not_be_kept_is_not_used(self):
        """A full disk, say. What came is tried to be kept until it is, and nobody asks again."""
        self.endpoint.life = 15
        folder, away = self.place.path / "tokens", self.place.path / "away"
        folder.mkdir()
        self.configure("device", f", token_file: {folder}/scanner.json",
                       relay_port=self.upstream.port)
        self.log_in()
        self.begin()
        self.await_delivered()
        known = set(self.relay.tokens)
        folder.rename(away)
        place.await_true("a renewal", lambda: self.endpoint.count("refresh_token"))
        self.assert_delivered()
        reply = place.await_true("the old token ends", lambda: next(
            (reply for reply in [self.deliver()] if reply.code != 250), None))
        self.assert_unusable(reply, r"scanner\.json.*: No such file")
        self.assertEqual(set(self.relay.tokens), known)
        self.assertEqual(self.endpoint.count("refresh_token"), 1)
        away.rename(folder)
        self.endpoint.life = 3600
        self.await_delivered(30)
        self.lockstep.stop()
        self.assert_well(self.place.run("refresh", "scanner"))

    def test_a_proper_end_waits_for_the_answer(self):
        self.endpoint.life = 10
        self.configure("device", relay_port=self.upstream.port)
        self.log_in()
        self.endpoint.always = "slow"
        self.begin()
        place.await_true("a renewal", lambda: self.endpoint.flying)
        self.lockstep.stop()
        self.assertEqual(self.endpoint.count("refresh_token"), 1)
        self.endpoint.always = None
        code, said = self.place.run("refresh", "scanner")
        self.assertEqual(code, 0, said)

    def test_tokens_go_to_no_other_endpoint(self):
        self.configure("device", relay_port=self.upstream.port)
        self.log_in()
        other = self.place.endpoint()
        self.addCleanup(other.stop)
        self.place.configure(f"{other.yaml(self.place.authority.certificate)}, grant: device")
        self.assert_ill(self.place.run("status"), "nobody has logged in yet")
        self.assert_ill(self.place.run("refresh", "scanner"), "nobody has logged in yet")
        self.assertEqual(other.asked, [])

    def test_while_the_endpoint_is_away_mail_is_put_off_and_then_goes_on(self):
        self.endpoint.life = 3
        self.start("client-credentials", f", client-secret_file: {self.place.path}/client.secret")
        self.await_delivered()
        self.endpoint.stop()
        reply = place.await_true("the token ends", lambda: next(
            (reply for reply in [self.deliver()] if reply.code != 250), None))
        self.assertRegex(reply, rb"^454 4\.7\.0 ")
        # The first that finds nobody there may have been let in just before.
        place.await_true("it is said", lambda: re.search(
            r"^\(0, 'scanner: failing, .*refused", str(self.status())))
        self.assert_unusable(self.deliver(), "connection refused by")
        self.endpoint.life = 3600
        self.endpoint.start()
        self.await_delivered(40)
        self.assertRegex(self.status()[1], "^scanner: good")

    def test_a_revoked_login_asks_for_a_person_and_needs_no_restart(self):
        self.configure("device", relay_port=self.upstream.port)
        self.begin()
        self.assertRegex(self.deliver(), rb"^454 4\.7\.0 .*somebody must log in, with lockstep oauth")
        self.assertIn("nobody has logged in yet", self.lockstep.log())
        self.log_in()
        self.await_delivered()
        self.endpoint.revoke()
        reply = self.deliver()
        self.assertRegex(reply, rb"^454 4\.7\.0 .*somebody must log in, with lockstep oauth login")
        self.assert_discreet(reply.decode())
        code, said = self.status()
        self.assertEqual(code, 1, said)
        self.assertRegex(said, "^scanner: needs a login, failed .*invalid_grant")
        self.log_in()
        self.await_delivered()
        self.assert_discreet(self.lockstep.explain())

    def test_a_token_that_the_relay_refuses_is_replaced_within_the_session(self):
        self.start("client-credentials", f", client-secret_file: {self.place.path}/client.secret")
        self.await_delivered()
        self.endpoint.end_access()
        self.assert_delivered()
        self.assertEqual(self.endpoint.count("client_credentials"), 2)
        # Once more, and nothing is asked for again: it would not be better.
        self.endpoint.end_access()
        self.assertEqual(self.deliver().code, 454)
        self.assertEqual(self.endpoint.count("client_credentials"), 2)

    def test_a_reload_does_not_ask_twice(self):
        self.endpoint.always = "slow"
        self.start("client-credentials", f", client-secret_file: {self.place.path}/client.secret")
        text = (self.place.path / "lockstep.yaml").read_text()
        for user in ("a@oauth.test", "b@oauth.test", USER):
            (self.place.path / "lockstep.yaml").write_text(text.replace(USER, user))
            os.kill(self.lockstep.pid, signal.SIGHUP)
            time.sleep(0.3)
        self.await_delivered()
        self.assertEqual(self.endpoint.flying_most, 1)

    def test_a_token_that_another_program_looks_after(self):
        """Its file names no endpoint, so none is asked, and it is read again when it changes."""
        tokens = self.place.path / "theirs.json"

        def write(life):
            self.place.private(tokens.name, json.dumps({
                "access_token": self.endpoint.new_access(), "refresh_token": "never used",
                "expiry": str(int(time.time()) + life)}).encode())

        self.place.private("sasl_passwd", f"[127.0.0.1]:{self.upstream.port} {USER}:{tokens}\n"
                           .encode())
        for source in (f"import: {tokens}, format: token",
                       f"import: {self.place.path}/sasl_passwd, format: postfix"):
            with self.subTest(source):
                write(3600)
                self.place.configure("", relay_port=self.upstream.port)
                path = self.place.path / "lockstep.yaml"
                path.write_text(path.read_text().replace("oauth2: {}", source))
                self.begin()
                self.await_delivered()
                self.endpoint.end_access()
                self.assert_unusable(self.deliver(), "endpoint is missing|refuses")
                write(3600)
                self.await_delivered()
                self.assertEqual(self.endpoint.asked, [])
                self.lockstep.stop()

    def test_a_real_relay_takes_the_token(self):
        relay = secure_relays.Dovecot()
        self.addCleanup(relay.stop)
        relay.trust(self.endpoint)
        for mechanism in ("XOAUTH2", "OAUTHBEARER"):
            with self.subTest(mechanism):
                self.configure("client-credentials", ", client-secret_file: "
                               f"{self.place.path}/client.secret", relay_port=relay.port)
                path = self.place.path / "lockstep.yaml"
                path.write_text(path.read_text().replace("XOAUTH2", mechanism))
                self.begin()
                self.await_delivered()
                self.endpoint.end_access()
                self.await_delivered()
                self.assertIn(f"method={mechanism}", relay.log())
                self.lockstep.stop()


if __name__ == "__main__":
    suite.main()
