"""What a running lockstep remembers of sessions, and what tests can ask of it: lists, transcripts,
verdicts and proposals of repairs."""

import base64
import json
import pathlib
import signal
import smtplib
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, place, proxy, suite, wire  # noqa: E402
from support.fake import Polite, Upstream  # noqa: E402
from support.process import Process  # noqa: E402

ADMIN = "admin: {listen: 127.0.0.1:0}"
ENVELOPE = (b"MAIL FROM:<a@client.test>", b"RCPT TO:<b@fake.test>")
TOKEN = artefacts.secret("sessions-token-7d10")
PASSWORD = artefacts.secret("spoken-9-aloud")
BUSY = b"450 4.2.1 busy\r\n"
BAD_USE, NOBODY_THERE = 64, 69  # EX_USAGE, EX_UNAVAILABLE


class Slow(Polite):
    """Refuses DATA when it may."""

    def __init__(self, held):
        super().__init__(replies={"DATA": b"450 4.3.0 not now\r\n"})
        self.held = held

    def say(self, talk, word, text):
        if word == "DATA":
            self.held.wait(20)
        return super().say(talk, word, text)


class Sessions(unittest.TestCase):
    def start(self, relay=None, settings=ADMIN, **words):
        self.relay = relay or Polite()
        upstream = Upstream(self.relay)
        upstream.__enter__()
        self.addCleanup(upstream.__exit__, None, None, None)
        self.lockstep = proxy.Proxy(upstream.port, settings=settings, **words)
        self.addCleanup(self.lockstep.stop)

    def get(self, path, status=200, method="GET", body=None, **headers):
        got, text = self.lockstep.ask(path, method, body, **headers)
        self.assertEqual(got, status, text)
        return json.loads(text)

    def sessions(self, query=""):
        return self.get(f"/api/v1/sessions{query}")["sessions"]

    def ended(self, count, query="?state=ended&limit=1000"):
        return place.await_true(f"{count} sessions have ended", lambda: next(
            (rows for rows in [self.sessions(query)] if len(rows) == count), None))

    def verify(self, *assertions, status=200, **where):
        return self.get("/api/v1/verify", status, "POST",
                        json.dumps({"where": where, "assert": assertions}))

    def send(self, name=b"client.test", port=None, message=b"Subject: x\r\n\r\nwords\r\n"):
        """One session that sends one message; the last reply."""
        with wire.Conversation(port or self.lockstep.port) as talk:
            talk.open(name)
            for line in (*ENVELOPE, b"DATA"):
                reply = talk.ask(line)
            if reply.code == 354:
                talk.say(wire.stuffed(message))
                reply = talk.reply()
            talk.ask(b"QUIT")
            talk.rest()
            return reply

    def play(self, text):
        path = self.lockstep.folder.path / "asked.smtp"
        path.write_text(text, encoding="ascii")
        done = subprocess.run([place.lockstep(), "play", path], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def text_with(self, row, words):
        """The transcript, when these are in it."""
        text = self.lockstep.ask(f"/api/v1/sessions/{row['id']}?format=text")[1]
        return text if words in text else None

    def test_a_live_session_is_seen_and_plays(self):
        held = threading.Event()
        self.addCleanup(held.set)
        self.start(Slow(held))
        with wire.Conversation(self.lockstep.port) as talk:
            talk.open(b"live-1.test")
            talk.ask(ENVELOPE[0])
            talk.ask(ENVELOPE[1])
            row, = self.sessions()
            self.assertEqual((row["state"], row["tag"], row["listener"], row["ended"]),
                             ("live", "live-1.test", "main", None))
            self.assertEqual(row["client"], "127.0.0.1:%d" % talk.socket.getsockname()[1])
            self.assertLess(abs(row["started"] - time.time()), 60)
            one = self.get(f"/api/v1/sessions/{row['id']}")
            self.assertTrue(one["transcript"][-1].endswith("C< 250 2.0.0 ok"), one["transcript"])
            status, text = self.lockstep.ask(f"/api/v1/sessions/{row['id']}",
                                             Accept="text/plain")
            self.assertEqual((status, text.splitlines()), (200, one["transcript"]))
            self.play(text)
            talk.say(b"DATA\r\n")  # which the relay does not answer before it is told to
            self.play(place.await_true("DATA is seen", lambda: self.text_with(row, "U> DATA")))
            held.set()
            talk.reply()
            talk.ask(b"QUIT")
        row, = self.ended(1)
        self.assertEqual((row["ending"], row["commands"], row["relay"]), ("quit", 5, "relay"))
        self.play(self.lockstep.ask(f"/api/v1/sessions/{row['id']}?format=text")[1])
        self.assertEqual(self.get("/api/v1/sessions", method="DELETE"), {"forgotten": 1})
        self.assertEqual(self.sessions(), [])

    def test_it_is_what_a_file_would_have(self):
        self.start(transcripts=True)
        self.send()
        row, = self.ended(1)
        path, = (self.lockstep.folder.path / "transcripts").glob(f"*-{row['id']}.smtp")
        self.assertEqual(self.lockstep.ask(f"/api/v1/sessions/{row['id']}?format=text")[1],
                         path.read_text(encoding="ascii"))

    def test_sessions_of_all_workers_are_chosen(self):
        self.start(workers=4, listeners="- {name: other, listen: 127.0.0.1:0, relay: relay}")
        for port in self.lockstep.ports:
            for number in range(12):
                self.send(b"test-%d.test" % (number % 3), port)
        rows = self.ended(24)
        self.assertEqual([row["started"] for row in rows],
                         sorted((row["started"] for row in rows), reverse=True))
        within = sum(row["started"] >= rows[3]["started"] for row in rows)  # not always 4
        self.assertLess(within, 24)
        for query, count in (("listener=main", 12), ("listener=other&tag=test-1.test", 4),
                             ("client=127.0.0.1", 24), (f"client={rows[5]['client']}", 1),
                             (f"session={rows[7]['id']}", 1), ("state=live", 0), ("tag=test", 0),
                             (f"since={rows[3]['started']}", within),
                             (f"since={time.time() + 9}", 0)):
            self.assertEqual(len(self.sessions(f"?{query}")), count, query)
        whole = self.get("/api/v1/sessions?limit=10")
        self.assertEqual((len(whole["sessions"]), whole["more"]), (10, 14))
        self.assertEqual(self.verify({"messages": 12}, {"sessions": 12}, listener="other")["passed"],
                         True)

    def test_what_is_remembered_is_bounded(self):
        self.start(settings="admin: {listen: 127.0.0.1:0, sessions: 3, session: 4k, memory: 64k}")
        with wire.Conversation(self.lockstep.port) as talk:
            talk.open(b"first.test")
            for number in range(200):
                talk.ask(b"VRFY number-%d" % number)
            live, = self.sessions()
            lines = self.get(f"/api/v1/sessions/{live['id']}")["transcript"]
            said = [line for line in lines if line.startswith("+") or line.startswith("# cut")]
            self.assertLess(sum(len(line) + 1 for line in said), 4200)
            self.assertEqual(len([line for line in said if line.startswith("# cut: ")]), 1)
            self.assertIn("C> VRFY number-0", "\n".join(said))
            self.assertIn("C> VRFY number-199", "\n".join(said))
            self.assertGreater(live["lines_left_out"], 600)
            verdict = self.verify({"seen": "C> VRFY number-199"}, {"unseen": "C> DATA"})
            self.assertEqual([result["passed"] for result in verdict["results"]], [True, False])
            self.assertIn("left out", verdict["results"][1]["why"])
            for number in range(6):
                self.send(b"later-%d.test" % number)
            self.ended(3)
            self.assertEqual([row["tag"] for row in self.sessions()],
                             ["later-5.test", "later-4.test", "later-3.test", "first.test"])

    def test_nothing_is_remembered_when_switched_off(self):
        self.start(settings="admin: {listen: 127.0.0.1:0, sessions: 0}")
        self.send()
        self.assertIn("admin.sessions", self.get("/api/v1/sessions", 404)["error"])

    def test_a_session_keeps_the_policy_it_began_with(self):
        self.start()
        path = self.lockstep.folder.path / "lockstep.yaml"
        with wire.Conversation(self.lockstep.port) as talk:
            talk.open(b"old.test")
            path.write_text(path.read_text(encoding="ascii") + "mode: observe\n", encoding="ascii")
            self.lockstep.process.child.send_signal(signal.SIGHUP)
            place.await_true("reloaded",
                             lambda: "is in force for new" in self.lockstep.process.log())
            self.send(b"new.test")
            self.ended(1)
            modes = {row["tag"]: [line for line in self.get(f"/api/v1/sessions/{row['id']}")[
                "transcript"] if line.startswith("@ mode")] for row in self.sessions()}
        self.assertEqual(modes, {"old.test": ["@ mode repair"], "new.test": ["@ mode observe"]})

    def test_verdicts_come_with_their_proof(self):
        self.start()
        self.send(b"mine.test")
        self.send(b"yours.test")
        verdict = self.verify(
            {"messages": 1}, {"messages": 2}, {"sessions": 1},
            {"never": "U> DATA", "before": {"reply": "250", "to": "RCPT", "side": "upstream"}},
            {"never": "U> RCPT", "before": {"reply": "250", "to": "RCPT", "side": "upstream"}},
            {"order": ["C> MAIL", "U> MAIL", "U< 250", "C> QUIT"]},
            {"count": "C> RCPT TO:<b@", "is": 1}, {"unseen": {"reply": "5"}},
            {"seen": {"reply": "250", "to": "."}}, tag="mine.test")
        self.assertEqual([result["passed"] for result in verdict["results"]],
                         [True, False, True, True, False, True, True, True, True])
        self.assertEqual((verdict["passed"], verdict["sessions"]), (False, 1))
        self.assertEqual(verdict["results"][1]["why"], "1 found, not 2")
        row, = self.sessions("?tag=mine.test")
        lines = self.get(f"/api/v1/sessions/{row['id']}")["transcript"]
        for result in verdict["results"]:
            for proof in result["lines"]:
                self.assertEqual(proof["session"], row["id"])
                self.assertTrue(lines[proof["line"] - 1].endswith(proof["text"]), proof)
        self.assertEqual([proof["text"] for proof in verdict["results"][3]["lines"]],
                         ["U< 250 2.0.0 ok", "U> DATA"])
        self.assertEqual([proof["text"] for proof in verdict["results"][4]["lines"]],
                         ["U> RCPT TO:<b@fake.test>"])
        self.assertIn("assert[0]", self.verify({"sene": 1}, status=400)["error"])

    def test_whoever_has_heard_it_can_prove_it(self):
        self.start(workers=2)
        for number in range(50):
            with wire.Conversation(self.lockstep.port) as talk:
                talk.open(b"at-once-%d.test" % number)
                talk.ask(ENVELOPE[0])
                self.assertTrue(self.verify({"seen": {"reply": "250", "to": "MAIL"}},
                                            tag=f"at-once-{number}.test")["passed"])

    def test_a_client_that_tries_again_does_so_in_another_session(self):
        self.start(Polite(replies={"RCPT": BUSY}))
        self.assertEqual(self.send(b"first.test").code // 100, 4)
        result, = self.verify({"retried": {"after": "4"}})["results"]
        self.assertFalse(result["passed"])
        self.assertEqual(result["lines"][0]["text"], "C< 450 4.2.1 busy")
        del self.relay.replies["RCPT"]
        self.assertEqual(self.send(b"second.test").code, 250)
        result, = self.verify({"retried": {"after": "4"}})["results"]
        self.assertTrue(result["passed"], result)
        self.assertEqual(result["lines"][-1]["text"], "C> MAIL FROM:<a@client.test>")
        self.assertNotEqual(result["lines"][0]["session"], result["lines"][-1]["session"])

    def explain(self, *words):
        return subprocess.run([place.lockstep(), "explain", "--propose-repairs", *words],
                              capture_output=True, text=True, timeout=60, check=False)

    def test_repairs_are_proposed_for_what_a_listener_observes(self):
        folder = place.Folder("sessions")
        self.addCleanup(folder.remove)
        sink = Process("sink", [place.lockstep(), "sink", "--listen", "127.0.0.1:0"], folder.path)
        self.addCleanup(sink.stop)
        token = folder.private("token", TOKEN + "\n")
        self.lockstep = proxy.Proxy(
            sink.await_ready()[0], listener="mode: observe", transcripts=True,
            settings=f"admin: {{listen: 127.0.0.1:0, token_file: {token}}}",
            listeners="- {name: well, listen: 127.0.0.1:0, relay: relay}")
        self.addCleanup(self.lockstep.stop)
        with wire.Conversation(self.lockstep.ports[0]) as talk:
            talk.reply()
            self.assertEqual(talk.ask(ENVELOPE[0]).code // 100, 5, "it was not greeted")
            talk.ask(b"QUIT")
            talk.rest()
        self.send(port=self.lockstep.ports[1])
        right = {"Authorization": f"Bearer {TOKEN}"}
        place.await_true("both have ended", lambda: self.lockstep.ask(
            "/api/v1/sessions?state=ended", **right)[1].count('"id"') == 2)
        status, text = self.lockstep.ask("/api/v1/proposal?listener=main", **right)
        self.assertEqual(status, 200)
        self.assertIn("missing-greeting  # 1 session of 127.0.0.1\n", text)
        url = f"http://127.0.0.1:{self.lockstep.admin_port()}/"
        done = self.explain("--admin", url, "--listener", "main", "--token-file", token)
        self.assertEqual((done.returncode, done.stdout), (0, text), done.stderr)
        row, = json.loads(self.lockstep.ask("/api/v1/sessions?listener=main", **right)[1])[
            "sessions"]
        path, = (self.lockstep.folder.path / "transcripts").glob(f"*-{row['id']}.smtp")
        self.assertEqual(self.explain(path).stdout, text)
        self.assertIn("no repair would have", self.explain(
            "--admin", url, "--listener", "well", "--token-file", token).stdout)
        done = self.explain("--admin", url)
        self.assertEqual(done.returncode, NOBODY_THERE)
        self.assertIn("answered 401", done.stderr)
        self.assertNotIn(TOKEN, self.lockstep.process.log())

    def test_explain_wants_either_files_or_a_proxy(self):
        for words in ((), ("--listener", "x", "file"), ("--admin", "http://127.0.0.1:1", "file")):
            self.assertEqual(self.explain(*words).returncode, BAD_USE, words)
        self.assertEqual(self.explain("--admin", "http://127.0.0.1:1").returncode, NOBODY_THERE)

    def test_no_secret_is_in_any_answer(self):
        self.start(Polite(keywords=("AUTH PLAIN",), replies={"AUTH": b"235 2.7.0 yes\r\n"}))
        plain = base64.b64encode(f"\0me\0{PASSWORD}".encode())
        with wire.Conversation(self.lockstep.port) as talk:
            talk.open()
            self.assertEqual(talk.ask(b"AUTH PLAIN " + plain).code, 235)
            talk.ask(b"QUIT")
        row, = self.ended(1)
        said = [self.lockstep.ask(path)[1] for path in (
            "/api/v1/sessions", f"/api/v1/sessions/{row['id']}", "/api/v1/proposal",
            f"/api/v1/sessions/{row['id']}?format=text")]
        said.append(json.dumps(self.verify({"seen": "C> AUTH"}, {"seen": "U> AUTH*"})))
        self.assertIn(f"C> AUTH PLAIN [secret {len(plain)}]", said[-1])
        for text in said:
            self.assertNotIn(PASSWORD, text)
            self.assertNotIn(plain.decode(), text)

    def test_who_asks_meanwhile_harms_nobody(self):
        self.start(settings="admin: {listen: 127.0.0.1:0, sessions: 5, memory: 64k}", workers=3)
        over = threading.Event()
        clients = [threading.Thread(target=self.send_many, args=(number, over))
                   for number in range(4)]
        for client in clients:
            client.start()
        for _ in range(40):
            for row in self.sessions():
                status, text = self.lockstep.ask(f"/api/v1/sessions/{row['id']}")
                self.assertIn(status, (200, 404), text)
            self.verify({"unseen": "C> EXPN"})
            self.get("/api/v1/sessions", method="DELETE")
        over.set()
        for client in clients:
            client.join()
        self.assertTrue(self.lockstep.process.running())
        self.assertLessEqual(len(self.sessions("?state=ended")), 15)

    def send_many(self, number, over):
        while not over.is_set():
            with smtplib.SMTP("127.0.0.1", self.lockstep.port, f"many-{number}.test",
                              timeout=20) as client:
                client.sendmail("a@client.test", ["b@fake.test"], "Subject: x\r\n\r\nwords\r\n")


if __name__ == "__main__":
    suite.main()
