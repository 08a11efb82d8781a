"""A pytest fixture: lockstep as a path on which mail goes wrong as a test wishes.

`lockstep.port` is where the code under test sends its mail. Without an upstream (say
Lockstep("--upstream", "smtp://127.0.0.1:25")) lockstep stands in front of a relay of its own.
test_mail.py has examples.
"""

import json
import os
import re
import subprocess
import tempfile
import urllib.request

import pytest


class Lockstep:
    def __init__(self, *words):
        # Its log goes to a file: nobody reads a pipe while the test runs.
        with tempfile.TemporaryFile("w+") as log:
            self.process = subprocess.Popen(
                [os.environ.get("LOCKSTEP", "lockstep"), "fault", "--listen", "127.0.0.1:0",
                 "--admin", "127.0.0.1:0", *words],
                stdout=subprocess.PIPE, stderr=log, text=True)
            ready = self.process.stdout.readline()
            log.seek(0)
            said = log.read()
        if not ready:
            self.stop()
            raise RuntimeError(f"lockstep did not start:\n{said}")
        # The system chose both ports; the seed in that line repeats the run.
        self.ready = ready.strip()
        self.port = int(re.search(r"listening on 127\.0\.0\.1:(\d+)", ready).group(1))
        self.admin = re.search(r"answers at (http://\S+)", said).group(1)

    def stop(self):
        self.process.kill()  # a test that failed may have left sessions behind: they need no end
        self.process.communicate()

    def ask(self, method, path, body=None):
        request = urllib.request.Request(
            self.admin + path, None if body is None else json.dumps(body).encode(), method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def add(self, fault):
        """A rule (`lockstep fault --words`) or the name of a profile (`lockstep fault --list`)."""
        toxic = {"type": "rule", "attributes": {"rule": fault}} if " " in fault else {"type": fault}
        self.ask("POST", "/proxies/main/toxics", toxic)

    def verify(self, *assertions):
        """Asserts what was said; what does not hold is shown with the lines that prove it."""
        verdict = self.ask("POST", "/api/v1/verify", {"assert": assertions})
        assert verdict["passed"], json.dumps(
            [result for result in verdict["results"] if not result["passed"]], indent=2)


@pytest.fixture
def lockstep():
    path = Lockstep()
    print(path.ready)
    yield path
    path.stop()
