"""Good and bad configurations, through `lockstep check`.

A file of bad/ carries what is expected in comments, one `# expect: LINE:COLUMN: SENTENCE` for each
problem, in the order of their places; `(...)` stands for the words of the YAML parser. Bytes that an
editor would spoil are made here.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from support import suite  # noqa: E402

LOCKSTEP = os.environ["LOCKSTEP"]
EXAMPLES = sorted((HERE.parent.parent / "config").glob("*.yaml"))
BAD = sorted((HERE / "bad").glob("*.yaml"))

GOOD = """config_version: 1
relays: {r: {address: smtp://192.0.2.1}}
listeners:
  - {name: a, listen: 127.0.0.1:25, relay: r}
"""

DANGEROUS = """config_version: 1
relays:
  clear: {address: smtp://192.0.2.1, allow_clear: on}
  anybody: {address: smtps://192.0.2.1, verify: none}
  stripped: {address: starttls://192.0.2.1, tls: offered}
  old: {address: smtps://192.0.2.1, minimum: TLSv1.1, rates: {messages: 10/1m}}
credentials: {c: {user: u, password_file: /f}}
listeners:
  - name: a
    listen: 127.0.0.1:25
    relay: old
    tls: {certificate: c, key: k, minimum: TLSv1.0}
    auth: {clients: accept, clear: on}
  - name: b
    listen: 127.0.0.1:26
    relay: old
    allow: 10.0.0.0/8
    tls: {certificate: c, key: k, legacy-networks: 10.0.0.0/9, legacy-minimum: TLSv1.1}
    routes: [{pop: pop3+clear://pop.example, credential: c}]
  - name: c
    listen: 127.0.0.1:27
    relay: old
    repairs: {bare-lf: on}
    timeouts: {pace: 5m}
    routes: [{sender: "*@b", repairs: {match-header-from: on}}]
  - {name: d, listen: 127.0.0.1:28, relay: old, mode: observe, repairs: {match-header-from: on}}
  - {name: p, listen: 127.0.0.1:40, relay: old, intercept: tproxy, ports: 25, fail-open: on,
     tls: {certificate: c, key: k, required: on}}
  - {name: e, listen: 127.0.0.1:29, relay: old, tls: {authority: a, authority-key: k}}
  - {name: f, listen: 127.0.0.1:30, relay: clear, tls: {offer: pass}, routes: [{credential: c}]}
  - {name: g, listen: ["127.0.0.1:31", "*:32"], relay: old, proxy-from: [10.0.0.1, "::/0"]}
  - {name: h, listen: 127.0.0.1:33, relay: old, proxy-from: 0.0.0.0/0}
  - {name: i, listen: "*:34", relay: old, proxy-from: 10.0.0.0/8}
  - {name: j, listen: 127.0.0.1:35, relay: old, xclient-from: [10.0.0.0/8, 128.0.0.0/1]}
"""

WARNINGS = (
    "listener `a`: `tls.minimum` lets clients speak TLS that is broken: keep their network apart",
    "listener `b`: `tls.legacy-minimum` lets those networks speak TLS that is broken: keep them "
    "apart",
    "listener `e`: `tls.authority`: whoever has its key is any server to those who trust it: keep it "
    "for lockstep alone",
    "listener `f`: `tls.offer: pass`: behind a client's STARTTLS no credential is put in and nothing "
    "is repaired",
    "listener `a`: `auth.clear: on`: passwords of clients may cross the line in clear",
    "listener `d`: `mode: observe` or `fault` holds no message: the `rates` of its relay are not "
    "kept by its clients",
    "listener `c`: `timeouts.pace` is as long as clients wait for an answer to MAIL, five minutes: "
    "they may give up and come again",
    "listener `g`: `proxy-from` holds everybody, and whoever is in it can pretend to be any client: "
    "write the addresses of your load balancers",
    "listener `b`: `pop` opens the provider's relay for all who share this machine's address",
    "listener `b`: `pop3+clear://`: that password crosses the line in clear",
    "listener `c`: `match-header-from` breaks clients' signatures (DKIM, DMARC) and tells readers "
    "another author",
    "listener `c`: these repairs are only for clients that you trust, see lockstep(1): "
    "match-header-from, bare-lf",
    "listener `p`: `fail-open: on`: whoever passes does so without the TLS, login or rate that is "
    "asked for here",
    "listener `j`: `xclient-from` believes whoever connects that he is somebody else, and logged in "
    "where logins are checked: 128.0.0.0/1",
    "relay `clear`: `allow_clear: on`: passwords may cross the line in clear",
    "relay `anybody`: `verify: none`: anybody on the way can pose as it",
    "relay `stripped`: `tls: offered`: anybody on the way can take STARTTLS out of its offers",
    "relay `old`: `minimum` lets it speak TLS that is broken: anybody on the way may read along",
    "it can't be run here and now: listener a: c: can't be read: No such file or directory; it has "
    "to be a certificate and those that lead up to its root, as PEM",
)

# Every kind of value that can be empty, given, a list, or one entry instead of a list.
EVERYTHING = """config_version: 1
store: {directory: /var/lib/lockstep, key_credential: key}
admin: {listen: "[::1]:0"}
tls: {offer: none}
listeners:
  - name: a
    listen: "*:25"
    relay: r
    allow: [192.168.10.0/24, 2001:DB8::/32, "::ffff:10.0.0.1"]
    deny: [192.168.10.66, "2001:db8:0:1::/64"]
    certificates: ["s-*", printer.example]
    rates: {messages: 60, recipients: 100/10S, bytes: 10m/1h}
    tls: {offer: both, required: on, certificate: c, key: k, ciphers: "HIGH:!aNULL", client-ca: a,
          client-certificate: require, wait: 1s}
    auth: {clients: check, socket: /run/auth}
    routes:
      - {client: 192.168.10.7, destination: "*:25", certificate: "s-*", helo: h, login: l,
         sender: "*@[192.0.2.1]", recipient: "\\"odd\\"@x", relay: s, credential: c,
         repairs: {bdat-to-data: off, refused-sender: on}}
      - {ask: "http://127.0.0.1:9000/auth?a=b", helo: x}
      - {helo: y, credential: c, pop: pop3s://pop.example}
      - {}
  - {name: b, listen: 127.0.0.1:26, relay: r, xclient-from: 10.0.0.1}
  - {name: c, listen: 127.0.0.1:27, relay: original, intercept: tproxy, ports: [25, 587],
     destinations: [10.0.0.0/8, "2001:db8::/32"], fail-open: on}
  - {name: behind, listen: "*:28", relay: s, proxy-from: 10.0.0.1, timeouts: {proxy: 3s},
     tls: {required: on, offer: none}, auth: {clients: accept}, certificates: "s-*", routes: [{certificate: "s-*"}]}
relays:
  original: {tls: offered, source: client, verify: none}
  r: {address: [starttls://a, "starttls://[::1]:26"], ca: /ca, server-name: mx.example, tls: offered,
      ciphers: HIGH, certificate: c, key: k, auth: [oauthbearer, EXTERNAL], auth-line: 246,
      auth-refused: reject, xclient: on, balance: Least, slow-start: 30s, sessions: 20,
      rates: {messages: 100/1m, bytes: 0}}
  s: {address: smtp://a, allow_clear: on, auth: ANY, proxy: v2}
credentials:
  c: {user: u@x, oauth2: {provider: generic, grant: jwt, key_file: k, scope: a b, ca: /ca,
      token-endpoint: "https://[::1]:8443/token"}}
  d: {import: /n, format: netrc}
  e: {store: odd+name@x}
"""

EVERYTHING_SHOWN = (
    '    allow: [192.168.10.0/24, "2001:db8::/32", 10.0.0.1]\n',
    "      offer: both\n      required: on\n",
    "    auth:\n      socket: /run/auth\n      clients: check\n",
    '        client: [192.168.10.7]\n        destination: "*:25"\n',
    "        repairs:\n          refused-sender: on\n          bdat-to-data: off\n      -\n",
    "      - {}\n",
    "      offer: none\n",
    "    intercept: tproxy\n    ports: [25, 587]\n",
    '    destinations: [10.0.0.0/8, "2001:db8::/32"]\n    fail-open: on\n',
    "    tls: offered\n    verify: none\n    minimum: TLSv1.2\n    source: client\n",
    '    deny: [192.168.10.66, "2001:db8:0:1::/64"]\n',
    "    rates:\n      messages: 60/1m\n      recipients: 100/10s\n      bytes: 10M/1h\n",
    '    certificates: ["s-*", printer.example]\n',
    "    balance: least\n    slow-start: 30s\n    sessions: 20\n    rates:\n      messages: 100/1m\n"
    "      recipients: 0\n      bytes: 0\n",
    '    address: ["starttls://a:587", "starttls://[::1]:26"]\n    balance: least\n',
    "      bytes: 0\n    tls: offered\n",
    "    xclient-from: [10.0.0.1]\n",
    "    pipelining: auto\n    xclient: on\n    xforward: off\n",
    "    auth: [EXTERNAL, OAUTHBEARER]\n    allow_clear: off\n    auth-line: 246\n",
    '    address: ["smtp://a:25"]\n',
    "    auth: [any]\n    allow_clear: on\n",
    "    proxy: v2\n", "    proxy-from: [10.0.0.1]\n", "      proxy: 3s\n",
    "  c:\n    user: \"u@x\"\n    oauth2:\n      provider: generic\n      grant: jwt\n",
    "  d:\n    import: /n\n    format: netrc\n  e:\n    store: \"odd+name@x\"\n",
)

# Bytes, and the problems they are.
RAW = {
    "empty": (b"", ["1:1: the file is empty: begin with `config_version: 1`"]),
    "only a comment": (b"# nothing\n\n", ["1:1: the file is empty: begin with `config_version: 1`"]),
    "latin-1": (GOOD.encode() + b"# caf\xe9\n",
                ["5:6: not UTF-8: save the file as UTF-8"]),
    "surrogate": (b"config_version: 1\nhostname: \xed\xa0\x80\n",
                  ["2:11: not UTF-8: save the file as UTF-8"]),
    "cut character": (b"config_version: 1 # \xe2\x82", ["1:21: not UTF-8: save the file as UTF-8"]),
    "utf-16": (GOOD.encode("utf-16"), ["1:1: not UTF-8: save the file as UTF-8"]),
    "binary": (b"config_version: 1\n\x00\x7fELF",
               ["2:1: a control character: remove it, or save the file as text"]),
    "column counts characters": ("config_version: 1\nx: é\x01\n".encode(),
                                 ["2:5: a control character: remove it, or save the file as text"]),
    "tab": (b"config_version: 1\nlimits:\n\tline: 1k\n",
            ["3:1: a tab in the indentation: write spaces"]),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode() + b"workers: x\n",
                        ["5:10: `workers` is `x`: write a number, from 0 to 256"]),
    "CRLF": (GOOD.replace("\n", "\r\n").encode() + b"workers: x\r\n",
             ["5:10: `workers` is `x`: write a number, from 0 to 256"]),
    "many listeners": (
        ("config_version: 1\nrelays: {r: {address: smtp://a}}\nlisteners:\n" + "".join(
            f"  - {{name: n{i}, listen: 127.0.0.1:{i + 1}, relay: r}}\n" for i in range(33))).encode(),
        ["36:5: one too many here: write at most 32"]),
    "many relays": (
        (GOOD.replace("{r: {address: smtp://192.0.2.1}}", "\n" + "".join(
            f"  r{i or ''}: {{address: smtp://a}}\n" for i in range(33)))).encode(),
        ["35:3: one too many here: write at most 32"]),
    "many addresses": (
        GOOD.replace("127.0.0.1:25", f"[{', '.join(['127.0.0.1:0'] * 9)}]").encode(),
        ["4:128: `listen` is `127.0.0.1:0`: write at most 8 addresses"]),
}

# Flags of `lockstep run`, which are words of the same table, and what is said of them.
FLAGS = (
    ("--listen 127.0.0.1", "command line: --listen: `listen` is `127.0.0.1`: write a port after "
                           "the address, as in 127.0.0.1:25"),
    ("--upstream lmtp://x", "command line: --upstream: `address` is `lmtp://x`: write a URL, as in "
                            "smtp://mx.example:25, starttls://mx.example:587 or "
                            "smtps://mx.example:465"),
    ("--mode fix", "command line: --mode: `mode` is `fix`: write repair, observe or fault"),
    ("--set limits.row=1", "command line: --set: unknown word `limits.row`: did you mean `rows`?"),
    ("--set listeners=x", "command line: --set: `listeners` is more than one value: write it in a "
                          "file"),
    ("--set repairs.lf-end-of-data=on",
     "command line: `lf-end-of-data` without `bare-lf` ends nothing: write `bare-lf: on` beside it, "
     "or leave it out"),
    ("--set relay=foo", "command line: there is no relay `foo`: name one of those under `relays`"),
    ("-c FILE --listen 127.0.0.1:0", "FILE: addresses stand in the file: leave out the file, or the "
                                     "flags"),
    ("-c FILE --set sessions-per-client=20000",
     "command line: `sessions-per-client` is more than `sessions`: write at most 10000"),
)


def check(path):
    return subprocess.run([LOCKSTEP, "check", "-c", str(path)], capture_output=True, timeout=30)


def complaints(ran):
    return [line for line in ran.stderr.splitlines() if b": warning: " not in line]


class Check(unittest.TestCase):
    maxDiff = None

    def expect(self, path, expected):
        ran = check(path)
        said = ran.stderr.decode("utf-8", "replace")
        said = re.sub(r"(?<=: not YAML, ).*(?=: mend )", "(...)", said)
        self.assertEqual(said.splitlines(), [f"{path}:{line}" for line in expected])
        self.assertEqual((ran.returncode, ran.stdout), (78, b""))

    def write(self, content):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / "lockstep.yaml"
        path.write_bytes(content)
        return path

    def read_back(self, path):
        """The effective configuration, and the one it is read back to."""
        first = check(path)
        self.assertEqual((first.returncode, complaints(first)), (0, []))
        head, text = first.stdout.split(b"\n", 1)
        self.assertEqual(head, b"# read from " + bytes(path))
        second = check(self.write(text))
        self.assertEqual((second.returncode, complaints(second)), (0, []))
        return text, second.stdout.split(b"\n", 1)[1]

    def test_examples_read_back_to_themselves(self):
        self.assertGreater(len(EXAMPLES), 2)
        for path in EXAMPLES:
            with self.subTest(path.name):
                self.assertEqual(*self.read_back(path))

    def test_what_is_allowed_and_dangerous_is_said(self):
        path = self.write(DANGEROUS.encode())
        ran = check(path)
        self.assertEqual(ran.returncode, 0)
        self.assertEqual(ran.stderr.decode().splitlines(),
                         [f"{path}: warning: {says}" for says in WARNINGS])

    def test_what_is_not_dangerous_is_not_said(self):
        for path in (self.write(GOOD.encode()), HERE.parent.parent / "config/senders.yaml"):
            self.assertEqual(check(path).stderr, b"")

    def test_every_word_reads_back(self):
        text, again = self.read_back(self.write(EVERYTHING.encode()))
        self.assertEqual(text, again)
        for line in EVERYTHING_SHOWN:
            self.assertIn(line, text.decode())

    def test_awkward_text_reads_back(self):
        path = self.write(GOOD.replace("127.0.0.1:25", '"*:0"').encode() +
                          rb'transcripts: {directory: "a: \"b\\ #c\td\u00e9"}' + b"\n")
        text, again = self.read_back(path)
        self.assertEqual(text, again)
        self.assertIn(rb'directory: "a: \"b\\ #c\x09d' + "é".encode() + b'"\n', text)

    def test_what_the_top_says_holds_in_listeners_that_say_nothing_else(self):
        path = self.write(GOOD.replace("relay: r}", "relay: r, timeouts: {mail: 1500ms}}").encode() +
                          b"timeouts: {mail: 7s, rcpt: 120s}\nlimits: {line: 4096}\n")
        text = self.read_back(path)[0]
        for word in (b" mail: 1500ms\n", b" rcpt: 2m\n", b" line: 4k\n"):
            self.assertIn(word, text)

    def test_never_of_a_relay_is_never_of_its_listeners(self):
        text = self.read_back(self.write(
            GOOD.replace("192.0.2.1", "192.0.2.1, pipelining: never").encode()))[0]
        self.assertEqual(text.count(b"pipelining: never"), 2)

    def test_no_password_is_repeated(self):
        ran = check(self.write(GOOD.replace("192.0.2.1", "me:s3cret@192.0.2.1").encode()))
        self.assertEqual(ran.returncode, 78)
        self.assertNotIn(b"s3cret", ran.stderr)
        self.assertIn(b"`[secret]@192.0.2.1`", ran.stderr)
        path = HERE / "bad/secrets.yaml"
        self.assertIn("hunter2", path.read_text())
        self.assertNotIn(b"hunter2", check(path).stderr)

    def test_the_cure_of_a_flood_of_problems_begins_with_the_first(self):
        ran = check(self.write(b"config_version: 1\n" + b"".join(
            b"x%d: 1\n" % i for i in range(5000))))
        lines = ran.stderr.decode().splitlines()
        self.assertEqual(len(lines), 51)
        self.assertTrue(lines[0].endswith(":2:1: unknown key `x0`: `lockstep check --words` lists "
                                          "what may stand there"), lines[0])
        self.assertTrue(lines[50].endswith(": there is more: mend these first"))

    def test_every_word_has_a_line_in_the_manual(self):
        listed = subprocess.run([LOCKSTEP, "check", "--words"], capture_output=True, text=True,
                                timeout=30).stdout
        words = re.findall(r"^([a-z0-9_.-]+) \((\w+)[^)]*\): \S.*\.\n    [A-Za-z].*\.$", listed,
                           flags=re.M)
        self.assertEqual(len(words) * 2, len(listed.splitlines()))
        self.assertIn(("limits.rows", "any"), words)
        self.assertIn(("address", "relay"), words)
        self.assertEqual(len(words), len(set(words)))

    def test_files_that_are_none(self):
        with tempfile.TemporaryDirectory() as folder:
            for path, says in ((folder, "Is a directory"),
                               (folder + "/none", "No such file or directory")):
                ran = check(path)
                self.assertEqual((ran.returncode, ran.stderr.decode()), (66, f"{path}: {says}\n"))
        path = self.write(b"#" * (256 * 1024 + 1))
        ran = check(path)
        self.assertEqual((ran.returncode, ran.stderr.decode()),
                         (66, f"{path}: more than 262144 bytes: this is no configuration\n"))

    def test_flags_obey_the_same_table(self):
        path = str(self.write(GOOD.encode()))
        for flags, says in FLAGS:
            with self.subTest(flags):
                ran = subprocess.run([LOCKSTEP, "run", *flags.replace("FILE", path).split()],
                                     capture_output=True, timeout=30)
                self.assertEqual((ran.returncode, ran.stdout, ran.stderr.decode()),
                                 (64, b"", says.replace("FILE", path) + "\n"))

    def test_usage(self):
        for arguments, code in (["--help"], 0), (["--what"], 64), (["file"], 64):
            ran = subprocess.run([LOCKSTEP, "check", *arguments], capture_output=True, timeout=30)
            self.assertEqual(ran.returncode, code)
            self.assertIn(b"usage: lockstep check", ran.stderr if code else ran.stdout)


def expected_of(path):
    return re.findall(r"# expect: (.*)", path.read_text())


def add_cases():
    """One test per file and per row, so that the summary counts them."""
    for path in BAD:
        def bad_file(self, path=path):
            self.assertTrue(expected_of(path), "the file expects nothing")
            self.expect(path, expected_of(path))
        setattr(Check, f"test_bad_{path.stem.replace('-', '_')}", bad_file)
    for name, (content, expected) in RAW.items():
        def raw(self, content=content, expected=expected):
            self.expect(self.write(content), expected)
        setattr(Check, f"test_raw_{name.replace(' ', '_')}", raw)


add_cases()

if __name__ == "__main__":
    assert len(BAD) >= 25
    suite.main()
