#!/usr/bin/env python3
"""The command line as a person meets it: what is typed, the exit code, the first line said."""

import contextlib
import os
import pathlib
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import suite  # noqa: E402

LOCKSTEP = os.environ["LOCKSTEP"]
COMMANDS = ("run", "check", "fault", "sink", "secret", "oauth", "net", "play", "explain", "manual", "completion")

# Typed, exit code, first line on stderr. {folder} is a fresh one, {busy} a port in use, {file} a
# file that is there, {locked} a file that nobody may read.
TABLE = (
    ("", 64, "usage: lockstep COMMAND [OPTION]..."),
    ("chek", 64, "lockstep: there is no command chek: did you mean check?"),
    ("frobnicate", 64, "lockstep: there is no command frobnicate"),
    ("--versio", 64, "lockstep: there is no option --versio: did you mean --version?"),
    ("-v", 64, "lockstep: there is no option -v"),
    ("help chek", 64, "lockstep: there is no command chek: did you mean check?"),
    ("run --lisen x", 64, "lockstep run: there is no option --lisen: did you mean --listen?"),
    ("run --moed=repair", 64, "lockstep run: there is no option --moed: did you mean --mode?"),
    ("run --frobnicate", 64, "lockstep run: there is no option --frobnicate"),
    ("run -x", 64, "lockstep run: there is no option -x"),
    ("run --listen", 64, "lockstep run: --listen needs a value: ADDR:PORT"),
    ("run --mode", 64, "lockstep run: --mode needs a value: repair|observe|fault"),
    ("run -c", 64, "lockstep run: --config needs a value: FILE"),
    ("run --sizes=4", 64, "lockstep run: --sizes takes no value"),
    ("run 127.0.0.1:25", 64,
     'lockstep run: "127.0.0.1:25" is no option, and nothing else is expected'),
    ("run --set limits", 64, 'lockstep run: --set can\'t be "limits"; write it so:'),
    ("run --workers x", 64, "command line: --workers: `workers` is `x`: write a number, from 0 to 256"),
    ("run -c {folder}/none", 66, "{folder}/none: No such file or directory"),
    ("run -c {folder}", 66, "{folder}: Is a directory"),
    ("check file", 64, 'lockstep check: "file" is no option, and nothing else is expected'),
    ("check --word=x", 64, "lockstep check: --words takes no value"),
    ("check -c {locked}", 66, "{locked}: Permission denied"),
    ("net", 64, "lockstep net: plan|apply|check|remove is missing"),
    ("net install", 64, 'lockstep net: "install" is none of plan|apply|check|remove'),
    ("net plan -c {folder}/none", 66, "{folder}/none: No such file or directory"),
    ("sink --delay soon", 64, 'lockstep sink: --delay can\'t be "soon"; write it so:'),
    ("sink --no-pipelining=x", 64, 'lockstep sink: --no-pipelining can\'t be "x"; write it so:'),
    ("sink --hide FOO", 64, 'lockstep sink: --hide can\'t be "FOO"; write it so:'),
    ("sink --auth hunter2", 64, "lockstep sink: --auth can't be that; write it so:"),
    ("sink --listen localhost:0", 64,
     'lockstep sink: --listen can\'t be "localhost:0"; write it so:'),
    ("sink --maildir={file}/m --listen 127.0.0.1:0", 73,
     "lockstep sink: {file}/m: Not a directory"),
    ("sink --listen 127.0.0.1:{busy}", 69,
     "lockstep sink: 127.0.0.1:{busy}: address already in use: end who listens there "
     "(`ss -ltnp` tells), or take another port"),
    ("sink --listen 192.0.2.1:0", 69,
     "lockstep sink: 192.0.2.1:0: address not available: this machine has no such address "
     "(`ip addr` lists them)"),
    ("sink --listen 127.0.0.1:25", 77,
     "lockstep sink: 127.0.0.1:25: permission denied: a port below 1024 needs "
     "CAP_NET_BIND_SERVICE: give it with `setcap cap_net_bind_service+ep` to the program, or with "
     "AmbientCapabilities= in the unit"),
    ("play", 64, "lockstep play: FILE... is missing"),
    ("explain x", 64, "lockstep explain: say what to explain: --propose-repairs"),
    ("explain --propose-repairs {folder}/none", 66, "{folder}/none: No such file or directory"),
    ("completion", 64, "lockstep completion: bash|zsh|fish is missing"),
    ("completion ksh", 64, 'lockstep completion: "ksh" is none of bash|zsh|fish'),
    ("completion bash zsh", 64, 'lockstep completion: one too many: "zsh"'),
    ("play {folder}/none", 66, "{folder}/none: No such file or directory"),
)

# `run` logs before it fails, so these are looked for among all lines.
RUN = (
    ("run --listen 127.0.0.1:{busy}", 69,
     "lockstep run: 127.0.0.1:{busy}: address already in use: end who listens there "
     "(`ss -ltnp` tells), or take another port"),
    ("run --listen 127.0.0.1:25", 77,
     "lockstep run: 127.0.0.1:25: permission denied: a port below 1024 needs "
     "CAP_NET_BIND_SERVICE: give it with `setcap cap_net_bind_service+ep` to the program, or with "
     "AmbientCapabilities= in the unit"),
    ("run --listen 127.0.0.1:0 --transcripts {file}/t", 73,
     "lockstep run: {file}/t: not a directory"),
    ("run --listen 127.0.0.1:0 --transcripts {folder}/t", 73,
     "lockstep run: {folder}/t: permission denied"),
)

NOBODY = 65534


def powerless():
    """Root's powers would open every file and every port."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def low_ports_are_free():
    low = pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    return low.exists() and int(low.read_text()) <= 25


class Cli(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.places = contextlib.ExitStack()
        self.addCleanup(self.places.close)
        folder = self.places.enter_context(tempfile.TemporaryDirectory())
        os.chmod(folder, 0o755)
        for name, mode in (("file", 0o644), ("locked", 0)):
            (pathlib.Path(folder) / name).touch()
            os.chmod(f"{folder}/{name}", mode)
        # The build may lie where nobody may look, as in root's home.
        self.program = shutil.copy(LOCKSTEP, f"{folder}/lockstep")
        busy = self.places.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.words = {"folder": folder, "file": f"{folder}/file", "locked": f"{folder}/locked",
                      "busy": busy.getsockname()[1]}

    def type(self, typed):
        """Runs it as somebody who may do nothing in particular."""
        return subprocess.run([self.program, *typed.format(**self.words).split()], text=True,
                              capture_output=True, timeout=30, preexec_fn=powerless, check=False)

    def test_complaints(self):
        for typed, code, first in TABLE:
            if ":25" in typed and code == 77 and low_ports_are_free():
                continue
            with self.subTest(typed):
                ran = self.type(typed)
                self.assertEqual((ran.stderr.splitlines() or [""])[0], first.format(**self.words))
                self.assertEqual(ran.returncode, code)

    def test_complaints_behind_a_log(self):
        for typed, code, line in RUN:
            if code == 77 and low_ports_are_free():
                continue
            with self.subTest(typed):
                ran = self.type(typed)
                self.assertIn(line.format(**self.words), ran.stderr.splitlines())
                self.assertEqual((ran.returncode, ran.stdout), (code, ""))

    def test_what_is_in_memory_stays_there(self):
        """What its own user may not look into belongs to root, and can't be dumped either."""
        owner = NOBODY if os.getuid() == 0 else os.getuid()
        for options, seen_by, size in (([], 0, "0"), (["--core-dumps"], owner, "4096")):
            with self.subTest(options):
                run = subprocess.Popen(
                    ["/bin/sh", "-c", 'ulimit -c 8 && exec "$0" "$@"', self.program, "run",
                     "--listen", "127.0.0.1:0", "--upstream", "smtp://127.0.0.1:1", *options],
                    text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    preexec_fn=powerless)
                self.addCleanup(run.wait, 30)
                self.addCleanup(run.terminate)
                self.addCleanup(run.stdout.close)
                self.assertIn("ready", run.stdout.readline())
                here = pathlib.Path(f"/proc/{run.pid}")
                self.assertEqual((here / "fd").stat().st_uid, seen_by)
                self.assertRegex((here / "limits").read_text(),
                                 rf"(?m)^Max core file size +\d+ +{size} ")

    def test_run_alone_stands_in_front_of_a_sink(self):
        if os.path.exists("/etc/lockstep/lockstep.yaml"):
            self.skipTest("this machine has a configuration of its own")
        run = subprocess.Popen([LOCKSTEP, "run"], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        self.addCleanup(run.kill)
        ready = run.stdout.readline()
        if not ready:
            said = run.communicate(timeout=30)[1]
            self.assertIn("lockstep run: 127.0.0.1:2525: address already in use", said)
            self.skipTest("port 2525 is in use")
        self.assertEqual(ready, "lockstep run: ready, listening on 127.0.0.1:2525\n")
        with smtplib.SMTP("127.0.0.1", 2525, timeout=20) as client:
            self.assertEqual(client.sendmail("a@a.example", ["b@b.example"], "one line\r\n"), {})
        run.terminate()
        said = run.communicate(timeout=30)[1]
        self.assertIn("no relay is named, so messages are accepted, counted and dropped", said)
        self.assertRegex(said, r" ending=quit .* messages=1 ")
        self.assertEqual(run.returncode, 0)

    def test_help_says_how_each_option_is_written(self):
        for command in COMMANDS:
            for typed in (f"{command} --help", f"{command} -h", f"help {command}"):
                ran = self.type(typed)
                self.assertEqual((ran.returncode, ran.stderr), (0, ""))
                self.assertRegex(ran.stdout, rf"\Ausage: lockstep {command}\b")
                self.assertLessEqual(max(map(len, ran.stdout.splitlines())), 80)

    def test_short_help_lists_every_command(self):
        for typed in "--help", "-h", "help":
            ran = self.type(typed)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            self.assertEqual(tuple(re.findall(r"^  (\w+)", ran.stdout, flags=re.M)), COMMANDS)

    def test_values_are_those_of_the_configuration(self):
        words = dict(re.findall(r"^(\S+) \(.*\): ([a-z, ]+ or [a-z]+)\.$",
                                self.type("check --words").stdout, flags=re.M))
        shown = dict(re.findall(r"--(\w+) (\w+(?:\|\w+)+)", self.type("run --help").stdout))
        self.assertEqual(set(shown), {"mode", "pipelining", "log"})
        for option, values in shown.items():
            word = {"log": "log.format"}.get(option, option)
            self.assertEqual(values.split("|"), re.split(", | or ", words[word]), option)


if __name__ == "__main__":
    suite.main()
