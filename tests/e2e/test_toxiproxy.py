"""Toxiproxy's HTTP API: every route and error over plain HTTP, its client package driving lockstep,
and what real connections then meet."""

import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, packages, place, suite, wire  # noqa: E402
from support.process import Process  # noqa: E402

TOKEN = artefacts.secret("toxic-token-41c7e0")
ON = "control: on"


class Toxiproxy(unittest.TestCase):
    """lockstep with an admin interface in front of a sink, and one configured proxy, `main`."""

    def setUp(self):
        self.folder = place.Folder("toxiproxy")
        self.addCleanup(self.folder.remove)
        self.sink = Process("sink", [place.lockstep(), "sink", "--listen", "127.0.0.1:0"],
                            self.folder.path)
        self.addCleanup(self.sink.stop)
        self.sink_port = self.sink.await_ready()[0]
        self.upstream = f"127.0.0.1:{self.sink_port}"

    def write(self, admin=ON, faults="", listeners="", top=""):
        path = self.folder.path / "lockstep.yaml"
        path.write_text(f"""config_version: 1
workers: 2
admin: {{listen: 127.0.0.1:0, {admin}}}
{top}
listeners:
  - name: main
    listen: 127.0.0.1:0
    relay: sink
    mode: fault
{faults}
{listeners}
relays:
  sink: {{address: "smtp://{self.upstream}"}}
""", encoding="ascii")
        return path

    def start(self, **words):
        self.run_with("run", "-c", self.write(**words))

    def run_with(self, *words):
        self.process = Process("lockstep", [place.lockstep(), *words], self.folder.path)
        self.addCleanup(self.process.stop)
        self.port = self.process.await_ready()[0]
        self.admin = int(re.search(r"answers at http://127\.0\.0\.1:(\d+)",
                                   self.process.log()).group(1))

    def ask(self, method, path, body=None, **headers):
        """The status and what was said, read if it is JSON."""
        talk = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=10)
        talk.request(method, path, body if body is None or isinstance(body, str)
                     else json.dumps(body), headers)
        answer = talk.getresponse()
        said = answer.read().decode()
        talk.close()
        artefacts.keep_text("answer", f"{answer.headers}{said}")
        return answer.status, json.loads(said) if said else None

    def must(self, status, method, path, body=None):
        came, said = self.ask(method, path, body)
        self.assertEqual(came, status, f"{method} {path}: {said}")
        return said

    def make(self, name="mx", **words):
        made = self.must(201, "POST", "/proxies",
                         {"name": name, "listen": "127.0.0.1:0", "upstream": self.upstream,
                          **words})
        return port_of(made)

    def add(self, toxic, name="mx"):
        return self.must(200, "POST", f"/proxies/{name}/toxics", toxic)


def port_of(proxy):
    return int(proxy["listen"].rpartition(":")[2])


def seconds(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def is_served(port):
    try:
        with wire.Conversation(port, seconds=5) as talk:
            return talk.reply().code == 220
    except (OSError, wire.Broken):
        return False


def answers(port, name, count):
    """Whether each of so many NOOPs was answered by a fault, in one session."""
    with wire.Conversation(port) as talk:
        talk.open(name)
        return "".join("x" if b"toxic" in talk.ask(b"NOOP") else "." for _ in range(count))


class Api(Toxiproxy):
    def test_proxies(self):
        self.start()
        before = self.must(200, "GET", "/proxies")
        self.assertEqual(list(before), ["main"])
        self.assertEqual(before["main"], {
            "name": "main", "listen": f"127.0.0.1:{self.port}", "upstream": self.upstream,
            "enabled": True, "toxics": []})
        port = self.make()
        self.assertTrue(is_served(port))
        mx = {"name": "mx", "listen": f"127.0.0.1:{port}", "upstream": self.upstream,
              "enabled": True, "toxics": []}
        self.assertEqual(self.must(200, "GET", "/proxies/mx"), mx)
        self.assertEqual(self.must(200, "GET", "/proxies"), {**before, "mx": mx})
        for method in ("PATCH", "POST"):
            off = self.must(200, method, "/proxies/mx", {"enabled": False})
            self.assertEqual(off, {**mx, "enabled": False})
            self.assertFalse(is_served(port))
            on = self.must(200, method, "/proxies/mx", {"enabled": True})
            self.assertEqual(on, mx, "the port stays")
            self.assertTrue(is_served(port))
        self.must(204, "DELETE", "/proxies/mx")
        self.assertFalse(is_served(port))
        self.assertEqual(self.must(200, "GET", "/proxies"), before)
        self.assertEqual(list(self.must(200, "GET", "/version")), ["version"])

    def test_errors_of_proxies(self):
        self.start()
        self.make()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            for status, method, path, body, says in (
                    (404, "GET", "/proxies/no", None, "proxy not found"),
                    (404, "DELETE", "/proxies/no", None, "proxy not found"),
                    (404, "PATCH", "/proxies/no", {}, "proxy not found"),
                    (404, "GET", "/proxies/no/toxics", None, "proxy not found"),
                    (409, "POST", "/proxies", {"name": "mx", "upstream": "a:1"},
                     "proxy already exists"),
                    (400, "POST", "/proxies", {"upstream": "a:1"}, "missing required field: name"),
                    (400, "POST", "/proxies", {"name": "a"}, "missing required field: upstream"),
                    (400, "POST", "/proxies", "{", "bad request body: "),
                    (400, "POST", "/proxies", "[]", "bad request body: "),
                    (400, "POST", "/proxies", {"name": "a", "upstream": "a:1", "enabled": "no"},
                     "bad request body: enabled"),
                    (400, "POST", "/proxies", {"name": "a b", "upstream": "a:1"}, "`a b`: a name"),
                    (400, "POST", "/proxies", {"name": "a", "upstream": "a:0"}, "`address` is"),
                    (400, "POST", "/proxies", {"name": "a", "upstream": "a:1", "listen": "x"},
                     "`listen` is"),
                    (400, "POST", "/proxies", {"name": "a", "upstream": "starttls://a:1"},
                     "`mode: observe` or `fault` starts no TLS"),
                    (400, "POST", "/proxies", {"name": "a", "upstream": "a:1", "seed": -1},
                     "bad request body: seed"),
                    (500, "POST", "/proxies",
                     {"name": "a", "upstream": "a:1",
                      "listen": f"127.0.0.1:{taken.getsockname()[1]}"}, "address already in use"),
                    (403, "DELETE", "/proxies/main", None, "stands in the configuration"),
                    (403, "PATCH", "/proxies/main", {"upstream": "a:1"}, "in the configuration"),
                    (400, "POST", "/populate", {}, "bad request body: "),
                    (400, "POST", "/populate", [{"name": "b", "upstream": "a:1"}, {"name": "a"}],
                     "missing required field: upstream at proxy 2"),
            ):
                with self.subTest(f"{method} {path} {body}"):
                    before = self.must(200, "GET", "/proxies")
                    said = self.must(status, method, path, body)
                    self.assertIn(says, said["error"])
                    self.assertEqual(said["status"], status)
                    self.assertEqual(self.must(200, "GET", "/proxies"), before)

    def test_toxics(self):
        self.start()
        self.make()
        made = self.add({"type": "latency", "attributes": {"latency": 10}})
        self.assertEqual(made, {"name": "latency_downstream", "type": "latency",
                                "stream": "downstream", "toxicity": 1,
                                "attributes": {"latency": 10, "jitter": 0}})
        path = "/proxies/mx/toxics"
        other = self.add({"type": "drop", "name": "odd one", "stream": "upstream",
                          "toxicity": 0.5, "attributes": {"verb": "RCPT", "nth": 2}})
        self.assertEqual(self.must(200, "GET", path), [made, other])
        self.assertEqual(self.must(200, "GET", f"{path}/odd%20one"), other)
        for method in ("PATCH", "POST"):
            changed = self.must(200, method, f"{path}/latency_downstream",
                                {"attributes": {"jitter": 3}, "toxicity": 0.5})
            self.assertEqual(changed["attributes"], {"latency": 10, "jitter": 3})
            self.assertEqual(changed["toxicity"], 0.5)
        self.must(204, "DELETE", f"{path}/odd%20one")
        self.assertEqual(self.must(200, "GET", path), [changed])
        for status, method, at, body, says in (
                (400, "POST", path, {"type": "latency", "stream": "up"}, "stream was invalid"),
                (400, "POST", path, {"type": "no"}, "invalid toxic type"),
                (400, "POST", path, {}, "invalid toxic type"),
                (400, "POST", path, "[", "bad request body: "),
                (409, "POST", path, {"type": "latency"}, "toxic already exists"),
                (404, "GET", f"{path}/no", None, "toxic not found"),
                (404, "DELETE", f"{path}/no", None, "toxic not found"),
                (404, "PATCH", f"{path}/no", {}, "toxic not found"),
                (400, "PATCH", f"{path}/latency_downstream", {"attributes": {"latency": "x"}},
                 "latency: write a number"),
                (400, "POST", path, {"type": "slicer"}, "average_size"),
                (400, "POST", path, {"type": "rule", "attributes": {"rule": "command do jump"}},
                 "instead of `jump`"),
                (400, "POST", path, {"type": "drop", "attributes": {"size": 3}}, "size: no such"),
                (400, "POST", path, {"type": "drop", "attributes": {"on": "content"}}, "on: say"),
        ):
            with self.subTest(f"{method} {at} {body}"):
                said = self.must(status, method, at, body)
                self.assertIn(says, said["error"])
                self.assertEqual(said["status"], status)
        self.assertEqual(self.must(200, "GET", path), [changed])

    def test_populate_and_reset(self):
        self.start(faults="    faults: [reorder]")
        main = self.must(200, "GET", "/proxies/main")
        self.assertEqual([toxic["type"] for toxic in main["toxics"]], ["reorder"])
        wanted = [{"name": name, "listen": "localhost:0", "upstream": self.upstream}
                  for name in ("one", "two")]
        said = self.must(201, "POST", "/populate", wanted)
        self.assertEqual([proxy["name"] for proxy in said["proxies"]], ["one", "two"])
        one = said["proxies"][0]
        self.add({"type": "latency", "attributes": {"latency": 10}}, "one")
        self.add({"type": "latency", "attributes": {"latency": 10}}, "main")
        self.must(200, "PATCH", "/proxies/two", {"enabled": False})
        again = self.must(201, "POST", "/populate", [one])
        self.assertEqual(len(again["proxies"][0]["toxics"]), 1, "what is there is left alone")
        self.must(204, "POST", "/reset")
        after = self.must(200, "GET", "/proxies")
        self.assertEqual(after["one"]["toxics"], [])
        self.assertTrue(after["two"]["enabled"] and is_served(port_of(after["two"])))
        self.assertEqual(after["main"], main, "what is configured goes wrong again")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.must(500, "POST", "/populate",
                      [{"name": "three", "upstream": self.upstream},
                       {"name": "four", "upstream": self.upstream,
                        "listen": f"127.0.0.1:{taken.getsockname()[1]}"}])
        self.assertEqual(self.must(200, "GET", "/proxies"), after, "all of it, or nothing")

    def test_who_may(self):
        token = self.folder.path / "token"
        token.write_text(TOKEN, encoding="ascii")
        token.chmod(0o600)
        self.start(admin=f"token_file: {token}")
        self.assertEqual(self.ask("GET", "/proxies")[0], 401)
        mine = {"Authorization": f"Bearer {TOKEN}"}
        body = {"name": "mx", "upstream": self.upstream}
        for method, path, sent in (("POST", "/proxies", body), ("POST", "/populate", [body])):
            status, said = self.ask(method, path, sent, **mine)
            self.assertEqual((status, said["status"]), (403, 403))
            self.assertIn("admin.control: on", said["error"])
        status, _ = self.ask("POST", "/proxies/main/toxics",
                             {"type": "rule", "attributes": {
                                 "rule": 'command NOOP do answer "250 toxic"'}}, **mine)
        self.assertEqual(status, 200, "what is there to go wrong may be changed")
        self.assertEqual(answers(self.port, b"a.test", 1), "x")


class Command(Toxiproxy):
    def test_lockstep_fault_is_driven(self):
        self.run_with("fault", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                      'command NOOP do answer "250 toxic"')
        self.assertEqual(answers(self.port, b"a.test", 2), "xx")
        self.must(204, "DELETE", "/proxies/main/toxics/rule_1")
        self.assertEqual(answers(self.port, b"a.test", 2), "..", "its own sink is still there")
        self.assertTrue(is_served(self.make()))
        self.must(204, "POST", "/reset")
        self.assertEqual(answers(self.port, b"a.test", 2), "xx")


class Wire(Toxiproxy):
    """What connections meet."""

    def setUp(self):
        super().setUp()
        self.start()
        self.mx = self.make()

    def test_a_toxic_reaches_an_open_connection(self):
        with wire.Conversation(self.mx) as talk:
            talk.open()
            self.assertLess(seconds(lambda: talk.ask(b"NOOP")), 0.25)
            self.add({"type": "latency", "attributes": {"latency": 300}})
            self.assertGreaterEqual(seconds(lambda: talk.ask(b"NOOP")), 0.29)
            self.must(200, "PATCH", "/proxies/mx/toxics/latency_downstream",
                      {"attributes": {"latency": 600}})
            self.assertGreaterEqual(seconds(lambda: talk.ask(b"NOOP")), 0.59)
            self.must(204, "DELETE", "/proxies/mx/toxics/latency_downstream")
            self.assertLess(seconds(lambda: talk.ask(b"NOOP")), 0.25)

    def test_off_and_gone_end_sessions(self):
        with wire.Conversation(self.mx) as talk, wire.Conversation(self.port) as other:
            talk.open()
            other.open()
            self.must(200, "PATCH", "/proxies/mx", {"enabled": False})
            self.assertEqual(talk.rest(), b"")
            self.must(200, "PATCH", "/proxies/mx", {"enabled": True})
            with wire.Conversation(self.mx) as again:
                again.open()
                self.must(204, "DELETE", "/proxies/mx")
                self.assertEqual(again.rest(), b"")
            self.assertEqual(other.ask(b"NOOP").code, 250)

    def test_another_upstream(self):
        sink = Process("other", [place.lockstep(), "sink", "--listen", "127.0.0.1:0"],
                       self.folder.path)
        self.addCleanup(sink.stop)
        with wire.Conversation(self.mx) as talk:
            talk.open()
            said = self.must(200, "PATCH", "/proxies/mx",
                             {"upstream": f"smtp://127.0.0.1:{sink.await_ready()[0]}"})
            self.assertEqual(port_of(said), self.mx)
            self.assertEqual(talk.rest(), b"")
        self.sink.stop()
        self.assertTrue(is_served(self.mx))

    def test_faults_of_smtp(self):
        self.add({"type": "answer", "attributes": {"on": "command", "verb": "RCPT", "nth": 2,
                                                   "text": '451 4.3.0 "not" now\r\n'}})
        with wire.Conversation(self.mx) as talk:
            talk.open()
            talk.ask(b"MAIL FROM:<a@b.test>")
            self.assertEqual(talk.ask(b"RCPT TO:<c@d.test>").code, 250)
            self.assertEqual(talk.ask(b"RCPT TO:<e@d.test>"), b'451 4.3.0 "not" now\r\n')
            self.assertEqual(talk.ask(b"RCPT TO:<f@d.test>").code, 250)

    def test_a_profile_and_a_tag(self):
        self.add({"type": "reorder", "tag": "tagged.test"})
        self.add({"type": "rule", "tag": "tagged.test",
                  "attributes": {"rule": 'command NOOP do answer "250 toxic"'}})
        self.add({"type": "latency", "tag": "slow.test", "attributes": {"latency": 300}})
        self.assertEqual(answers(self.mx, b"tagged.test", 2), "xx")
        self.assertEqual(answers(self.mx, b"another.test", 2), "..")
        for name, slow in ((b"slow.test", True), (b"another.test", False)):
            with wire.Conversation(self.mx) as talk:
                talk.open(name)
                self.assertEqual(seconds(lambda: talk.ask(b"NOOP")) >= 0.29, slow, name)

    def test_same_seed_same_faults(self):
        def run(seed, name):
            port = self.make(name, seed=seed, toxics=[
                {"type": "answer", "attributes": {"on": "command", "verb": "NOOP", "chance": 50,
                                                  "text": "250 toxic"}}])
            came = [answers(port, b"a.test", 24) for _ in range(3)]
            self.must(204, "DELETE", f"/proxies/{name}")
            return came

        first = run(7, "one")
        self.assertEqual(run(7, "one"), first)
        self.assertEqual(run(7, "two"), first)
        self.assertNotEqual(run(8, "one"), first)
        self.assertEqual(len(set(first)), 3, "each session has its own")

    def test_toxicity_is_of_sessions(self):
        port = self.make("half", seed=3, toxics=[
            {"type": "answer", "toxicity": 0.5,
             "attributes": {"on": "command", "verb": "NOOP", "text": "250 toxic"}}])
        came = [answers(port, b"a.test", 4) for _ in range(12)]
        self.assertEqual(set(came), {"xxxx", "...."})


class Playback(Toxiproxy):
    def test_a_session_plays_back_with_what_came_meanwhile(self):
        folder = self.folder.path / "transcripts"
        self.start(top=f"transcripts: {{directory: {folder}}}")
        port = self.make(seed=9, toxics=[{"type": "answer", "attributes": {
            "on": "command", "verb": "NOOP", "chance": 50, "text": "250 toxic"}}])
        for _ in range(3):
            with wire.Conversation(port) as talk:
                talk.open(b"a.test")
                for _ in range(6):
                    talk.ask(b"NOOP")
                self.add({"type": "latency", "attributes": {"latency": 30, "jitter": 20}})
                self.add({"type": "drop", "stream": "upstream",
                          "attributes": {"verb": "RSET", "sessions": 2}})
                for _ in range(6):
                    talk.ask(b"NOOP")
                talk.say(b"RSET\r\n")
                self.must(204, "POST", "/reset")
                talk.ask(b"QUIT")
        self.process.stop()
        files = sorted(folder.glob("*.smtp"))
        self.assertEqual(len(files), 3)
        for file in files:
            played = subprocess.run([place.lockstep(), "play", file], capture_output=True,
                                    text=True, timeout=60, check=False)
            self.assertEqual(played.returncode, 0, played.stdout + played.stderr +
                             file.read_text(encoding="ascii"))


class Client(Toxiproxy):
    """toxiproxy-node-client, as it comes from npm."""

    def setUp(self):
        super().setUp()
        self.node = packages.program("node")
        self.modules = packages.node_modules(place.HERE / "toxiproxy")
        self.start()

    def do(self, *words):
        done = subprocess.run(
            [self.node, place.HERE / "toxiproxy" / "drive.js", self.modules,
             f"http://127.0.0.1:{self.admin}", json.dumps(words)],
            capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    def came(self, *words):
        said = self.do(*words)
        self.assertNotIn("error", said, words)
        return said["came"]

    def create(self):
        return port_of(self.came("createProxy", {"name": "mx", "listen": "127.0.0.1:0",
                                                 "upstream": self.upstream}))

    def toxic(self, kind, stream="downstream", **attributes):
        return self.came("addToxic", "mx", {"name": kind, "type": kind, "stream": stream,
                                            "toxicity": 1, "attributes": attributes})

    def test_proxies(self):
        port = self.create()
        self.assertEqual(sorted(self.came("getAll")), ["main", "mx"])
        self.assertEqual(port_of(self.came("get", "mx")), port)
        self.assertTrue(is_served(port))
        proxy = self.came("get", "mx")
        self.assertFalse(self.came("update", "mx", {**proxy, "enabled": False})["enabled"])
        self.assertFalse(is_served(port))
        self.assertTrue(self.came("update", "mx", {**proxy, "enabled": True})["enabled"])
        self.assertTrue(is_served(port))
        made = self.came("populate", [{"name": "a", "listen": "localhost:0",
                                       "upstream": self.upstream}])
        self.assertTrue(is_served(port_of(made["a"])))
        self.came("remove", "a")
        self.assertFalse(is_served(port_of(made["a"])))
        self.assertIn("404", self.do("get", "a")["error"])
        self.assertIn("409", self.do("createProxy", {"name": "mx", "listen": "127.0.0.1:0",
                                                     "upstream": self.upstream})["error"])
        self.assertIn("version", self.came("getVersion"))

    def test_the_older_client_has_its_proxies(self):
        done = subprocess.run(
            [self.node, place.HERE / "toxiproxy" / "older.js", self.modules,
             f"127.0.0.1:{self.admin}",
             json.dumps({"name": "mx", "listen": "127.0.0.1:0", "upstream": self.upstream})],
            capture_output=True, text=True, timeout=60, check=True)
        came = json.loads(done.stdout)
        self.assertEqual(came["created"]["upstream"], self.upstream)
        self.assertEqual(came["one"], came["created"])
        self.assertEqual(sorted(came["all"]), ["main", "mx"])
        self.assertEqual(sorted(came["left"]), ["main"])

    def test_latency(self):
        port = self.create()
        with wire.Conversation(port) as talk:
            talk.open()
            self.assertEqual(self.toxic("latency", latency=300, jitter=0)["attributes"],
                             {"latency": 300, "jitter": 0})
            self.assertGreaterEqual(seconds(lambda: talk.ask(b"NOOP")), 0.29)
            came = self.came("updateToxic", "mx", "latency",
                             {"toxicity": 1, "attributes": {"latency": 500, "jitter": 0}})
            self.assertEqual(came["attributes"]["latency"], 500)
            self.assertGreaterEqual(seconds(lambda: talk.ask(b"NOOP")), 0.49)
            self.came("removeToxic", "mx", "latency")
            self.assertLess(seconds(lambda: talk.ask(b"NOOP")), 0.25)
            self.assertIn("404", self.do("getToxic", "mx", "latency")["error"])
            self.toxic("latency", latency=300)
            self.came("reset")
            self.assertLess(seconds(lambda: talk.ask(b"NOOP")), 0.25)

    def message(self, talk, size):
        talk.open()
        for line in (b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"DATA"):
            talk.ask(line)
        talk.say((b"x" * 98 + b"\r\n") * (size // 100) + b".\r\n")

    def test_bandwidth(self):
        port = self.create()
        self.toxic("bandwidth", "upstream", rate=20)
        with wire.Conversation(port) as talk:
            self.message(talk, 20000)
            took = seconds(talk.reply)
            self.assertGreaterEqual(took, 0.8, "20 kB at 20 kB/s")
            self.assertLess(took, 5)

    def test_nothing_passes(self):
        port = self.create()
        with wire.Conversation(port, seconds=1) as talk:
            talk.open()
            self.toxic("bandwidth", rate=0)
            talk.say(b"NOOP\r\n")
            with self.assertRaises(TimeoutError):
                talk.reply()
            self.came("removeToxic", "mx", "bandwidth")
            self.assertEqual(talk.reply().code, 250)

    def test_limit_data(self):
        port = self.create()
        self.toxic("limit_data", bytes=10)
        with wire.Conversation(port) as talk:
            self.assertEqual(len(talk.rest()), 10)

    def test_limit_data_counts_from_when_it_came(self):
        port = self.create()
        with wire.Conversation(port) as talk:
            talk.open()
            self.toxic("limit_data", bytes=4)
            talk.say(b"NOOP\r\n")
            self.assertEqual(len(talk.rest()), 4)

    def test_reset_peer(self):
        port = self.create()
        self.toxic("reset_peer", timeout=200)
        start = time.monotonic()
        with wire.Conversation(port) as talk, self.assertRaises(ConnectionResetError):
            while talk.socket.recv(65536):
                pass
        self.assertGreaterEqual(time.monotonic() - start, 0.19)

    def test_timeout(self):
        port = self.create()
        self.toxic("timeout", timeout=300)
        with wire.Conversation(port) as talk:
            self.assertGreaterEqual(seconds(lambda: self.assertEqual(talk.rest(), b"")), 0.25)

    def test_slow_close(self):
        port = self.create()
        self.toxic("slow_close", delay=400)
        with wire.Conversation(port) as talk:
            talk.open()
            self.assertEqual(talk.ask(b"QUIT").code, 221)
            self.assertGreaterEqual(seconds(talk.rest), 0.35)

    def test_slicer(self):
        port = self.create()
        self.toxic("slicer", average_size=4, size_variation=0, delay=20000)
        with wire.Conversation(port) as talk:
            talk.held = talk.socket.recv(65536)
            self.assertLessEqual(len(talk.held), 8)
            self.assertGreaterEqual(seconds(talk.reply), 0.1, "8 segments, 20 ms apart")

    def test_faults_of_smtp(self):
        port = self.create()
        self.toxic("answer", on="command", verb="NOOP", text="250 toxic")
        self.assertEqual(answers(port, b"a.test", 2), "xx")


class Reload(Toxiproxy):
    """SIGHUP, which opens and closes listeners, and keeps what was made over HTTP."""

    def reload(self, words="is in force"):
        before = self.process.log().count(words)
        self.process.child.send_signal(signal.SIGHUP)
        place.await_true("it was read again",
                         lambda: self.process.log().count(words) > before)

    def test_listeners_come_and_go(self):
        self.start()
        with socket.create_server(("127.0.0.1", 0)) as free:
            extra = free.getsockname()[1]
        with wire.Conversation(self.port) as talk:
            talk.open()
            self.write(listeners=f"  - {{name: more, listen: 127.0.0.1:{extra}, relay: sink}}")
            self.reload()
            self.assertTrue(is_served(extra))
            self.assertIn(f"listening on 127.0.0.1:{extra}", self.process.log())
            self.assertTrue(is_served(self.port), "a free port is kept")
            with wire.Conversation(extra) as other:
                other.open()
                self.write()
                self.reload()
                self.assertFalse(is_served(extra))
                self.assertEqual(other.ask(b"NOOP").code, 250, "its sessions go on")
            self.write(faults="    enabled: off")
            self.reload()
            self.assertEqual(talk.rest(), b"")
            self.assertFalse(is_served(self.port))

    def test_what_is_taken_changes_nothing(self):
        self.start()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.write(listeners="  - {name: more, relay: sink, listen: "
                                 f"127.0.0.1:{taken.getsockname()[1]}}}", admin="sessions: 3")
            self.reload("stays in force")
        self.assertIn("address already in use", self.process.log())
        self.assertTrue(is_served(self.port))
        self.make()

    def test_what_was_made_stays(self):
        self.start()
        port = self.make(seed=5)
        self.add({"type": "rule", "attributes": {"rule": 'command NOOP do answer "250 toxic"'}})
        self.add({"type": "latency", "attributes": {"latency": 20}}, "main")
        before = self.must(200, "GET", "/proxies")
        self.write(admin="control: off")
        self.reload()
        self.assertEqual(self.must(200, "GET", "/proxies"), before)
        self.assertEqual(answers(port, b"a.test", 1), "x")
        self.must(403, "DELETE", "/proxies/mx")
        self.write(listeners="  - {name: mx, listen: 127.0.0.1:0, relay: sink}")
        self.reload("stays in force")
        self.assertIn("there is one of that name already", self.process.log())


if __name__ == "__main__":
    suite.main()
