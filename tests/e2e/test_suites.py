"""The examples of test suites in config/test-suites do what they say: every step of the CI job but the
build is run as it stands there, and each fails when what it tests is broken."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import packages, place, suite  # noqa: E402

EXAMPLES = place.TREE / "config" / "test-suites"
STEPS = re.findall(r"^ +- run: (.+)$", (EXAMPLES / "github-actions.yaml").read_text(), re.MULTILINE)
# pytest and what it needs, for a Python that has none.
PYTEST = ("python3-pytest", "python3-pluggy", "python3-iniconfig", "python3-packaging",
          "python3-attr")


def pytest_path():
    """Folders in which Python finds pytest, one a line of PYTHONPATH; none when it has its own."""
    own = subprocess.run([packages.program("python3"), "-c", "import pytest"], check=False,
                         capture_output=True, timeout=60)
    return [] if own.returncode == 0 else [
        str(packages.unpacked(package) / "usr/lib/python3/dist-packages") for package in PYTEST]


class Suites(unittest.TestCase):
    def setUp(self):
        self.folder = place.Folder("suites")
        self.addCleanup(self.folder.remove)
        self.tests = self.folder.path / "tests"
        shutil.copytree(EXAMPLES, self.tests)
        (self.tests / "transcripts").mkdir()
        shutil.copy(place.TREE / "tests/scenarios/batch/grouped.smtp", self.tests / "transcripts")
        (self.folder.path / "bin").mkdir()
        (self.folder.path / "bin" / "lockstep").symlink_to(pathlib.Path(place.lockstep()).resolve())
        self.environment = {
            **os.environ, "PATH": f"{self.folder.path}/bin:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1"}
        self.environment.pop("LOCKSTEP", None)
        self.step("mkdir")

    def step(self, start):
        """Runs the job's step that begins so."""
        command, = (step for step in STEPS if step.startswith(start))
        return subprocess.run(["sh", "-c", command], cwd=self.folder.path, env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120, check=False)

    def breaks(self, start, name, what, instead):
        """The step passes, and fails when the file says something else."""
        done = self.step(start)
        self.assertEqual(done.returncode, 0, done.stdout)
        path = self.tests / name
        text = path.read_text(encoding="ascii")
        self.assertIn(what, text)
        path.write_text(text.replace(what, instead), encoding="ascii")
        broken = self.step(start)
        self.assertNotIn(broken.returncode, (0, 127), broken.stdout)
        return done.stdout, broken.stdout

    def outcome(self, name):
        """Of a report: cases, and those of them that failed."""
        root = xml.etree.ElementTree.parse(self.folder.path / "reports" / name).getroot()
        return len(list(root.iter("testcase"))), len(list(root.iter("failure")))

    def test_no_step_is_forgotten(self):
        self.assertEqual([step.split()[0] for step in STEPS],
                         ["mkdir", "lockstep", "python3", "node", "sh"])

    def test_transcripts(self):
        self.breaks("lockstep", "transcripts/grouped.smtp", "C< 250 2.1.0 sender ok", "C< 250 no")
        self.assertEqual(self.outcome("transcripts.xml"), (1, 1))

    def with_pytest(self, *change):
        path = [*pytest_path(), os.environ.get("PYTHONPATH", "")]
        self.environment["PYTHONPATH"] = os.pathsep.join(path)
        return self.breaks("python3", "test_mail.py", *change)

    def test_pytest(self):
        done, broken = self.with_pytest("tries=2", "tries=1")
        self.assertIn("3 passed", done)
        self.assertIn("seed ", broken, "a run that failed can be repeated")
        self.assertEqual(self.outcome("pytest.xml"), (3, 2))

    def test_pytest_is_shown_what_was_not_so(self):
        _, broken = self.with_pytest("U> RCPT TO:<b@", "U> RCPT TO:<a@")
        self.assertIn('"text": "U> rcpt TO:<a@example.com>"', broken)

    def test_node(self):
        packages.program("node")
        self.breaks("node", "mail.test.mjs", "nth: 2", "nth: 1")
        self.assertEqual(self.outcome("node.xml"), (1, 1))

    def test_shell(self):
        packages.program("swaks")
        _, broken = self.breaks("sh", "faults.sh", "new=1s", "new=30s")
        self.assertIn("failed: the second try was not taken", broken)


if __name__ == "__main__":
    suite.main()
