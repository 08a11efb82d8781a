#!/usr/bin/env python3
"""`lockstep secret`: what gets into the store, what shows of it, and what survives a crash."""

import base64
import fcntl
import os
import pathlib
import pty
import random
import select
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, suite  # noqa: E402

LOCKSTEP = os.environ["LOCKSTEP"]
PASSWORD = artefacts.secret("correct horse battery staple")
SHORT, LONG = "s" * 10, "l" * 8000
NOBODY = 65534
OVERHEAD = 52   # bytes of a file beside its secret

POSTFIX = """# relays
[smtp.one.example]:587    one@one.example:first:secret
@shop.example             all@shop.example:second-secret
smtp.two.example          one@one.example:third-secret
"""
MSMTP = """defaults
auth on
account work
host smtp.one.example
user worker
password "fourth secret"
account command
host smtp.two.example
user other
passwordeval pass show other
"""
NETRC = 'machine smtp.one.example login "net rc" password fifth-secret\n'
TOKEN = '{"access_token": "sixth-secret", "refresh_token": "seventh-secret", "user": "t@g.example"}'
SECRETS = (PASSWORD, SHORT, LONG, "first:secret", "second-secret", "third-secret",
           "fourth secret", "fifth-secret", "sixth-secret", "seventh-secret", "hunter2")
for each in set(SECRETS) - {SHORT, "hunter2"}:  # these stand in too many words by chance
    artefacts.secret(each)


class Secret(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = pathlib.Path(place.name)
        self.store = self.folder / "store"
        self.key = self.folder / "key"
        self.addCleanup(artefacts.keep, self.store)
        self.where = ("--directory", self.store, "--key-file", self.key)

    def command(self, *words):
        return [LOCKSTEP, "secret", *map(str, self.where), *map(str, words)]

    def do(self, *words, typed=None, code=0):
        """Runs it; whatever it says, no secret is in it."""
        ran = subprocess.run(self.command(*words), input=typed, text=True, capture_output=True,
                             timeout=30, check=False)
        self.assertEqual(ran.returncode, code, ran.stderr)
        for said in ran.stdout, ran.stderr:
            artefacts.keep_text("secret", said)
            for secret in SECRETS:
                self.assertNotIn(secret, said)
        return ran

    def start(self):
        self.do("--create-key", "list")

    def names(self, code=0):
        return {line.split()[0]: line.split()[1]
                for line in self.do("list", code=code).stdout.splitlines()}

    def write(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    # --- what is there ---

    def test_set_list_remove(self):
        self.start()
        self.do("set", "shop", typed=PASSWORD + "\n")
        self.do("set", "a.b@c+d-e_f", typed=PASSWORD)
        listed = self.do("list").stdout.splitlines()
        self.assertEqual([line.split()[:2] for line in listed],
                         [["a.b@c+d-e_f", "password"], ["shop", "password"]])
        self.assertRegex(listed[1], r"^shop +password +\d+ seconds?$")
        self.assertIn("No such file", self.do("remove", "shop", "other", code=66).stderr)
        self.assertEqual(list(self.names()), ["a.b@c+d-e_f"])

    def test_files_are_their_owners_and_encrypted(self):
        os.umask(0)
        self.addCleanup(os.umask, 0o022)
        self.start()
        self.do("set", "shop", typed=PASSWORD)
        self.assertEqual(stat.S_IMODE(self.store.stat().st_mode), 0o700)
        self.assertEqual(self.key.stat().st_size, 32)
        files = [self.key, *self.store.iterdir()]
        self.assertIn(self.store / "shop", files)
        for file in files:
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600, file)
            for form in PASSWORD.encode(), base64.b64encode(PASSWORD.encode()):
                self.assertNotIn(form, file.read_bytes())
        first = (self.store / "shop").read_bytes()
        self.do("set", "shop", typed=PASSWORD)
        self.assertNotEqual(first[24:], (self.store / "shop").read_bytes()[24:],
                            "the same secret never looks the same")

    def test_typed_at_a_terminal_it_does_not_show(self):
        self.start()
        ours, theirs = pty.openpty()
        running = subprocess.Popen(self.command("set", "shop"), stdin=theirs, stderr=theirs,
                                   stdout=theirs, close_fds=True)
        self.addCleanup(running.kill)
        seen = b""
        until = time.monotonic() + 20
        while b"shown: " not in seen or termios.tcgetattr(theirs)[3] & termios.ECHO:
            self.assertLess(time.monotonic(), until)
            if select.select([ours], [], [], 0.05)[0]:
                seen += os.read(ours, 4096)
        os.write(ours, PASSWORD.encode() + b"\n")
        self.assertEqual(running.wait(timeout=20), 0)
        self.assertTrue(termios.tcgetattr(theirs)[3] & termios.ECHO, "as it was before")
        os.close(theirs)
        while select.select([ours], [], [], 0)[0]:
            try:
                seen += os.read(ours, 4096)
            except OSError:
                break
        os.close(ours)
        self.assertNotIn(PASSWORD.encode(), seen)
        self.assertEqual((self.store / "shop").stat().st_size, OVERHEAD + len(PASSWORD))

    def test_what_is_wrong(self):
        self.assertIn("No such file", self.do("list", code=73).stderr)
        self.assertFalse(self.store.exists(), "no key, no store")
        self.start()
        for words, typed, code, says in (
                (("set", "shop", PASSWORD), None, 64, "never from the command line"),
                (("set",), None, 64, "never from the command line"),
                (("get", "shop"), None, 64, "write set NAME|list|"),
                (("set", "../shop"), "x", 64, "the name of a secret"),
                (("set", "shop"), "", 65, "nothing was typed"),
                (("set", "shop"), "two\nlines\n", 65, "a secret is one line"),
                (("set", "shop"), "x" * 8193, 65, "at most 8192 bytes"),
                (("import", "/no/such/file"), None, 66, "No such file")):
            with self.subTest(words):
                self.assertIn(says, self.do(*words, typed=typed, code=code).stderr)
        self.assertEqual(self.names(), {})
        ran = subprocess.run([LOCKSTEP, "secret", "--directory", self.store, "list"], text=True,
                             capture_output=True, timeout=30, check=False)
        self.assertEqual((ran.returncode, ran.stderr),
                         (64, "lockstep secret: --directory wants --key-file FILE beside it\n"))

    def test_store_of_a_configuration(self):
        self.start()
        config = self.write("lockstep.yaml", f"""config_version: 1
listeners: [{{name: a, listen: 127.0.0.1:0, relay: r}}]
relays: {{r: {{address: smtp://127.0.0.1:1}}}}
store: {{directory: {self.store}, key_file: {self.key}}}
""")
        self.where = ("-c", config)
        self.do("set", "shop", typed=PASSWORD)
        self.assertEqual(list(self.names()), ["shop"])
        config.write_text(config.read_text().replace("store:", "# store:"))
        self.assertIn("no store is configured", self.do("list", code=78).stderr)

    # --- other hands ---

    def test_wrong_key_and_changed_bytes(self):
        self.start()
        self.do("set", "one", typed=PASSWORD)
        self.do("set", "two", typed=PASSWORD)
        key = self.key.read_bytes()
        self.key.write_bytes(bytes(32))
        said = self.do("list", code=73).stderr
        self.assertIn(f"{self.key} is not the key that {self.store} was written with", said)
        self.do("set", "three", typed=PASSWORD, code=73)
        self.do("--create-key", "list", code=73)
        self.assertEqual(self.key.read_bytes(), bytes(32), "a key that is there stays")
        self.key.write_bytes(key)
        one = self.store / "one"
        whole = one.read_bytes()
        for place in range(0, len(whole), 5):
            one.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1:])
            ran = self.do("list", code=65)
            self.assertIn(f"{one} was damaged", ran.stderr)
            self.assertEqual(ran.stdout.split()[0], "two", "the others are as they were")
        one.write_bytes((self.store / "two").read_bytes())
        self.assertIn(f"{one} was damaged", self.do("list", code=65).stderr)
        one.write_bytes(whole)
        self.assertEqual(list(self.names()), ["one", "two"])

    def test_nobody_else_may_read_it(self):
        self.start()
        for file, mode, back in ((self.store, 0o750, 0o700), (self.key, 0o640, 0o600)):
            file.chmod(mode)
            self.assertIn(f"chmod {back:o} {file}", self.do("list", code=73).stderr)
            file.chmod(back)

    @unittest.skipUnless(os.getuid() == 0, "only root can write for others")
    def test_what_root_writes_belongs_to_the_service(self):
        self.folder.chmod(0o711)
        os.chown(self.folder, NOBODY, NOBODY)
        self.start()
        self.do("set", "shop", typed=PASSWORD)
        for file in self.store, *self.store.iterdir():
            self.assertEqual((file.stat().st_uid, file.stat().st_gid), (NOBODY, NOBODY), file)

    def test_one_writer(self):
        self.start()
        self.do("set", "shop", typed=PASSWORD)
        with open(self.store / ".lock", "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ran = self.do("set", "shop", typed="other", code=74)
            self.assertIn("is being written by another process: try again", ran.stderr)
            self.assertEqual(list(self.names()), ["shop"], "reading goes on")
        running = [subprocess.Popen(self.command("set", f"name-{i}"), stdin=subprocess.PIPE)
                   for i in range(12)]
        for one in running:
            one.stdin.write(PASSWORD.encode())
            one.stdin.close()
        self.assertEqual([one.wait(timeout=30) for one in running], [0] * 12)
        self.assertEqual(len(self.names()), 13)

    def test_killed_at_any_moment_there_is_the_old_one_or_the_new(self):
        self.start()
        self.do("set", "shop", typed=SHORT)
        chance = random.Random(5)
        sizes = set()
        killed = 0
        for i in range(120):
            running = subprocess.Popen(self.command("set", "shop"), stdin=subprocess.PIPE)
            running.stdin.write((LONG if i % 2 else SHORT).encode())
            running.stdin.close()
            try:
                running.wait(timeout=chance.uniform(0, 0.012))
            except subprocess.TimeoutExpired:
                running.kill()
            killed += running.wait(timeout=30) == -signal.SIGKILL
            if i % 5 == 4:
                self.assertEqual(self.names(), {"shop": "password"})
            sizes.add((self.store / "shop").stat().st_size)
        self.assertLessEqual(sizes, {OVERHEAD + len(SHORT), OVERHEAD + len(LONG)})
        self.assertGreater(killed, 0)
        self.do("set", "shop", typed=PASSWORD)
        self.assertEqual((self.store / "shop").stat().st_size, OVERHEAD + len(PASSWORD))

    # --- from other programs ---

    def test_imports(self):
        self.start()
        for name, text, code, printed in (
                ("sasl_passwd", POSTFIX, 0,
                 'one@one.example: {user: "one@one.example", store: one@one.example}\n'
                 'all@shop.example: {user: "all@shop.example", store: all@shop.example}\n'
                 'one@one.example.3: {user: "one@one.example", store: one@one.example.3}\n'),
                ("msmtprc", MSMTP, 65, 'worker: {user: "worker", store: worker}\n'),
                ("netrc", NETRC, 0, 'net_rc: {user: "net rc", store: net_rc}\n'),
                ("token", TOKEN, 0,
                 't@g.example: {user: "t@g.example", oauth2: {provider: generic}}\n')):
            with self.subTest(name):
                ran = self.do("import", self.write(name, text), code=code)
                self.assertEqual(ran.stdout, printed)
        self.assertEqual(self.names(), {
            "one@one.example": "password", "all@shop.example": "password",
            "one@one.example.3": "password", "worker": "password", "net_rc": "password",
            "t@g.example": "token"})
        for name, secret in (("one@one.example", "first:secret"), ("worker", "fourth secret"),
                             ("t@g.example", TOKEN)):
            self.assertEqual((self.store / name).stat().st_size, OVERHEAD + len(secret))

    def test_import_by_another_name(self):
        self.start()
        token = self.write("token", TOKEN)
        self.do("import", "--name", "gmail", token)
        self.assertEqual(self.names(), {"gmail": "token"})
        ran = self.do("import", "--name", "x", self.write("p", POSTFIX), code=64)
        self.assertIn("--name is for a file of one entry", ran.stderr)

    def test_imports_that_are_refused(self):
        self.start()
        for mode in 0o640, 0o604, 0o660:
            path = self.write("netrc", NETRC, mode)
            self.assertIn(f"chmod 600 {path}", self.do("import", path, code=66).stderr)
        ran = self.do("import", self.write("bad", POSTFIX + "hunter2-secret\n"), code=66)
        self.assertIn("bad: line 5: this is no ", ran.stderr)
        ran = self.do("import", "--format", "token", self.write("netrc", NETRC), code=66)
        self.assertIn("line 1: it is no JSON", ran.stderr)
        self.assertEqual(self.names(), {})


if __name__ == "__main__":
    suite.main()
