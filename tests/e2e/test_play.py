"""The scenarios of a batch agree over real sockets too: `play` is both peers of a running lockstep."""

import pathlib
import subprocess
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite  # noqa: E402

SCENARIOS = pathlib.Path(__file__).resolve().parent.parent / "scenarios" / "batch"
NO_INPUT, CANNOT_CREATE = 66, 73  # sysexits.h


class Play(unittest.TestCase):
    def play(self, files):
        port = place.free_port()
        with proxy.Proxy(port) as lockstep:
            return subprocess.run(
                [place.lockstep(), "play", "--client", f"127.0.0.1:{port}",
                 "--upstream", f"127.0.0.1:{lockstep.port}", *files],
                text=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                check=False)

    def test_batches_agree(self):
        # What a scenario switches off is on in the program that is played to.
        files = sorted(file for file in SCENARIOS.glob("*.smtp")
                       if b"@ repairs." not in file.read_bytes())
        self.assertGreater(len(files), 25)
        done = self.play(files)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"{len(files)} passed, 0 failed", done.stdout)

    def test_a_difference_is_seen(self):
        folder = place.Folder("play")
        self.addCleanup(folder.remove)
        wrong = folder.path / "wrong.smtp"
        text = (SCENARIOS / "grouped.smtp").read_text()
        wrong.write_text(text.replace("C< 250 2.1.0 sender ok", "C< 250 2.1.0 other one"))
        done = self.play([wrong])
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("+ C< 250 2.1.0 sender ok", done.stdout)


class Junit(unittest.TestCase):
    def setUp(self):
        self.folder = place.Folder("junit")
        self.addCleanup(self.folder.remove)
        self.report = self.folder.path / "report.xml"

    def play(self, *files, junit=None):
        return subprocess.run(
            [place.lockstep(), "play", "--junit", junit or self.report, *files], timeout=60,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)

    def test_each_file_is_a_case(self):
        good = SCENARIOS / "grouped.smtp"
        odd = self.folder.path / "odd <&\"'\x01\xfc>.smtp"
        odd.write_bytes(b"@ start ready\nC> NOOP \x01\x1b\x7f\xff ]]> <&\"'>\nC< 250 ok\n")
        gone = self.folder.path / "gone.smtp"
        done = self.play(good, odd, gone)
        self.assertEqual(done.returncode, NO_INPUT, done.stderr)
        suite_ = xml.etree.ElementTree.parse(self.report).getroot()
        self.assertEqual((suite_.tag, suite_.get("name")), ("testsuite", "lockstep play"))
        self.assertEqual([suite_.get(word) for word in ("tests", "failures", "errors")],
                         ["3", "1", "1"])
        passed, failed, error = suite_
        for case in suite_:
            self.assertGreaterEqual(float(case.get("time")), 0)
        self.assertEqual((passed.get("name"), len(passed)), (str(good), 0))
        self.assertEqual(failed.get("name"),
                         f"{self.folder.path}/odd <&\"'\\x01\\xc3\\xbc>.smtp")
        self.assertEqual([found.tag for found in failed], ["failure"])
        text = failed[0].text
        self.assertIn("\n    - C< 250 ok\n", text)
        self.assertIn("C> NOOP \\x01\\x1b\\x7f\\xff ]]> <&\"'>\n", text)
        self.assertEqual(failed[0].get("message"), text.partition("\n")[0])
        self.assertIn(text.partition("\n    - ")[2].encode(), done.stderr,
                      "what is written there is what is printed")
        self.assertEqual(error.find("error").text, "No such file or directory")

    def test_a_file_that_cannot_be_written(self):
        good = SCENARIOS / "grouped.smtp"
        for name in (self.folder.path / "no" / "report.xml", "/dev/full"):
            done = self.play(good, junit=name)
            self.assertEqual(done.returncode, CANNOT_CREATE, done.stderr)
            self.assertIn(f"lockstep play: {name}: ".encode(), done.stderr)


if __name__ == "__main__":
    suite.main()
