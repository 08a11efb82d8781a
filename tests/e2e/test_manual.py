#!/usr/bin/env python3
"""What is installed beside the program: the manual page, completions, the unit. The program writes
the first two from its own tables; here they are held against what it says and does otherwise."""

import json
import os
import pathlib
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support import suite  # noqa: E402

LOCKSTEP = os.environ["LOCKSTEP"]
UNIT = ROOT / "config" / "lockstep.service"
DROP_IN = ROOT / "config" / "on-the-path.conf"

# What is typed up to the tabulator key, and all that is offered; a set: at least these.
COMPLETED = (
    (["ch"], ["check"]),
    (["he"], ["help"]),
    (["run", "--pipe"], ["--pipelining"]),
    (["run", "--mode", ""], ["repair", "observe", "fault"]),
    (["run", "--mode", "o"], ["observe"]),
    (["run", "--mode", "="], ["repair", "observe", "fault"]),
    (["run", "--mode", "=", "r"], ["repair"]),
    (["run", "--listen", ""], []),
    (["run", "--set", "limits.r"], ["limits.reply=", "limits.rows="]),
    (["run", "--set", "relay"], ["relay="]),
    (["run", "--workers", "2", "--lo"], ["--log"]),
    (["run", ""], {"--listen", "--upstream", "--help"}),
    (["sink", "--no-pipelining", "=", "e"], ["exim"]),
    (["sink", "--no-pipelining", "--hi"], ["--hide"]),
    (["sink", "--personality", "ex"], ["exim", "exchange"]),
    (["play", "--o"], ["--once"]),
    (["play", "su"], ["support"]),
    (["sink", "--maildir", "su"], ["support"]),
    (["check", "-c", "READ"], ["README.md"]),
    (["net", ""], ["plan", "apply", "check", "remove"]),
    (["net", "--l"], ["--listener"]),
    (["net", "plan", "-c", "READ"], ["README.md"]),
    (["completion", ""], ["bash", "zsh", "fish"]),
)


def say(*arguments):
    return subprocess.run([LOCKSTEP, *arguments], capture_output=True, text=True, timeout=30,
                          check=True).stdout


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


def shell(*command, **more):
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **more)
    return ran.returncode, ran.stdout, ran.stderr


class Written(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)


class Page(Written):
    def setUp(self):
        super().setUp()
        self.source = say("manual")

    def part(self, heading):
        return re.search(rf"^\.Sh {heading}\n(.*?)(?=^\.Sh |\Z)", self.source, re.S | re.M).group(1)

    def tags(self, heading):
        return re.findall(r'^\.It (?:Li|Ic) "?([^"\n]+?)"?(?: Pq .*)?$', self.part(heading), re.M)

    @needs("mandoc")
    def test_mandoc_finds_nothing(self):
        _, said, _ = shell("mandoc", "-T", "lint", "-W", "style", self.write("l.1", self.source))
        # Which other pages are installed is no matter of ours.
        self.assertEqual([line for line in said.splitlines()
                          if "referenced manual not found" not in line], [])

    @needs("man")
    def test_man_shows_it(self):
        code, page, said = shell("man", "--warnings", "-l", self.write("l.1", self.source),
                                 env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
        if "has been minimized" in page:
            self.skipTest("man is a stand-in here")
        self.assertEqual((code, said), (0, ""))
        self.assertIn("SMTP proxy that keeps a client and a relay in step", page)

    def test_every_option_is_in_it(self):
        commands = re.findall(r"^  (\w+) ", say("--help"), flags=re.M)
        self.assertGreaterEqual(len(commands), 6)
        for command in commands:
            part = re.search(rf"^\.Ss lockstep {command}\n(.*?)(?=^\.S[sh] )", self.source,
                             re.S | re.M).group(1)
            options = re.findall(r"^ .{5}--([a-z-]+)", say(command, "--help"), flags=re.M)
            self.assertEqual(re.findall(r"^\.It.* Fl \\-(\S+)", part, flags=re.M), options[:-1])
            self.assertEqual(options[-1], "help")

    def test_every_word_of_the_configuration_is_in_it(self):
        listed = re.findall(r"^([a-z]\S*) \((\w+)", say("check", "--words"), flags=re.M)
        words = [word for word, place in listed    # a route's repairs are those of a listener
                 if not (place == "route" and word.startswith("repairs."))]
        told = self.tags("CONFIGURATION") + [f"repairs.{word}" for word in self.tags("REPAIRS")]
        self.assertEqual(sorted(told), sorted(words))

    def test_every_word_of_fault_rules_is_in_it(self):
        words = re.findall(r"^  (\S.*?)(?:  .*)?$", say("fault", "--words"), flags=re.M)
        profiles = [line.split()[0] for line in say("fault", "--list").splitlines()]
        self.assertIn("answer TEXT [then=close|reset|half|stall] [ask]", words)
        self.assertGreater(len(profiles), 70)
        self.assertEqual(self.tags("FAULTS"), words + profiles)

    def test_every_exit_code_is_in_it(self):
        used = set()
        for path in (ROOT / "src" / "app").glob("*.c"):
            if path.name != "manual.c":
                used |= set(re.findall(r"\bEX_[A-Z]+\b", path.read_text()))
        told = set(re.findall(r"\bEX_[A-Z]+\b", self.part("EXIT STATUS")))
        self.assertEqual(told, used)

    def test_log_keys_are_those_of_a_session(self):
        sink = subprocess.Popen([LOCKSTEP, "sink", "--listen", "127.0.0.1:0"], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(sink.stdout.close)
        self.addCleanup(sink.wait)
        self.addCleanup(sink.kill)
        relay = re.search(r"(\S+)$", sink.stdout.readline()).group(1)
        run = subprocess.Popen([LOCKSTEP, "run", "--listen", "127.0.0.1:0", "--log", "json",
                                "--workers", "1", "--upstream", f"smtp://{relay}"], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(run.kill)
        port = int(re.search(r":(\d+)$", run.stdout.readline()).group(1))
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.noop()
        run.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in run.communicate(timeout=30)[1].splitlines()]
        session = [line for line in lines if line["event"] == "session"]
        self.assertEqual(len(session), 1)
        own = {"event", "level", "time"}
        at_times = {"through", "login", "credential", "relay_error", "held", "held_ms", "why"}
        self.assertEqual([key for key in self.tags("LOG") if key not in at_times],
                         [key for key in session[0] if key not in own])

    def test_examples_use_options_that_there_are(self):
        examples = re.findall(r"^\.Dl lockstep (\w+)(.*)$", self.part("EXAMPLES"), flags=re.M)
        self.assertGreater(len(examples), 3)
        for command, rest in examples:
            told = say(command, "--help")
            for option in re.findall(r"(?<!\S)--?[a-z-]+", rest):
                self.assertIn(f"{option}", told)


class Completions(Written):
    def test_bash_offers(self):
        for words, offered in COMPLETED:
            with self.subTest(words):
                script = (f"source <({LOCKSTEP} completion bash)\n"
                          'COMP_WORDS=(lockstep "$@") COMP_CWORD=$#\n'
                          '_lockstep; printf "%s\\n" "${COMPREPLY[@]}"')
                code, said, wrong = shell("bash", "--norc", "-c", script, "bash", *words,
                                          cwd=ROOT / "tests")
                self.assertEqual((code, wrong), (0, ""))
                if isinstance(offered, set):
                    self.assertLessEqual(offered, set(said.split()))
                else:
                    self.assertEqual(said.split(), offered)
        self.assertIn("complete -F _lockstep lockstep", say("completion", "bash"))

    def test_settings_that_are_offered_are_taken(self):
        offered = re.search(r"'(workers= .*?)'", say("completion", "bash")).group(1).split()
        self.assertGreater(len(offered), 30)
        for word in offered:
            code, _, wrong = shell(LOCKSTEP, "run", "--listen", "?", "--upstream", "smtp://x",
                                   "--set", f"{word}\x7f")
            self.assertEqual(code, 64)
            self.assertNotRegex(wrong, "unknown word|write it in a file")

    @needs("fish")
    def test_fish_offers(self):
        path = self.write("lockstep.fish", say("completion", "fish"))
        for typed, offered in (("ch", ["check"]), ("run --pipe", ["--pipelining"]),
                               ("run --mode ", ["fault", "observe", "repair"]),
                               ("sink --no-pipelining=e", ["--no-pipelining=exim"])):
            code, said, wrong = shell("fish", "--no-config", "-c",
                                      f"source {path}; complete -C 'lockstep {typed}'",
                                      env={**os.environ, "HOME": str(self.folder)})
            self.assertEqual((code, wrong), (0, ""))
            self.assertEqual([line.split("\t")[0] for line in said.splitlines()], offered)

    @needs("zsh")
    def test_zsh_is_told_the_same(self):
        """Through stand-ins for the two functions of zsh that do the offering."""
        path = self.write("_lockstep", say("completion", "zsh"))
        script = ("_describe() { print -rl -- $commands }; _arguments() { print -rl -- \"$@\" }\n"
                  "words=(lockstep \"$@\") CURRENT=$(( $# + 1 )); source " + path)
        code, said, wrong = shell("zsh", "-f", "-c", script, "zsh", "ch")
        self.assertEqual((code, wrong), (0, ""))
        self.assertIn("check:reads a configuration and says what is wrong with it",
                      said.splitlines())
        code, said, wrong = shell("zsh", "-f", "-c", script, "zsh", "sink", "")
        self.assertEqual((code, wrong), (0, ""))
        options = re.findall(r"^\*?--([a-z-]+)", said, flags=re.M)
        listed = re.findall(r"^ .{5}--([a-z-]+)", say("sink", "--help"), flags=re.M)
        self.assertEqual(sorted(options), sorted(listed))
        self.assertIn("'*@old.example=550 5.1.1 Gone'", said)


class Unit(Written):
    def test_the_time_to_stop_is_above_the_drain_limit(self):
        drain = re.search(r"^timeouts\.drain \(.*default (\d+)m\)", say("check", "--words"), re.M)
        stop = re.search(r"^TimeoutStopSec=(\d+)s$", UNIT.read_text(), re.M)
        self.assertGreater(int(stop.group(1)), 60 * int(drain.group(1)))

    def test_restarts_do_not_repeat_what_can_not_change(self):
        codes = re.search(r"^RestartPreventExitStatus=(.*)$", UNIT.read_text(), re.M).group(1)
        for code in codes.split():
            self.assertRegex(say("manual"), rf"(?m)^\.It {code} Pq Dv EX_")

    def unit(self):
        """The file, with this program in it."""
        return self.write("lockstep.service", re.sub(r"^ExecStart=lockstep", f"ExecStart={LOCKSTEP}",
                                                     UNIT.read_text(), flags=re.M))

    @needs("systemd-analyze")
    def test_systemd_takes_what_is_added_for_a_path(self):
        path = self.unit()
        (self.folder / "lockstep.service.d").mkdir()
        self.write("lockstep.service.d/path.conf",
                   re.sub(r"=\+lockstep", f"=+{LOCKSTEP}", DROP_IN.read_text()))
        code, said, wrong = shell("systemd-analyze", "verify", "--man=no", path)
        self.assertEqual((code, said, wrong), (0, "", ""))
        # Each line of lockstep's names a command that there is.
        for line in re.findall(r"=\+lockstep (.*)$", DROP_IN.read_text(), re.M):
            self.assertRegex(line, r"^net (apply -c /etc/lockstep/lockstep.yaml|remove)$")

    @needs("systemd-analyze")
    def test_systemd_takes_it(self):
        path = self.unit()
        code, said, wrong = shell("systemd-analyze", "verify", "--man=no", path)
        self.assertEqual((code, said, wrong), (0, "", ""))
        code, said, wrong = shell("systemd-analyze", "security", "--offline=true",
                                  "--threshold=20", "--no-pager", path)
        print(said.strip().splitlines()[-1])
        self.assertEqual(code, 0, said + wrong)


if __name__ == "__main__":
    suite.main()
