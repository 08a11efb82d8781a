"""nginx's auth_http: lockstep asks such a server what nginx itself asks it, and does as it says."""

import base64
import http.server
import pathlib
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import artefacts, packages, place, proxy, suite, wire  # noqa: E402
from support.process import Process  # noqa: E402

USER, PASSWORD = "me %&@client.test", artefacts.secret("100% \u00e9 pass +word")


class Server:
    """Answers every request with `answer`, and keeps the headers of each."""

    def __init__(self):
        self.asked = []
        self.answer = {}
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(dict(self.headers))
                self.send_response(200)
                for name, value in server.answer.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class AuthHttp(unittest.TestCase):
    def setUp(self):
        self.folder = place.Folder("auth-http")
        self.addCleanup(self.folder.remove)
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.sink = Process("sink", [place.lockstep(), "sink", "--listen", "127.0.0.1:0"],
                            self.folder.path)
        self.addCleanup(self.sink.stop)
        self.relay_port = self.sink.await_ready()[0]
        self.server.answer = {"Auth-Status": "OK", "Auth-Server": "127.0.0.1",
                              "Auth-Port": str(self.relay_port)}

    def start_nginx(self):
        here = self.folder.path
        port = place.free_port()
        module = packages.unpacked("libnginx-mod-mail") / "usr/lib/nginx/modules/ngx_mail_module.so"
        (here / "nginx.conf").write_text(f"""
load_module {module};
master_process off;
daemon off;
pid {here}/nginx.pid;
lock_file {here}/nginx.lock;
events {{}}
mail {{
  server_name nginx.test;
  auth_http 127.0.0.1:{self.server.port}/auth;
  server {{
    listen 127.0.0.1:{port};
    protocol smtp;
    smtp_auth plain none;
    xclient off;
  }}
}}
""", encoding="ascii")
        nginx = Process("nginx", [packages.unpacked("nginx") / "usr/sbin/nginx", "-p", here,
                                  "-c", here / "nginx.conf", "-e", "stderr"], here)
        self.addCleanup(nginx.stop)
        place.await_true(nginx.explain(), lambda: place.is_listening(port))
        return port

    def start_lockstep(self):
        url = f"http://127.0.0.1:{self.server.port}/auth"
        running = proxy.Proxy(
            self.relay_port, listener=f"auth: {{clients: check, clear: on, http: \"{url}\"}}\n"
                        f"routes: [{{recipient: \"*\", ask: \"{url}\"}}]")
        self.addCleanup(running.stop)
        return running.port

    def talk(self, port, login):
        """What the server was asked meanwhile, and the last reply that came."""
        seen = len(self.server.asked)
        with wire.Conversation(port) as talk:
            talk.open(b"printer.client.test")
            reply = None
            if login:
                plain = f"\0{USER}\0{PASSWORD}".encode()
                reply = talk.ask(b"AUTH PLAIN " + base64.b64encode(plain))
            else:
                for line in (b"MAIL FROM:<a+b%c@client.test>", b"RCPT TO:<d@lockstep.test>"):
                    reply = talk.ask(line)
        return self.server.asked[seen:], reply

    def test_what_nginx_asks(self):
        ports = self.start_nginx(), self.start_lockstep()
        for login in (False, True):
            with self.subTest(login=login):
                asked = []
                for port in ports:
                    headers, reply = self.talk(port, login)
                    self.assertEqual(reply.code // 10, 23 if login else 25, reply)
                    asked.append({name: value for name, value in headers[0].items()
                                  if name not in ("Host", "Connection")})
                self.assertEqual(asked[1], asked[0])

    def test_who_is_refused(self):
        ports = self.start_nginx(), self.start_lockstep()
        for login, more, code in ((True, {}, 535), (False, {"Auth-Error-Code": "451 4.3.0"}, 451)):
            with self.subTest(login=login):
                self.server.answer = {"Auth-Status": "Not you", **more}
                codes = [self.talk(port, login)[1].code for port in ports]
                self.assertEqual(codes, [code, code])


if __name__ == "__main__":
    suite.main()
