"""Real relays, each with its own configuration, spool and port, and what they stored.

Every relay accepts mail for the users of USERS at DOMAIN, refuses other users there, and stores
one file per recipient in a Maildir. `Relay.stored(user)` gives the messages as they were sent,
without the relay's trace.
"""

import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess

from support import packages, place
from support.process import Process

DOMAIN = "lockstep.test"
USERS = ("one", "two")
STRANGER = "stranger@client.test"  # whom no relay takes for its sender; some, nor for its author
UID = 20001  # of the first user; inside a jail it means nothing to the machine

# Every test message starts with this header, so what stands before it is the relay's trace.
MARK = b"X-Lockstep-Test:"


def without_trace(stored):
    """The message from its first own header on, with CRLF line ends as on the wire."""
    at = stored.find(MARK)
    return stored[at if at >= 0 else 0:].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Relay:
    """One started relay. Subclasses say how in `_start`, which sets `process` and `port`."""

    name = ""
    pipelines = True  # offers PIPELINING
    chunks = True     # offers CHUNKING
    strict = False    # punishes a client that pipelines all the same
    sync_error = ()   # what it says to that client

    def __init__(self):
        self.folder = place.Folder(self.name)
        self.mail = self.folder.path / "mail"
        self.process = None
        self.port = 0
        try:
            self._start()
        except BaseException:
            if self.process is not None:
                print(self.process.explain())
            self.stop()
            raise

    def _start(self):
        raise NotImplementedError

    def _await_port(self):
        def answers():
            if not self.process.running():
                raise RuntimeError(f"{self.name} ended\n{self.process.explain()}")
            return place.is_listening(self.port)
        place.await_true(f"{self.name} to listen", answers)

    def files(self, user):
        return sorted((self.mail / user / "new").glob("*"))

    def stored(self, user):
        return [without_trace(path.read_bytes()) for path in self.files(user)]

    def forget(self):
        """Removes what was stored so far."""
        for user in USERS:
            for path in self.files(user):
                path.unlink()

    def traces(self, user):
        """What the relay put before each of the user's messages."""
        stored = (path.read_bytes() for path in self.files(user))
        return [text[:max(text.find(MARK), 0)].decode(errors="replace") for text in stored]

    def log(self):
        return self.process.log()

    def violations(self):
        """How often it minded what a client did, so far; a sink counts only when it ends."""
        return sum(self.log().encode().count(error) for error in self.sync_error)

    def stop(self):
        if self.process is not None:
            self.process.stop()
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Sink(Relay):
    """lockstep sink, which answers bytes that came too early as one of three relays does."""

    name = "sink"
    listens = ("127.0.0.1:0",)

    def __init__(self, variant=None, options=()):
        self.variant = variant
        self.options = options
        if variant:
            self.name = f"sink={variant}"
            self.pipelines = False
            # Postfix lets MAIL, RCPT and DATA come together even where it offers nothing.
            self.strict = variant != "postfix"
        super().__init__()

    def _start(self):
        self.mail.mkdir()
        argv = [place.lockstep(), "sink", *(word for address in self.listens
                                            for word in ("--listen", address)),
                "--maildir", self.mail,
                "--reject", f"nobody*@{DOMAIN}=550 5.1.1 No such user", *self.options]
        if self.variant:
            argv.append(f"--no-pipelining={self.variant}")
        self.process = Process("sink", argv, self.folder.path)
        self.port = self.process.await_ready()[0]

    def violations(self):
        self.process.stop()
        return int(re.search(r"(\d+) violations", self.log()).group(1))

    def files(self, user):
        # The sink keeps one Maildir and names the recipients of each message in its trace.
        wanted = f"<{user}@{DOMAIN}>".encode()
        found = []
        for path in sorted((self.mail / "new").glob("*")):
            trace = path.read_bytes()
            found += [path] * trace[:max(trace.find(MARK), 0)].count(wanted)
        return found

    def forget(self):
        for path in (self.mail / "new").glob("*"):
            path.unlink()


class OpenSmtpd(Relay):
    """OpenSMTPD ends a session in which a byte of the next command came before its answer."""

    name = "opensmtpd"
    pipelines = False
    chunks = False
    strict = True
    sync_error = (b"500 5.5.1 Invalid command: Pipelining not supported",)
    matches = "from any"

    def _listeners(self, _jail):
        return f"listen on 127.0.0.1 port {self.port} hostname relay.{DOMAIN}"

    def _start(self):
        root = self.folder.path / "root"
        self.port = place.free_port()
        people = {user: (UID + number, f"/mail/{user}") for number, user in enumerate(USERS)}
        jail = packages.Jail(root, ["opensmtpd"],
                             {"opensmtpd": (20091, "/var/empty"), "opensmtpq": (20092, "/"),
                              **people})
        for path in ("usr/sbin/smtpd", "usr/sbin/smtpctl", "usr/libexec/opensmtpd/mail.maildir"):
            jail.add_packaged(path)
        for path, owner, group, mode in (
                ("var/lib/opensmtpd/empty", "root", "root", 0o755),
                ("var/spool/smtpd", "root", "root", 0o711),
                ("var/spool/smtpd/queue", "opensmtpq", "root", 0o700),
                ("var/spool/smtpd/corrupt", "opensmtpq", "root", 0o700),
                ("var/spool/smtpd/incoming", "opensmtpq", "root", 0o700),
                ("var/spool/smtpd/purge", "opensmtpq", "root", 0o700),
                ("var/spool/smtpd/temporary", "opensmtpq", "root", 0o700),
                ("var/spool/smtpd/offline", "root", "opensmtpq", 0o770)):
            jail.folder(path, owner, group, mode)
        for user in USERS:
            jail.folder(f"mail/{user}", user)
        self.mail = root / "mail"
        jail.write("etc/mailname", f"relay.{DOMAIN}\n")
        jail.write("etc/smtpd.conf", f"""
smtp max-message-size 300M
{self._listeners(jail)}
action "store" maildir "/mail/%{{rcpt.user}}"
match from any mail-from "{STRANGER}" for any reject
match {self.matches} for domain "{DOMAIN}" action "store"
""")
        self.process = Process("smtpd", jail.command("/usr/sbin/smtpd", "-d", "-T", "smtp"),
                               self.folder.path)
        self._await_port()


class Exim(Relay):
    """Exim with strict synchronisation, and PIPELINING offered or not."""

    name = "exim"
    packages = ("exim4-daemon-light",)
    libraries = ()  # folders of those packages
    accepts = "  accept"  # the rest of what it says to RCPT
    authenticators = ""

    def _settings(self, _jail):
        return "tls_advertise_hosts ="

    def _ports(self):
        return [self.port]

    def __init__(self, pipelines=True):
        self.pipelines = pipelines
        if not pipelines:
            self.name = "exim-lockstep"
            self.strict = True
            self.sync_error = (b"554 SMTP synchronization error",)
        super().__init__()

    def _start(self):
        root = self.folder.path / "root"
        self.port = place.free_port()
        people = {user: (UID + number, f"/mail/{user}") for number, user in enumerate(USERS)}
        jail = packages.Jail(root, self.packages,
                             {"Debian-exim": (20093, "/var/spool/exim4"), **people},
                             self.libraries)
        jail.add_packaged("usr/sbin/exim4")
        for path in ("var/spool/exim4", "var/log/exim4"):
            jail.folder(path, "Debian-exim", mode=0o750)
        for user in USERS:
            jail.folder(f"mail/{user}", user)
        self.mail = root / "mail"
        jail.write("etc/services", "smtp 25/tcp\n")
        jail.folder("etc/exim4")
        jail.write("etc/exim4/exim4.conf", f"""
primary_hostname = relay.{DOMAIN}
domainlist local_domains = {DOMAIN}
pipelining_advertise_hosts = {"*" if self.pipelines else ""}
smtp_enforce_sync = true
chunking_advertise_hosts = *
{self._settings(jail)}
message_size_limit = 300M
host_lookup =
rfc1413_query_timeout = 0s
queue_only = false
smtp_accept_queue_per_connection = 0
smtp_accept_max = 0
keep_environment =
acl_smtp_rcpt = rcpt
acl_smtp_data = data
log_file_path = /var/log/exim4/%slog
begin acl
rcpt:
  deny
    message = Not your address
    senders = {STRANGER}
  require verify = recipient
{self.accepts}
data:
  deny
    message = Not your From
    condition = ${{if eqi{{${{address:$h_from:}}}}{{{STRANGER}}}}}
  accept
begin routers
local:
  driver = accept
  domains = +local_domains
  check_local_user
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = /mail/$local_part_data
  maildir_format
  check_string =
  escape_string =
  return_path_add
{self.authenticators}
""")
        ports = " : ".join(f"127.0.0.1.{port}" for port in self._ports())
        self.process = Process("exim", jail.command("/usr/sbin/exim4", "-bdf", "-oX", ports),
                               self.folder.path)
        self._await_port()

    def log(self):
        logs = (self.folder.path / "root/var/log/exim4").glob("*log")
        return super().log() + "".join(path.read_text(errors="replace") for path in logs)


class Postfix(Relay):
    """Postfix, the installed one, with folders of its own."""

    name = "postfix"
    interfaces = "127.0.0.1"
    protocols = "ipv4"
    # It must bear with tests that try a client's patience, and take large messages.
    limits = """
message_size_limit = 314572800
smtpd_hard_error_limit = 1000
smtpd_soft_error_limit = 1000
smtpd_junk_command_limit = 100000
smtputf8_enable = no
"""

    def _settings(self, _here):
        return "smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination"

    def _services(self):
        return f"127.0.0.1:{self.port} inet n - n - - smtpd"

    def _start(self):
        packages.need_root("Postfix's master changes users")
        postfix = packages.program("postfix")
        here = self.folder.path
        self.port = place.free_port()
        for name in ("config", "queue", "data", "mail"):
            (here / name).mkdir()
        daemons = _setting(postfix, "daemon_directory")
        owner = _owner(_setting(postfix, "mail_owner"))
        os.chown(here / "data", *owner)
        os.chown(here / "mail", UID, UID)
        boxes = ", ".join(f"{user}@{DOMAIN}={user}/" for user in USERS)
        (here / "config" / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {here}/queue
data_directory = {here}/data
maillog_file = {here}/postfix.log
maillog_file_prefixes = {here}
daemon_directory = {daemons}
myhostname = relay.{DOMAIN}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = {self.interfaces}
inet_protocols = {self.protocols}
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {here}/mail
virtual_mailbox_maps = inline:{{ {boxes} }}
virtual_uid_maps = static:{UID}
virtual_gid_maps = static:{UID}
virtual_minimum_uid = 1000
virtual_mailbox_limit = 0
mailbox_size_limit = 0
{self.limits}
{self._settings(here)}
smtpd_sender_restrictions = check_sender_access
 inline:{{ {{ {STRANGER} = 553 5.7.1 Not your address }} }}
header_checks = regexp:{{ {{ /^From:.*{STRANGER}/ REJECT Not your From }} }}
smtpd_forbid_unauth_pipelining = yes
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
line_length_limit = 2048
""", encoding="ascii")
        (here / "config" / "master.cf").write_text(f"""
{self._services()}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
""", encoding="ascii")
        subprocess.run([postfix, "-c", here / "config", "check"], check=True, timeout=30,
                       capture_output=True)
        self.daemons = daemons
        self.begin()

    def begin(self):
        """Starts it, again if it was ended before; on the same port and with the same mail."""
        here = self.folder.path
        # The master itself, because `postfix start-fg` is a script that leaves it running.
        self.process = Process("master", [f"{self.daemons}/master", "-c", here / "config", "-s"],
                               here)
        self._await_port()

    def end(self):
        """Ends it and whatever connection it has; `begin` brings it back."""
        self.process.stop()

    def log(self):
        path = self.folder.path / "postfix.log"
        return path.read_text(errors="replace") if path.exists() else super().log()


class Sendmail(Relay):
    """Sendmail, configured by its own macros; a program of ours stores what it delivers."""

    name = "sendmail"
    chunks = False

    def _settings(self, _jail):
        """More of its configuration, in its macros; and what else it needs."""
        return ""

    def _ports(self):
        return f"DAEMON_OPTIONS(`Port={self.port}, Addr=127.0.0.1, Name=MTA')dnl"

    def _rules(self):
        """More of its rule sets."""
        return ""

    def _start(self):
        root = self.folder.path / "root"
        self.port = place.free_port()
        people = {user: (UID + number, f"/mail/{user}") for number, user in enumerate(USERS)}
        jail = packages.Jail(root, ["sendmail-bin"], {"smmsp": (20094, "/"), **people})
        jail.add_packaged("usr/libexec/sendmail/sendmail")
        for name in ("cat", "mv"):
            jail.add(packages.program(name), f"bin/{name}")
        jail.folder("var/spool/mqueue", mode=0o700)
        jail.folder("etc/mail")
        self.mail = root / "mail"
        for user in USERS:
            for part in ("new", "tmp"):
                jail.folder(f"mail/{user}/{part}", user)
        jail.write("bin/store", "#!/bin/sh\nset -e\nto=/mail/$1\n"
                   "cat >$to/tmp/$$.$2\nmv $to/tmp/$$.$2 $to/new/$$.$2\n")
        (root / "bin/store").chmod(0o755)
        jail.write("etc/service.switch", "hosts files\naliases files\n")
        jail.write("etc/mail/sendmail.cf", self._configuration(self._settings(jail)))
        self.process = Process("sendmail", jail.command(
            "/usr/libexec/sendmail/sendmail", "-bD", "-C/etc/mail/sendmail.cf", "-X/var/traffic"),
            self.folder.path)
        self._await_port()

    def _configuration(self, settings):
        macros = packages.unpacked("sendmail-cf") / "usr/share/sendmail/cf"
        # However busy the machine is: the three loads are where it would queue or refuse.
        loads = "".join(f"define(`conf{name}', `100000')dnl\n"
                        for name in ("QUEUE_LA", "REFUSE_LA", "DELAY_LA"))
        made = subprocess.run(
            [packages.program("m4"), f"-D_CF_DIR_={macros}/", f"{macros}/m4/cf.m4", "-"],
            input=f"""dnl
OSTYPE(`linux')dnl
{loads}define(`confDOMAIN_NAME', `relay.{DOMAIN}')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/service.switch')dnl
define(`confPID_FILE', `/run/sendmail.pid')dnl
define(`STATUS_FILE', `')dnl
define(`ALIAS_FILE', `null:none')dnl
define(`confTO_IDENT', `0')dnl
define(`confEIGHT_BIT_HANDLING', `pass8')dnl
define(`confMAX_MESSAGE_SIZE', `314572800')dnl
define(`confBAD_RCPT_THROTTLE', `0')dnl
define(`LOCAL_MAILER_PATH', `/bin/store')dnl
define(`LOCAL_MAILER_ARGS', `store $u $i')dnl
define(`LOCAL_MAILER_FLAGS', `SPn')dnl
define(`_DEF_LOCAL_MAILER_FLAGS', `lsDFMAw5:/|@q')dnl
{settings}
{self._ports()}
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
LOCAL_DOMAIN(`{DOMAIN}')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_RULESETS
SLocal_check_mail
R$*{STRANGER}$*	$#error $@ 5.7.1 $: "553 Not your address"
{self._rules()}
""", capture_output=True, text=True, timeout=30, check=True)
        return made.stdout

    def log(self):
        path = self.folder.path / "root/var/traffic"
        return super().log() + (path.read_text(errors="replace") if path.exists() else "")


class Haraka(Relay):
    """Haraka, which is made of plugins; ours knows the users and stores."""

    name = "haraka"
    chunks = False
    plugins = ("store",)
    refuses = False  # everything, from its greeting on
    asks = False     # for a login, before a recipient is taken

    def _settings(self, _here):
        """More of its configuration: the texts of files by their names."""
        return {}

    def _start(self):
        program = packages.node_modules(place.HERE / "haraka")
        here = self.folder.path
        self.port = place.free_port()
        for user in USERS:
            for part in ("new", "tmp"):
                (self.mail / user / part).mkdir(parents=True)
        for folder in ("config", "plugins", "queue"):
            (here / folder).mkdir()
        shutil.copy(place.HERE / "haraka" / "store.js", here / "plugins" / "store.js")
        connections = (program / "Haraka/config/connection.ini").read_text(encoding="utf-8")
        connections = re.sub(r"(?m)^bytes=.*", "bytes=314572800", connections)
        store = {"mail": str(self.mail), "users": USERS, "domain": DOMAIN, "stranger": STRANGER,
                 "refuses": self.refuses, "asks": self.asks}
        files = {"plugins": "\n".join(self.plugins), "connection.ini": connections,
                 "me": f"relay.{DOMAIN}\n", "host_list": f"{DOMAIN}\n", "loglevel": "protocol\n",
                 "smtp.ini": f"listen=127.0.0.1:{self.port}\nnodes=0\n",
                 "store.json": json.dumps(store), **self._settings(here)}
        for name, text in files.items():
            (here / "config" / name).write_text(text, encoding="utf-8")
        self.process = Process("haraka", [packages.program("node"),
                                          program / "Haraka/bin/haraka", "-c", here], here)
        self._await_port()

    def log(self):
        return self.process.output() + super().log()


def _setting(postfix, name):
    postconf = pathlib.Path(postfix).with_name("postconf")
    return subprocess.run([postconf, "-d", "-h", name], capture_output=True, text=True,
                          check=True).stdout.strip()


def _owner(name):
    found = pwd.getpwnam(name)
    return found.pw_uid, found.pw_gid


RELAYS = {
    "opensmtpd": OpenSmtpd,
    "exim": Exim,
    "exim-lockstep": lambda: Exim(pipelines=False),
    "postfix": Postfix,
    "sendmail": Sendmail,
    "haraka": Haraka,
    "sink": Sink,
    "sink=opensmtpd": lambda: Sink("opensmtpd"),
    "sink=exim": lambda: Sink("exim"),
    "sink=postfix": lambda: Sink("postfix"),
}
