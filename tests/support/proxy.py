"""lockstep itself as a party of a test."""

import signal

from support import place
from support.process import Process


class Proxy:
    """`lockstep run` on a free port in front of `upstream_port`.

    `settings` are YAML lines of the top of the configuration, `listener` and `relay` of theirs.
    """

    def __init__(self, upstream_port, settings="", listener="", relay="", transcripts=False):
        self.folder = place.Folder("run")
        here = self.folder.path
        text = f"""config_version: 1
workers: 1
{settings}
listeners:
  - name: main
    listen: 127.0.0.1:0
    relay: relay
{_indented(listener, 4)}
relays:
  relay:
    address: [smtp://127.0.0.1:{upstream_port}]
{_indented(relay, 4)}
"""
        if transcripts:
            text += f"transcripts: {{directory: {here}/transcripts}}\n"
        (here / "lockstep.yaml").write_text(text, encoding="ascii")
        self.process = Process("lockstep", [place.lockstep(), "run", "-c", here / "lockstep.yaml",
                                            "--log", "json"], here)
        try:
            self.port = self.process.await_ready()[0]
        except BaseException:
            self.stop()
            raise

    def drain(self):
        """SIGTERM, without waiting."""
        self.process.child.send_signal(signal.SIGTERM)

    def stop(self):
        try:
            return self.process.stop()
        finally:
            self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.process.explain())
        self.stop()


def _indented(text, spaces):
    return "\n".join(" " * spaces + line for line in text.splitlines())
