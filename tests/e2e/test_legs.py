"""TLS on the client's leg, on the relay's, on both or on none, with every mechanism of every relay:
a client that knows nothing of AUTH delivers, lockstep logs in for it, and the relay's own log and
traces say how. One table shows all of it.
"""

import contextlib
import itertools
import os
import pathlib
import smtplib
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, packages, place, proxy, relays, secure_relays  # noqa: E402
from support import suite, wire  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.secure_relays import PASSWORD, SENDER, USER  # noqa: E402
from support.token_endpoint import SECRET, TokenEndpoint  # noqa: E402

LEGS = ("none", "starttls", "implicit")
SCHEMES = dict(zip(LEGS, ("smtp", "starttls", "smtps")))
RECIPIENT = f"one@{relays.DOMAIN}"

TABLE = {}    # (relay, mechanism) -> {(client, upstream): what became of the message}
CLIENTS = {}  # client -> {(client, upstream): messages stored}

SECONDS_TO_STORE = 20


def message(number):
    return b"%s %d\r\nSubject: legs\r\n\r\n.words\r\n" % (relays.MARK, number)


def setUpModule():
    global folder, authority, leaf, old_leaf, context, endpoint
    folder = place.Folder("legs")
    unittest.addModuleCleanup(folder.remove)
    authority = Authority(folder.path)
    leaf = authority.issue("localhost", "127.0.0.1")
    old_leaf = authority.issue("localhost", "127.0.0.1", file="old", key="rsa")
    context = ssl.create_default_context(cafile=authority.certificate)
    endpoint = TokenEndpoint(leaf, user=USER)
    unittest.addModuleCleanup(endpoint.stop)
    unittest.addModuleCleanup(artefacts.keep, folder.path / "store")
    for name, content in (("password", PASSWORD.encode()), ("client", SECRET.encode()),
                          ("store.key", os.urandom(32))):
        (folder.path / name).write_bytes(content)
        (folder.path / name).chmod(0o600)
    unittest.addModuleCleanup(print_tables)


def credentials():
    here = folder.path
    return f"""admin: {{listen: 127.0.0.1:0}}
store: {{directory: {here}/store, key_file: {here}/store.key}}
credentials:
  password: {{user: {USER}, password_file: {here}/password}}
  token: {{user: {USER}, oauth2: {{{endpoint.yaml(authority.certificate)},
          grant: client-credentials, client-secret_file: {here}/client}}}}
"""


def relay_words(relay, upstream, mechanism=None):
    """What a relay's entry in the configuration says to be reached over that leg."""
    port = relay.tls_port if upstream == "implicit" else relay.port
    words = [f"address: ['{SCHEMES[upstream]}://127.0.0.1:{port}']"]
    if mechanism:
        words.append(f"auth: [{mechanism}]")
    if upstream == "none":
        words.append("allow_clear: on")
    elif relay.ciphers:
        words += ["verify: none", f"ciphers: '{relay.ciphers}'"]
    else:
        words.append(f"ca: {relay.authority.certificate}")
    return words


def listener_words(offer, of=None, more=""):
    of = of or leaf
    return f"tls: {{offer: {offer}, certificate: {of.certificate}, key: {of.key}{more}}}\n"


def both_listeners(routes, of=None, more=""):
    """What a Proxy has to be told for its first port to offer STARTTLS and its second to want TLS
    from the first byte."""
    implicit = (f"name: implicit\nlisten: 127.0.0.1:0\nrelay: relay\n"
                f"{listener_words('implicit', of, more)}{routes}")
    return {"listener": listener_words("starttls", of, more) + routes,
            "listeners": "- " + implicit.replace("\n", "\n  ")}


def port_for(client, lockstep):
    return lockstep.ports[-1 if client == "implicit" else 0]


def wait_for(relay, count, logins=0):
    """Until so much is stored and in the log; what is there after all, is looked at then."""
    with contextlib.suppress(TimeoutError):
        place.await_true("the relay to store", lambda: len(relay.files("one")) >= count and
                         len(relay.logins()) >= logins, SECONDS_TO_STORE)


def deliver(port, client, name, number):
    """Sends one message and says no AUTH: the first reply that is a refusal, or the last one."""
    with wire.Conversation(port) as talk:
        if client == "implicit":
            talk.secure(context, "localhost")
        talk.open(name)
        if client == "starttls":
            if talk.ask(b"STARTTLS").code != 220:
                raise wire.Broken("no STARTTLS")
            talk.secure(context, "localhost")
            talk.ask(b"EHLO " + name)
        for line in (b"MAIL FROM:<%s>" % SENDER.encode(), b"RCPT TO:<%s>" % RECIPIENT.encode(),
                     b"DATA"):
            reply = talk.ask(line)
            if reply.code >= 400:
                return reply
        talk.say(wire.stuffed(message(number)))
        reply = talk.reply()
        talk.ask(b"QUIT")
        return reply


class Legs(unittest.TestCase):
    """A subclass per relay; `key` names it in secure_relays.RELAYS."""

    key = None

    @classmethod
    def setUpClass(cls):
        cls.relay = secure_relays.RELAYS[cls.key]()
        cls.addClassCleanup(cls.relay.stop)
        if cls.relay.bearers:
            cls.relay.trust(endpoint)

    def mechanisms(self):
        return [*self.relay.mechanisms, *self.relay.bearers]

    def test_all(self):
        names = [(mechanism, upstream) for mechanism in self.mechanisms() for upstream in LEGS]
        routes = "routes:\n" + "".join(
            f"  - {{helo: {mechanism}.{upstream}.test, relay: {mechanism}-{upstream}, "
            f"credential: {'token' if mechanism in self.relay.bearers else 'password'}}}\n".lower()
            for mechanism, upstream in names)
        entries = "\n".join(
            f"{mechanism.lower()}-{upstream}:\n  " +
            "\n  ".join(relay_words(self.relay, upstream, mechanism))
            for mechanism, upstream in names)
        with proxy.Proxy(self.relay.port, settings=credentials(), transcripts=True,
                         relays=entries, **both_listeners(routes)) as lockstep:
            sent, logins = self.send_all(lockstep)
            wait_for(self.relay, len(sent), len(logins))
            self.assertEqual(sorted(self.relay.arrived("one")), sent,
                             lockstep.process.log()[-2000:])
            self.assertEqual(self.relay.logins(), logins)
            lockstep.keep_answers()
            place.await_true("all sessions to end", lambda: lockstep.process.log().count(
                '"ending":"quit"') == len(sent))

    def send_all(self, lockstep):
        """What the relay must have then: numbers with whether they came over TLS, and logins."""
        numbers = itertools.count(1)
        sent, logins = [], []
        for mechanism, client, upstream in itertools.product(self.mechanisms(), LEGS, LEGS):
            with self.subTest(mechanism=mechanism, client=client, upstream=upstream):
                number = next(numbers)
                reply = deliver(port_for(client, lockstep), client,
                                f"{mechanism}.{upstream}.test".lower().encode(), number)
                TABLE.setdefault((self.key, mechanism), {})[client, upstream] = reply.code
                if upstream == "none" and not self.relay.clear:
                    # It offers no login in clear, and then wants no mail: the client hears why.
                    self.assertEqual(reply.code, 550, reply)
                else:
                    self.assertEqual(reply.code, 250, reply)
                    sent.append((number, upstream != "none"))
                    logins.append(mechanism)
        return sent, logins


def _run(argv, given=b""):
    return subprocess.run([str(word) for word in argv], input=given, capture_output=True,
                          timeout=60, check=False)


def _swaks(port, client, number):
    return _run([packages.program("swaks"), "--server", "127.0.0.1", "--port", port, "--from",
                 SENDER, "--to", RECIPIENT, "--helo", "client.test", "--data",
                 "@" + str(_file(number)),
                 *{"none": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[client]])


def _file(number):
    path = folder.path / "message"
    path.write_bytes(message(number).removesuffix(b"\r\n"))
    return path


def _curl(port, client, number):
    return _run([packages.program("curl"), "--silent", "--show-error", "--max-time", 30,
                 "--cacert", authority.certificate, "--mail-from", SENDER, "--mail-rcpt",
                 RECIPIENT, "--upload-file", _file(number),
                 *(["--ssl-reqd"] if client == "starttls" else []),
                 f"{'smtps' if client == 'implicit' else 'smtp'}://127.0.0.1:{port}/client.test"])


def _msmtp(port, client, number):
    tls = ["--tls=off"] if client == "none" else [
        "--tls=on", f"--tls-starttls={'on' if client == 'starttls' else 'off'}",
        f"--tls-trust-file={authority.certificate}"]
    return _run([packages.program("msmtp"), "--file=/dev/null", "--host=127.0.0.1",
                 f"--port={port}", "--auth=off", *tls, "--domain=client.test", f"--from={SENDER}",
                 "--", RECIPIENT], message(number))


def _smtplib(port, client, number):
    kind = smtplib.SMTP_SSL if client == "implicit" else smtplib.SMTP
    words = {"context": context} if client == "implicit" else {}
    with kind("localhost", port, "client.test", timeout=30, **words) as server:
        if client == "starttls":
            server.starttls(context=context)
        server.sendmail(SENDER, [RECIPIENT], message(number))


def _s_client(*words):
    """openssl s_client, which writes the whole session at once."""
    def run(port, client, number):
        if client == "none":
            return None
        script = (b"EHLO client.test\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (
            SENDER.encode(), RECIPIENT.encode()) + wire.stuffed(message(number)) + b"QUIT\r\n")
        done = _run([packages.program("openssl"), "s_client", "-connect", f"127.0.0.1:{port}",
                     "-quiet", "-verify_return_error", "-CAfile", authority.certificate,
                     *(["-starttls", "smtp"] if client == "starttls" else []), *words], script)
        if b"\n221 " not in done.stdout:
            raise AssertionError(done)
        return done
    return run


PROGRAMS = {"swaks": _swaks, "curl": _curl, "msmtp": _msmtp, "smtplib": _smtplib,
            "openssl s_client": _s_client()}
OLD_PROGRAMS = {"openssl s_client -tls1": _s_client("-tls1", "-cipher", "ALL:@SECLEVEL=0")}


class Programs(unittest.TestCase):
    """Real clients, none of which logs in, in front of a real relay that wants it."""

    ROUTES = "routes:\n  - {relay: postfix, credential: password}\n"

    @classmethod
    def setUpClass(cls):
        cls.relay = secure_relays.Postfix()
        cls.addClassCleanup(cls.relay.stop)
        cls.numbers = itertools.count(1)

    def proxy(self, upstream, **listeners):
        relay = "\n  ".join(["postfix:", *relay_words(self.relay, upstream)])
        return proxy.Proxy(settings=credentials(), addresses=["smtp://127.0.0.1:1"], relays=relay,
                           **listeners)

    def run_all(self, programs, version, of=None, more=""):
        for upstream in LEGS:
            with self.proxy(upstream, **both_listeners(self.ROUTES, of, more)) as lockstep:
                for (name, run), client in itertools.product(programs.items(), LEGS):
                    with self.subTest(name=name, client=client, upstream=upstream):
                        self.run_one(name, run, client, upstream, lockstep)
                self.assertIn(f'"client_tls":"{version}"', lockstep.process.log())

    def run_one(self, name, run, client, upstream, lockstep):
        self.relay.forget()
        number = next(self.numbers)
        done = run(port_for(client, lockstep), client, number)
        if done is None and name.startswith("openssl"):
            return
        if done is not None:
            self.assertEqual(done.returncode, 0, (done, lockstep.process.log()))
        wait_for(self.relay, 1)
        arrived = self.relay.arrived("one")
        CLIENTS.setdefault(name, {})[client, upstream] = len(arrived)
        self.assertEqual(arrived, [(number, upstream != "none")])

    def test_those_of_today(self):
        self.run_all(PROGRAMS, "TLSv1.3")

    def test_one_that_knows_only_tls_1_0(self):
        self.run_all(OLD_PROGRAMS, "TLSv1", old_leaf,
                     ", legacy-networks: [127.0.0.0/8], legacy-minimum: TLSv1.0")

    def test_one_port_for_all(self):
        with self.proxy("implicit", listener=listener_words("both", more=", wait: 2s") +
                        self.ROUTES) as lockstep:
            for client in LEGS:
                with self.subTest(client=client):
                    self.run_one("curl", _curl, client, "implicit", lockstep)


class Observe(unittest.TestCase):
    def test_tls_and_login_of_others_pass_unread(self):
        with secure_relays.Exim() as relay, proxy.Proxy(
                relay.port, listener="mode: observe", transcripts=True) as lockstep:
            trusting = ssl.create_default_context(cafile=relay.authority.certificate)
            with smtplib.SMTP("127.0.0.1", lockstep.port, "client.test", timeout=30) as server:
                server.starttls(context=trusting)
                server.login(USER, PASSWORD)
                server.sendmail(SENDER, [RECIPIENT], message(1))
            wait_for(relay, 1)
            self.assertEqual(relay.arrived("one"), [(1, True)])
            transcripts = lockstep.folder.path / "transcripts"
            text = place.await_true("the session to end", lambda: "".join(
                path.read_text() for path in transcripts.glob("*") if "! end" in path.read_text()))
            behind = text[text.index("C< 220 TLS go ahead"):]
            self.assertRegex(behind, r"C> ~ \d+ bytes")
            self.assertNotIn("MAIL", behind)


CASES = {f"Legs_{key.replace('-', '_')}": type(f"Legs_{key}", (Legs,), {"key": key})
         for key in secure_relays.RELAYS}
CASES |= {"Programs": Programs, "Observe": Observe}
globals().update(CASES)  # so that one can be named when the file is run


def load_tests(loader, _tests, _pattern):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in CASES.values())


def print_tables():
    both = list(itertools.product(LEGS, LEGS))
    for title, table in (("what the client heard last", TABLE), ("messages stored", CLIENTS)):
        if not table:
            continue
        print(f"\n{title:34}client:" + "".join(f"{client:>10}" for client, _ in both))
        print(f"{'':33}upstream:" + "".join(f"{upstream:>10}" for _, upstream in both))
        for row, cells in table.items():
            name = " ".join(row) if isinstance(row, tuple) else row
            print(f"{name:42}" + "".join(f"{cells.get(legs, '-'):>10}" for legs in both))
    print()


if __name__ == "__main__":
    suite.main()
