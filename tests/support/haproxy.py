"""HAProxy, the installed one, on loopback: a load balancer that says whose connection it passes on."""

import subprocess

from support import packages, place
from support.process import Process


class HAProxy:
    """One port for each of `ports`, a map of names to (words of the bind line, words of the server
    line, further lines); all of them lead to `server_port`. `port` is a map of the same names."""

    def __init__(self, server_port, ports):
        program = packages.program("haproxy")
        self.folder = place.Folder("haproxy")
        self.process = None
        self.port = {name: place.free_port() for name in ports}
        parts = "".join(f"""
listen {name}
  bind 127.0.0.1:{self.port[name]} {bind}
  {more}
  server lockstep 127.0.0.1:{server_port} {server}
""" for name, (bind, server, more) in ports.items())
        path = self.folder.path / "haproxy.cfg"
        path.write_text(f"""
global
  log stdout format raw local0
  maxconn 200
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode tcp
  log global
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout check 5s
{parts}
""", encoding="ascii")
        try:
            checked = subprocess.run([program, "-c", "-f", path], capture_output=True, text=True,
                                     timeout=30, check=False)
            if checked.returncode != 0:
                raise RuntimeError(f"haproxy: {checked.stdout}{checked.stderr}")
            self.process = Process("haproxy", [program, "-db", "-f", path], self.folder.path)
            place.await_true("haproxy to listen",
                             lambda: all(map(place.is_listening, self.port.values())))
        except BaseException:
            if self.process is not None:
                print(self.process.explain())
            self.stop()
            raise

    def stop(self):
        if self.process is not None:
            self.process.stop()
        self.folder.remove()
