"""Real relays that take mail only from who logged in, each on two ports: `port` offers STARTTLS
(and most take logins in clear there too), `tls_port` speaks TLS from the first byte.

They know one login, USER with PASSWORD, who may send as SENDER. `logins()` says which mechanisms
let it in so far, from the relay's own log; `arrived()` which messages came over TLS, from the
traces in them.
"""

import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse

from support import artefacts, packages, place, relays
from support.certificates import Authority
from support.process import Process
from support.relays import DOMAIN, UID, USERS

USER = "scanner"
PASSWORD = artefacts.new_secret()
SENDER = "sender@client.test"  # may be used by USER only
NAME = "relay.lockstep.test"  # in the relays' certificates, beside the loopback addresses


class Secure:
    """What the secure relays have in common; `mechanisms` are those it offers with a password."""

    mechanisms = ("PLAIN", "LOGIN")
    bearers = ()   # mechanisms that take an access token
    clear = True   # it takes logins in clear too
    ciphers = ""   # that its peers must be told to want
    login = None  # finds the mechanisms in the log

    def __init__(self, leaf=None):
        """`leaf`: its certificate, else one from an authority of its own."""
        self.certificates = place.Folder("certificates")
        self.authority = Authority(self.certificates.path)
        self.leaf = leaf or self.authority.issue(NAME, "127.0.0.1", "::1")
        self.tls_port = 0
        super().__init__()

    def stop(self):
        super().stop()
        self.certificates.remove()

    def context(self):
        """What a client needs to speak TLS with it; its name is NAME."""
        if not self.ciphers:
            return ssl.create_default_context(cafile=self.authority.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(self.ciphers)
        return context

    def words(self):
        """The same for lockstep: words of the relay in its configuration."""
        if self.ciphers:
            return {"verify": "none", "ciphers": self.ciphers}
        return {"ca": self.authority.certificate, "server-name": NAME}

    def logins(self):
        return [name.replace("_", "-") for name in re.findall(self.login, self.log())]

    def arrived(self, user):
        """(number, over TLS) of each stored message; None: it is not said to come from a login."""
        rows = []
        for trace, message in zip(self.traces(user), self.stored(user)):
            with_ = re.search(r"\bwith E?SMTP(S?)A\b", trace, re.I)
            rows.append((int(message[len(relays.MARK):].split(b"\r\n")[0]),
                         bool(with_.group(1)) if with_ else None))
        return rows


class Postfix(Secure, relays.Postfix):
    """With Cyrus SASL, whose passwords are in a file of its own."""

    name = "postfix-cyrus"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "NTLM", "SCRAM-SHA-1",
                  "SCRAM-SHA-256")
    login = rf"sasl_method=(\S+), sasl_username={USER}"

    def _sasl(self, here):
        folder = here / "config" / "sasl"  # where Debian's Postfix looks, whatever it is told
        folder.mkdir()
        _make_passwords(folder / "passwords", DOMAIN)
        (folder / "smtpd.conf").write_text(f"""
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {folder}/passwords
mech_list: {" ".join(self.mechanisms)}
""", encoding="ascii")
        return f"cyrus_sasl_config_path = {folder}\nsmtpd_sasl_path = smtpd"

    def _settings(self, here):
        return f"""
smtpd_recipient_restrictions = reject_sender_login_mismatch, permit_sasl_authenticated, reject
smtpd_sender_login_maps = inline:{{
  {{ {SENDER} = {USER} {USER}@{DOMAIN} }}, {{ other@client.test = other }} }}
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = {DOMAIN}
smtpd_sasl_authenticated_header = yes
broken_sasl_auth_clients = yes
{self._sasl(here)}
smtpd_tls_security_level = may
smtpd_tls_auth_only = no
smtpd_tls_cert_file = {self.leaf.certificate}
smtpd_tls_key_file = {self.leaf.key}
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
"""

    def _services(self):
        self.tls_port = place.free_port()
        return (f"127.0.0.1:{self.port} inet n - n - - smtpd\n"
                f"127.0.0.1:{self.tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n"
                "tlsmgr unix - - n 1000? 1 tlsmgr")


class PostfixDovecot(Postfix):
    """Postfix that asks Dovecot who may log in."""

    name = "postfix-dovecot"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")

    def _sasl(self, here):
        self.dovecot = Dovecot()
        return f"smtpd_sasl_type = dovecot\nsmtpd_sasl_path = {self.dovecot.socket}"

    def stop(self):
        super().stop()
        if hasattr(self, "dovecot"):
            self.dovecot.stop()


class Exim(Secure, relays.Exim):
    name = "exim-auth"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")
    login = rf"<= .* A=(\S+):{USER}"
    accepts = "  accept authenticated = *\n  deny message = 550 5.7.1 log in first"

    def __init__(self, leaf=None):
        self.pipelines = True
        Secure.__init__(self, leaf)

    # Exim's own text expansion must take the password as it is.
    authenticators = f"""
begin authenticators
PLAIN:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
LOGIN:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and {{{{eq{{$auth1}}{{{USER}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth1
CRAM_MD5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{USER}}}{{{PASSWORD}}}fail}}
  server_set_id = $auth1
"""

    def _settings(self, jail):
        self.tls_port = place.free_port()
        _hand_over(jail, self.leaf, "Debian-exim")
        return f"""
tls_advertise_hosts = *
tls_certificate = /etc/leaf.pem
tls_privatekey = /etc/leaf.key
tls_on_connect_ports = {self.tls_port}
"""

    def _ports(self):
        return [self.port, self.tls_port]


class OpenSmtpd(Secure, relays.OpenSmtpd):
    """It takes logins over TLS only. Version 6.8 can't sign with OpenSSL 3, so that whoever speaks
    to it has to want `ciphers`, which need no certificate."""

    name = "opensmtpd-auth"
    clear = False
    ciphers = "aNULL:@SECLEVEL=0"
    mechanisms = ("PLAIN", "LOGIN")
    login = r"<<< AUTH (\S+)"
    matches = "auth from any"

    def _listeners(self, jail):
        self.tls_port = place.free_port()
        _hand_over(jail, self.leaf, "root")
        crypted = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, text=True,
                                 capture_output=True, check=True, timeout=30).stdout.strip()
        jail.folder("etc/ssl")
        (jail.root / "usr/lib/ssl").symlink_to("/etc/ssl")
        jail.write("etc/ssl/openssl.cnf", """
openssl_conf = all
[all]
ssl_conf = modules
[modules]
system_default = limits
[limits]
MaxProtocol = TLSv1.2
""")
        jail.write("etc/logins", f"{USER}\t{crypted}\n")
        common = f"hostname {NAME}"
        return f"""
table logins file:/etc/logins
smtp ciphers "ALL:@SECLEVEL=0"
pki leaf cert "/etc/leaf.pem"
pki leaf key "/etc/leaf.key"
listen on 127.0.0.1 port {self.port} tls pki leaf auth-optional <logins> {common}
listen on 127.0.0.1 port {self.tls_port} smtps pki leaf auth-optional <logins> {common}
"""


class Sendmail(Secure, relays.Sendmail):
    """With Cyrus SASL too."""

    name = "sendmail-auth"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")
    login = r"(?m)^\d+ <<< AUTH (\S+)"

    def _settings(self, jail):
        self.tls_port = place.free_port()
        _hand_over(jail, self.leaf, "root")
        folder = "usr/lib/x86_64-linux-gnu/sasl2"
        for name in ("plain", "login", "crammd5", "sasldb"):
            jail.add(f"/{folder}/lib{name}.so", f"{folder}/lib{name}.so")
        _make_passwords(jail.root / "etc/passwords", f"relay.{DOMAIN}")
        (jail.root / "etc/passwords").chmod(0o600)
        jail.folder("etc/sasl2")
        jail.write("etc/sasl2/Sendmail.conf", f"""
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: /etc/passwords
mech_list: {" ".join(self.mechanisms)}
""")
        return f"""define(`confAUTH_MECHANISMS', `{" ".join(self.mechanisms)}')dnl
define(`confSERVER_CERT', `/etc/leaf.pem')dnl
define(`confSERVER_KEY', `/etc/leaf.key')dnl
define(`confCACERT', `/etc/leaf.pem')dnl
define(`confCACERT_PATH', `/etc')dnl"""

    def _rules(self):
        return """SLocal_check_rcpt
R$*	$: <$&{auth_type}>
R<>	$#error $@ 5.7.1 $: "550 log in first"
"""

    def _ports(self):
        return (f"{super()._ports()}\n"
                f"DAEMON_OPTIONS(`Port={self.tls_port}, Addr=127.0.0.1, Name=TLS, M=s')dnl")


class Haraka(Secure, relays.Haraka):
    """With its own plugin for logins from a file."""

    name = "haraka-auth"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")
    login = r"\bC: AUTH (\S+)"
    plugins = ("tls", "auth/flat_file", "store")
    asks = True

    def _settings(self, here):
        self.tls_port = place.free_port()
        ports = f"127.0.0.1:{self.port},127.0.0.1:{self.tls_port}"
        return {"smtp.ini": f"listen={ports}\nsmtps_port={self.tls_port}\nnodes=0\n",
                "tls_cert.pem": self.leaf.certificate.read_text(),
                "tls_key.pem": self.leaf.key.read_text(),
                "dhparams.pem": _dh_group(),  # else it looks for one of its own, for long
                "auth_flat_file.ini": f"[core]\nmethods={','.join(self.mechanisms)}\n"
                                      f"constrain_sender=false\n[users]\n{USER}={PASSWORD}\n"}


class Dovecot(Secure, relays.Relay):
    """Dovecot's submission service in front of a sink, and its login socket for other relays."""

    name = "dovecot"
    service, package = "submission", "dovecot-submissiond"
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
    bearers = ("XOAUTH2", "OAUTHBEARER")
    login = rf"-login: .*Login: user=<{USER}>, method=([A-Z0-9-]+)"

    def _start(self):
        root = self.folder.path / "root"
        self.port = place.free_port()
        self.tls_port = place.free_port()
        self.behind = relays.Sink()
        self.tokens = Introspection()
        jail = packages.Jail(root, ["dovecot-core", self.package],
                             {"dovecot": (20094, "/"), "dovenull": (20095, "/"),
                              "vmail": (UID, "/home")},
                             ["usr/lib/dovecot", "usr/lib/dovecot/modules/old-stats"])
        for program in ("usr/sbin/dovecot", "usr/bin/doveconf", *(
                f"usr/lib/dovecot/{name}" for name in (
                    "auth", "config", "anvil", "log", "stats", self.service, f"{self.service}-login",
                    "modules/libssl_iostream_openssl.so"))):
            jail.add_packaged(program)
        version = subprocess.run(jail.command("/usr/sbin/dovecot", "--version"), text=True,
                                 capture_output=True, check=True, timeout=30).stdout
        if not version.startswith("2.3"):
            packages.skip(f"Dovecot {version.split()[0]} is configured in another way than 2.3")
        jail.folder("var/lib/dovecot")
        jail.folder("home", "vmail")
        jail.folder("etc/dovecot")
        _hand_over(jail, self.leaf, "root")
        jail.write("etc/dovecot/logins", f"{USER}:{{PLAIN}}{PASSWORD}::::::\n")
        jail.write("etc/dovecot/tokens", f"""
introspection_url = http://127.0.0.1:{self.tokens.port}/introspect
introspection_mode = post
username_attribute = username
active_attribute = active
active_value = true
""")
        jail.write("etc/dovecot/dovecot.conf", self._config())
        self.socket = root / "run/dovecot/logins"
        self.process = Process("dovecot", jail.command("/usr/sbin/dovecot", "-F"),
                               self.folder.path)
        self._await_port()
        place.await_true("Dovecot to answer who may log in", self._answers)

    def _answers(self):
        # The master listens for one service before it does for another, and before they are there.
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(10)
            try:
                talk.connect(str(self.socket))
                talk.sendall(b"VERSION\t1\t1\nCPID\t1\n")
                held = more = talk.recv(4096)
                while more and b"DONE\n" not in held:
                    more = talk.recv(4096)
                    held += more
            except OSError:
                return False
            return b"DONE\n" in held

    def _config(self):
        # The master looks for the programs of all its services.
        unused = "\n".join(f"service {name} {{\n  executable = log\n}}" for name in (
            "aggregator", "dict", "dict-async", "director", "dns-client", "doveadm", "health-check",
            "imap-hibernate", "indexer", "indexer-worker", "ipc", "old-stats", "replicator",
            "tcpwrap"))
        return f"""
protocols = {self.service}
log_path = /dev/stderr
hostname = {NAME}
listen = 127.0.0.1
base_dir = /run/dovecot
ssl = yes
ssl_cert = </etc/leaf.pem
ssl_key = </etc/leaf.key
disable_plaintext_auth = no
auth_mechanisms = {" ".join((*self.mechanisms, *self.bearers)).lower()}
auth_failure_delay = 0
mail_location = maildir:~/mail
submission_relay_host = 127.0.0.1
submission_relay_port = {self.behind.port}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = /etc/dovecot/tokens
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN /etc/dovecot/logins
}}
userdb {{
  driver = static
  args = uid=vmail gid=vmail home=/home
}}
{unused}
service auth {{
  unix_listener logins {{
    mode = 0666
  }}
}}
service {self.service}-login {{
  chroot =
  inet_listener {self.service} {{
    port = {self.port}
  }}
  inet_listener {self.service}s {{
    port = {self.tls_port}
    ssl = yes
  }}
}}
"""

    def trust(self, endpoint):
        """From now on it takes the tokens of that token_endpoint.TokenEndpoint."""
        self.tokens.endpoint = endpoint

    def files(self, user):
        # Its own trace names the recipient once more.
        return sorted(set(self.behind.files(user)))

    def forget(self):
        self.behind.forget()

    def stop(self):
        super().stop()
        for other in ("behind", "tokens"):
            if hasattr(self, other):
                getattr(self, other).stop()


class DovecotPop(Dovecot):
    """Dovecot's POP3 service, which relays nothing; `port` has STLS, `tls_port` is pop3s."""

    name = "dovecot-pop3"
    service, package = "pop3", "dovecot-pop3d"


class Introspection:
    """Says whose an access token is (RFC 7662): nobody's, until an endpoint that gives them is
    trusted."""

    def __init__(self):
        self.endpoint = None
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                token = urllib.parse.parse_qs(body).get("token", [""])[0]
                active = bool(server.endpoint and server.endpoint.valid(token))
                text = json.dumps({"active": active,
                                   "username": server.endpoint.user if active else ""}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


def _dh_group():
    return subprocess.run(["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt",
                           "group:ffdhe2048"], capture_output=True, text=True, check=True,
                          timeout=30).stdout


def _make_passwords(path, realm):
    """The file in which Cyrus SASL finds USER."""
    subprocess.run([packages.unpacked("sasl2-bin") / "usr/sbin/saslpasswd2", "-p", "-c", "-f", path,
                    "-u", realm, USER],
                   input=PASSWORD.encode(), check=True, timeout=30, capture_output=True)
    path.chmod(0o644)


def _hand_over(jail, leaf, owner):
    """The leaf's two files into a jail."""
    for source, name in ((leaf.certificate, "leaf.pem"), (leaf.key, "leaf.key")):
        target = jail.root / "etc" / name
        target.write_bytes(source.read_bytes())
        target.chmod(0o600)
        os.chown(target, jail.users[owner][0], jail.users[owner][0])


RELAYS = {relay.name: relay for relay in (Postfix, PostfixDovecot, Exim, Sendmail, OpenSmtpd, Haraka,
                                         Dovecot)}
