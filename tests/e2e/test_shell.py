"""The shell around the engine: sockets, signals, limits, logs and files."""

import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import socketserver
import stat
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, suite, wire  # noqa: E402
from support.process import Process  # noqa: E402

ENVELOPE = b"MAIL FROM:<a@client.test>\r\nRCPT TO:<one@relay.test>\r\nDATA\r\n"
EX_USAGE, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG = 64, 69, 75, 78


class Relay(socketserver.ThreadingTCPServer):
    """Accepts everything; `delivered` counts messages."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024

    class Talk(socketserver.StreamRequestHandler):
        def handle(self):
            with contextlib.suppress(ConnectionError):
                self.wfile.write(b"220 relay.test ESMTP\r\n")
                while line := self.rfile.readline():
                    self.answer(line[:4].upper())

        def answer(self, word):
            if word == b"EHLO":
                self.wfile.write(b"250-relay.test\r\n250 PIPELINING\r\n")
            elif word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    pass
                if line:
                    self.server.count()
                    self.wfile.write(b"250 2.0.0 stored\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 2.0.0 bye\r\n")
            elif word == b"HELP":
                self.wfile.write(b"214-2.0.0 help yourself\r\n" * 300 + b"214 2.0.0 to it\r\n")
            else:
                self.wfile.write(b"250 2.0.0 ok\r\n")

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), self.Talk)
        self.port = self.server_address[1]
        self.delivered = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def count(self):
        with self.lock:
            self.delivered += 1

    def handle_error(self, request, client_address):
        pass

    def stop(self):
        self.shutdown()
        self.server_close()


class Shell(unittest.TestCase):
    def setUp(self):
        self.relay = Relay()
        self.addCleanup(self.relay.stop)
        self.folder = place.Folder("shell")
        self.addCleanup(self.folder.remove)

    def begin(self, *options, relay=True, environment=None, **facts):
        """`lockstep run` with these options; the relay of the test when they name none."""
        argv = [place.lockstep(), "run", *options]
        if relay and not {"--upstream", "-c"} & set(options):
            argv += ["--upstream", f"smtp://127.0.0.1:{self.relay.port}"]
        if not {"--listen", "-c"} & set(options):
            argv += ["--listen", "127.0.0.1:0"]
        process = Process("run", argv, self.folder.path,
                          env={**os.environ, **(environment or {})}, **facts)
        self.addCleanup(process.stop)
        return process

    def serve(self, *options, **facts):
        process = self.begin(*options, **facts)
        self.ports = process.await_ready()
        self.port = self.ports[0]
        return process

    def send(self, host="127.0.0.1", port=None):
        with wire.Conversation(port or self.port, host) as talk:
            talk.open()
            talk.say(ENVELOPE)
            self.assertEqual([talk.reply().code for _ in range(3)], [250, 250, 354])
            talk.say(b"words\r\n.\r\n")
            self.assertEqual(talk.reply().code, 250)
            self.assertEqual(talk.ask(b"QUIT").code, 221)
            self.assertEqual(talk.rest(), b"")

    def await_log(self, process, words, count=1, seconds=15):
        return place.await_true(f"{words!r} in the log",
                                lambda: process.log().count(words) >= count and process.log(),
                                seconds)

    def write_config(self, listener="", relay="", listen="127.0.0.1:0", top=""):
        path = self.folder.path / "lockstep.yaml"
        path.write_text(f"""config_version: 1
{top}
listeners:
  - name: main
    listen: {listen}
    relay: office
    {listener}
relays:
  office:
    address: [smtp://127.0.0.1:{self.relay.port}]
    {relay}
""")
        return path


class Start(Shell):
    def test_both_families(self):
        process = self.serve("--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--workers", "2")
        self.assertIn(f"[::1]:{self.ports[-1]}", process.output())
        self.send("127.0.0.1", self.ports[0])
        self.send("::1", self.ports[-1])
        self.assertIn("client=[::1]:", self.await_log(process, "ending=quit", 2))

    def test_every_address(self):
        self.serve("--listen", "*:0")
        self.assertEqual(self.ports[0], self.ports[-1])
        self.send("127.0.0.1")
        self.send("::1")

    def test_without_a_relay_a_sink_takes_the_mail(self):
        process = self.serve(relay=False)
        self.send()
        self.await_log(process, "messages=1")
        self.assertEqual(self.relay.delivered, 0)

    def test_a_port_in_use_is_named(self):
        self.serve("--workers", "2")
        for workers in ("1", "2"):
            second = self.begin("--listen", f"127.0.0.1:{self.port}", "--workers", workers)
            self.assertEqual(second.child.wait(10), EX_UNAVAILABLE)
            self.assertIn(f"127.0.0.1:{self.port}: address already in use", second.log())
            self.assertEqual(second.output(), "")

    def test_wrong_use(self):
        for options in (("--no-such-option",), ("--workers", "many"), ("word",)):
            self.assertEqual(self.begin(*options).child.wait(10), EX_USAGE, options)
        path = self.write_config(listener="sesions: 3")
        process = self.begin("-c", path)
        self.assertEqual(process.child.wait(10), EX_CONFIG)
        self.assertIn("lockstep.yaml:7:5:", process.log())


class Dial(Shell):
    def refusing(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def test_the_second_address_when_the_first_refuses(self):
        process = self.serve("--upstream", f"smtp://127.0.0.1:{self.refusing()}",
                             "--upstream", f"smtp://127.0.0.1:{self.relay.port}")
        self.send()
        self.assertIn(f"relay=127.0.0.1:{self.relay.port}", self.await_log(process, "ending=quit"))

    def test_a_name_of_two_addresses(self):
        # The relay listens on IPv4 only; where localhost has ::1 too, that comes first and refuses.
        process = self.serve("--upstream", f"smtp://localhost:{self.relay.port}")
        self.send()
        self.assertIn(f"relay=127.0.0.1:{self.relay.port}", self.await_log(process, "ending=quit"))

    def test_the_next_address_when_one_is_silent(self):
        with socket.socket() as silent, contextlib.ExitStack() as waiting:
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            for _ in range(8):  # its queue is full: the kernel drops what comes then
                filler = waiting.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(silent.getsockname())
            self.serve("--upstream", f"smtp://127.0.0.1:{silent.getsockname()[1]}",
                       "--upstream", f"smtp://127.0.0.1:{self.relay.port}",
                       "--set", "timeouts.connect=1s")
            self.send()

    def test_nobody_there(self):
        port = self.refusing()
        process = self.serve("--upstream", f"smtp://127.0.0.1:{port}")
        with wire.Conversation(self.port) as talk:
            reply = talk.reply()
            self.assertTrue(reply.startswith(b"421 4.4.1 "), reply)
            self.assertNotIn(b"127.0.0.1", reply)  # where the relay is concerns nobody else
            self.assertEqual(talk.rest(), b"")
        self.await_log(process, "ending=relay-unreachable "
                                f'relay_error="connection refused by 127.0.0.1:{port}"')

    def test_a_client_that_leaves_while_dialling(self):
        with socket.socket() as silent, contextlib.ExitStack() as waiting:
            silent.bind(("127.0.0.1", 0))
            silent.listen(0)
            for _ in range(8):
                filler = waiting.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(silent.getsockname())
            process = self.serve("--upstream", f"smtp://127.0.0.1:{silent.getsockname()[1]}")
            wire.Conversation(self.port).reset()
            self.await_log(process, "ending=client-lost")


class Limits(Shell):
    def test_the_cap_of_a_client_is_exact_in_all_workers(self):
        self.serve("--workers", "4", "--set", "sessions-per-client=5")
        with contextlib.ExitStack() as talks:
            held = [talks.enter_context(wire.Conversation(self.port)) for _ in range(20)]
            first = [talk.reply() for talk in held]
            full = [reply for reply in first if reply.code == 421]
            self.assertEqual(len(full), 15)
            self.assertTrue(all(reply.startswith(b"421 4.3.2 ") for reply in full))
            held[first.index(next(reply for reply in first if reply.code == 220))].close()

            def admitted():
                talk = talks.enter_context(wire.Conversation(self.port))
                return talk.reply().code == 220
            place.await_true("room for one more", admitted)
            self.assertFalse(admitted())

    def test_a_flood_beyond_the_cap(self):
        process = self.serve("--workers", "1", "--set", "sessions-per-client=1", "--core-dumps")
        with wire.Conversation(self.port) as only, contextlib.ExitStack() as talks:
            only.open()
            crowd = [talks.enter_context(wire.Conversation(self.port)) for _ in range(400)]
            self.assertEqual({talk.reply().code for talk in crowd}, {421})
            sockets = len(os.listdir(f"/proc/{process.pid}/fd"))
            self.assertLess(sockets, 350, "it waits for all of them to say goodbye")
            self.assertEqual(only.ask(b"NOOP").code, 250)

    def test_few_buffers_for_many_messages(self):
        # 32 blocks for 60 sessions that all want to send at once: those without one wait.
        process = self.serve("--workers", "1", "--set", "memory=1M")
        failures = []

        def send():
            try:
                with wire.Conversation(self.port) as talk:
                    talk.open()
                    together.wait()
                    talk.say(ENVELOPE)
                    codes = [talk.reply().code for _ in range(3)]
                    time.sleep(0.5)
                    talk.say(b"x" * 70 + b"\r\n.\r\n" + b"QUIT\r\n")
                    codes += [talk.reply().code for _ in range(2)]
                    self.assertEqual(codes, [250, 250, 354, 250, 221])
            except (OSError, wire.Broken, AssertionError) as error:
                failures.append(error)
        together = threading.Barrier(60, timeout=10)
        senders = [threading.Thread(target=send) for _ in range(60)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.relay.delivered, 60)
        self.assertTrue(process.running())

    def test_out_of_descriptors(self):
        process = self.serve("--workers", "1")
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (60, 60))
        with contextlib.ExitStack() as talks:
            held = [talks.enter_context(wire.Conversation(self.port)) for _ in range(80)]
            self.await_log(process, "have to wait")
            before = self.cpu(process)
            time.sleep(0.5)
            self.assertLess(self.cpu(process) - before, 0.2, "it turns in place")
            self.assertEqual(process.log().count("have to wait"), 1)

        def admitted():
            with wire.Conversation(self.port) as talk:
                return talk.reply().code == 220
        place.await_true("a descriptor", admitted)
        self.send()

    def cpu(self, process):
        """Seconds of processor time."""
        words = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def test_a_client_that_never_reads_is_let_go(self):
        process = self.serve("--set", "timeouts.data-block=500ms")
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", self.port))
            deaf.settimeout(3)
            deaf.sendall(b"EHLO client.test\r\n")
            with contextlib.suppress(TimeoutError, ConnectionError):
                while True:  # until nothing is read any more, or the connection is gone
                    deaf.sendall(b"HELP\r\n" * 1000)
            self.await_log(process, "ending=client-lost", seconds=30)


class Ends(Shell):
    def test_a_client_that_goes_on_talking_hears_an_end_and_no_reset(self):
        # A reset may take our last words from it; where it doesn't, it is still an error to read.
        self.serve()
        for _ in range(20):
            with wire.Conversation(self.port) as talk:
                talk.open()
                talk.say(b"QUIT\r\n")
                for _ in range(500):
                    talk.say(b"NOOP\r\n" * 100)
                heard = b""
                while more := talk.socket.recv(65536):
                    heard += more
                self.assertTrue(heard.startswith(b"221 "), heard)

    def test_a_second_signal_ends_at_once(self):
        process = self.serve()
        with wire.Conversation(self.port) as talk:
            talk.open()
            talk.say(ENVELOPE)
            self.assertEqual([talk.reply().code for _ in range(3)], [250, 250, 354])
            process.child.terminate()
            self.await_log(process, "no new sessions")
            self.assertTrue(process.running())
            process.child.terminate()
            self.assertEqual(process.child.wait(5), EX_TEMPFAIL)

    def test_a_drain_with_many_workers(self):
        process = self.serve("--workers", "4")
        with contextlib.ExitStack() as talks:
            held = [talks.enter_context(wire.Conversation(self.port)) for _ in range(12)]
            for talk in held:
                talk.open()
            process.child.terminate()
            for talk in held:
                self.assertEqual(talk.reply().code, 421)
            self.assertEqual(process.child.wait(5), 0)


class Reload(Shell):
    def reload(self, process, words):
        before = process.log().count(words)
        process.child.send_signal(signal.SIGHUP)
        self.await_log(process, words, before + 1)

    def room_for(self):
        """How many sessions are let in at the same time, of 6 that try."""
        with contextlib.ExitStack() as talks:
            held = [talks.enter_context(wire.Conversation(self.port)) for _ in range(6)]
            return [talk.reply().code for talk in held].count(220)

    def test_new_sessions_get_the_new_policy(self):
        path = self.write_config("hostname: one.test")
        process = self.serve("-c", path)
        with wire.Conversation(self.port) as old:
            old.open()
            self.write_config("sessions-per-client: 3")
            self.reload(process, "is in force")
            self.assertEqual(old.ask(b"NOOP").code, 250)
            self.assertEqual(self.room_for(), 2)
            old.ask(b"QUIT")

    def test_a_bad_file_changes_nothing(self):
        path = self.write_config("sessions-per-client: 3")
        process = self.serve("-c", path)
        self.write_config("sessions-per-client: none")
        self.reload(process, "the old one stays in force")
        self.assertIn("lockstep.yaml:7:26:", process.log())
        self.assertEqual(self.room_for(), 3)

    def test_what_needs_a_restart_is_said(self):
        path = self.write_config()
        process = self.serve("-c", path)
        self.write_config(listen='"[::1]:0"', top="workers: 3")
        self.reload(process, "is in force")
        self.assertIn("changes of workers", process.log())
        self.assertIn("listening on [::1]:", process.log())
        with self.assertRaises(ConnectionRefusedError):
            wire.Conversation(self.port)


class Written(Shell):
    def test_transcripts_are_bounded_and_private(self):
        folder = self.folder.path / "kept"
        process = self.serve("--workers", "1", "--transcripts", folder,
                             "--set", "transcripts.files=3", "--set", "transcripts.session=4k")
        for _ in range(5):
            with wire.Conversation(self.port) as talk:
                talk.open()
                for _ in range(200):
                    talk.ask(b"NOOP")
                talk.ask(b"QUIT")
        self.await_log(process, "ending=quit", 5)
        files = sorted(folder.iterdir())
        self.assertEqual(len(files), 3)
        for path in files:
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
            text = path.read_text()
            self.assertTrue(text.endswith("\n# cut\n"), text[-100:])
            self.assertIn("\n@ mode repair\n", text)
            said = "".join(line for line in text.splitlines(True) if line[0] not in "@#")
            self.assertLessEqual(len(said), 4096)
            self.assertGreater(len(said), 3000)
        last = process.log().rsplit("session id=", 1)[1].split()[0]
        self.assertTrue(any(last in path.name for path in files))

    def test_transcript_that_was_cut_says_so(self):
        """Also when a line fills it to the last byte: one session in about fifteen does."""
        folder = self.folder.path / "kept"
        process = self.serve("--workers", "1", "--transcripts", folder,
                             "--set", "transcripts.session=4k")
        for number in range(100):
            with wire.Conversation(self.port) as talk:
                talk.open()
                talk.ask(b"NOOP " + b"x" * (number % 20))
                for _ in range(110):
                    talk.ask(b"NOOP")
                talk.ask(b"QUIT")
        self.await_log(process, "ending=quit", 100)
        ends = [path.read_text()[-6:] for path in folder.iterdir()]
        self.assertEqual(ends, ["# cut\n"] * 100)

    def test_no_directory_no_start(self):
        process = self.begin("--transcripts", "/dev/null/nowhere")
        self.assertNotEqual(process.child.wait(10), 0)
        self.assertIn("/dev/null/nowhere: not a directory", process.log())

    def test_a_json_line_for_each_session(self):
        process = self.serve("--log", "json")
        self.send()
        self.await_log(process, "ending")
        lines = [json.loads(line) for line in process.log().splitlines()]
        session = next(line for line in lines if line["event"] == "session")
        self.assertEqual((session["listener"], session["ending"], session["messages"],
                          session["recipients"], session["bytes"]), ("main", "quit", 1, 1, 10))
        self.assertEqual(session["relay"], f"127.0.0.1:{self.relay.port}")

    def test_journald_gets_priorities_and_no_time(self):
        process = self.serve(environment={"JOURNAL_STREAM": "8:1"})
        self.send()
        self.assertRegex(self.await_log(process, "ending=quit"), r"(?m)^<6>session id=[0-9a-f]{16} ")


if __name__ == "__main__":
    suite.main()
