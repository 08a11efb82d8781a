"""lockstep itself as a party of a test."""

import http.client
import json
import re
import signal
import subprocess

from support import artefacts, place
from support.process import Process


class Proxy:
    """`lockstep run` on a free port in front of `upstream_port`, or of `addresses`.

    `to` is the relay of its listener, where that is another of the `relays`.
    `settings` are YAML lines of the top of the configuration, `listener` and `relay` of theirs,
    `listeners` and `relays` those of more of them, `options` those of the command.
    """

    def __init__(self, upstream_port=0, settings="", listener="", relay="", transcripts=False,
                 workers=1, listen="127.0.0.1:0", addresses=(), listeners="", relays="",
                 options=(), to="relay"):
        self.folder = place.Folder("run")
        addresses = addresses or [f"smtp://127.0.0.1:{upstream_port}"]
        here = self.folder.path
        text = f"""config_version: 1
workers: {workers}
{settings}
listeners:
  - name: main
    listen: {listen}
    relay: {to}
{_indented(listener, 4)}
{_indented(listeners, 2)}
relays:
  relay:
    address: [{", ".join(f'"{address}"' for address in addresses)}]
{_indented(relay, 4)}
{_indented(relays, 2)}
"""
        if transcripts:
            text += f"transcripts: {{directory: {here}/transcripts}}\n"
        (here / "lockstep.yaml").write_text(text, encoding="ascii")
        self.process = Process("lockstep", [place.lockstep(), "run", "-c", here / "lockstep.yaml",
                                            "--log", "json", *options], here)
        try:
            self.ports = self.process.await_ready()
            self.port = self.ports[0]
        except BaseException:
            self.stop()
            raise

    def drain(self):
        """SIGTERM, without waiting."""
        self.process.child.send_signal(signal.SIGTERM)

    def keep_answers(self):
        """What its configuration looks like, and what its admin interface says, for the test of
        secrets."""
        shown = subprocess.run(
            [place.lockstep(), "check", "-c", self.folder.path / "lockstep.yaml"],
            capture_output=True, timeout=60, check=False)
        artefacts.keep_text("check", shown.stdout + shown.stderr)
        if self.admin_port() is None:
            return
        for path in ("/metrics", "/readyz?verbose", "/api/v1/proposal"):
            self.ask(path)
        listed = self.ask("/api/v1/sessions?limit=1000")[1]
        for session in json.loads(listed).get("sessions", ()):
            self.ask(f"/api/v1/sessions/{session['id']}")
            self.ask(f"/api/v1/sessions/{session['id']}?format=text")

    def admin_port(self):
        """Of its admin interface; None: it has none."""
        found = re.search(r"answers at http://127\.0\.0\.1:(\d+)", self.process.log())
        return int(found.group(1)) if found else None

    def ask(self, path, method="GET", body=None, **headers):
        """What the admin interface answers: status and text."""
        admin = http.client.HTTPConnection("127.0.0.1", self.admin_port(), timeout=20)
        admin.request(method, path, body=body, headers=headers)
        answer = admin.getresponse()
        text = answer.read().decode()
        admin.close()
        artefacts.keep_text("answer", f"{answer.headers}{text}")
        return answer.status, text

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
