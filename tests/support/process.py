"""A process that is started, waited for and ended by its own id."""

import ctypes
import os
import re
import signal
import subprocess
import time

from support import artefacts, place

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

LIBC = ctypes.CDLL(None)

READY = re.compile(r"ready, listening on (.+)$", re.MULTILINE)


# Orphans of a relay become children of the test instead of the machine's first process.
LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_with_parent():
    """A test that is killed takes what it started with it."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Process:
    """Runs `argv` with its output in `<folder>/<name>.out` and `.err`, in a session of its own."""

    def __init__(self, name, argv, folder, **options):
        self.name = name
        self.ours = str(argv[0]) == place.lockstep()
        self.out_path = folder / f"{name}.out"
        self.err_path = folder / f"{name}.err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.child = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True, preexec_fn=_end_with_parent, **options)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def output(self):
        return self.out_path.read_text(errors="replace")

    def log(self):
        return self.err_path.read_text(errors="replace")

    def explain(self):
        return (f"--- {self.name}, exit {self.child.poll()} ---\n"
                f"{self.output()[-4000:]}{self.log()[-4000:]}")

    def await_ready(self, seconds=30):
        """The ports of the ready line, in its order."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = READY.search(self.output())
            if found:
                return [int(port) for port in re.findall(r":(\d+)(?=,|$)", found.group(1))]
            if not self.running():
                break
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} did not become ready\n{self.explain()}")

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def stop(self, seconds=30):
        """Asks, then insists; the exit status either way. What it started ends with it."""
        if self.running():
            self.child.terminate()
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
        status = self.child.wait(seconds)
        self._end_group()
        if self.ours:
            self.ours = False
            artefacts.keep(self.out_path)
            artefacts.keep(self.err_path)
            if "Sanitizer:" in self.log():
                raise AssertionError(self.explain())
        return status

    def _end_group(self):
        # The group was made for this process, so only its own children are in it. A relay's
        # helpers may live a moment longer than it does; they come to us to be reaped.
        try:
            os.killpg(self.pid, signal.SIGKILL)
            while True:
                os.waitpid(-self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
