"""Where things are, and room to work in."""

import atexit
import os
import pathlib
import random
import shutil
import socket
import tempfile
import time

from support import artefacts

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
FREE_PORTS = (12000, 32000)


def lockstep():
    """The program under test: $LOCKSTEP, or the newest one in a build folder."""
    named = os.environ.get("LOCKSTEP")
    if named:
        return named
    built = [path for path in TREE.glob("build*/**/lockstep")
             if path.is_file() and os.access(path, os.X_OK)]
    if not built:
        raise FileNotFoundError("no lockstep program: build it, or name it in $LOCKSTEP")
    return str(max(built, key=lambda path: path.stat().st_mtime))


def cache():
    """Where unpacked packages are kept between runs."""
    folder = pathlib.Path(os.environ.get("LOCKSTEP_CACHE", TREE / "build" / "relays"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


class Folder:
    """A folder for one test; every user may pass through it, because relays change users."""

    def __init__(self, name):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix=f"lockstep-{name}-"))
        self.path.chmod(0o755)
        atexit.register(self.remove)  # also when the test is interrupted

    def private(self, name, text):
        """A file with a secret, as lockstep wants it: nobody else may read it."""
        path = self.path / name
        path.write_text(text, encoding="ascii")
        path.chmod(0o600)
        return path

    def remove(self):
        artefacts.keep(self.path / "transcripts")
        shutil.rmtree(self.path, ignore_errors=True)
        atexit.unregister(self.remove)


def free_port():
    """A loopback port nobody has now, for programs that can't be given port 0. It is below those
    that the system gives to connections: one of those could take it before the program does."""
    while True:
        port = random.randrange(*FREE_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def await_true(what, claim, seconds=15):
    """Waits until claim() is true and returns what it gave; names `what` when it never is."""
    end = time.monotonic() + seconds
    while True:
        given = claim()
        if given:
            return given
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False
