"""The scenarios of a batch agree over real sockets too: `play` is both peers of a running lockstep."""

import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import place, proxy, suite  # noqa: E402

SCENARIOS = pathlib.Path(__file__).resolve().parent.parent / "scenarios" / "batch"


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


if __name__ == "__main__":
    suite.main()
