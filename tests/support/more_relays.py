"""More real relays, which are slower to start: Sendmail from its package, Haraka from the registry."""

import os
import shutil
import subprocess
import unittest

from support import packages, place, relays
from support.process import Process


class Sendmail(relays.Relay):
    """Sendmail with its own rules, which its package makes out of macros, and a deliverer of ours."""

    name = "sendmail"
    chunks = False

    def _rules(self, jail):
        """sendmail.cf, as the package's m4 macros write it."""
        macros = jail.files[1] / "usr/share/sendmail/cf"
        text = f"""divert(-1)
include(`m4/cf.m4')
divert(0)dnl
OSTYPE(`linux')dnl
define(`LOCAL_MAILER_PATH', `/bin/deliver')dnl
define(`LOCAL_MAILER_ARGS', `deliver $u')dnl
define(`LOCAL_MAILER_FLAGS', `Pn')dnl
define(`confPID_FILE', `/var/run-sendmail.pid')dnl
define(`ALIAS_FILE', `/etc/aliases')dnl
define(`confDELIVERY_MODE', `interactive')dnl
define(`confTO_IDENT', `0s')dnl
define(`confMAX_MESSAGE_SIZE', `314572800')dnl
define(`confQUEUE_LA', `999')dnl
define(`confREFUSE_LA', `999')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nouucp', `reject')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(`Port={self.port}, Addr=127.0.0.1, Name=MTA')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
Dj{relays.DOMAIN}
Cw{relays.DOMAIN}
"""
        return subprocess.run([packages.program("m4"), f"-D_CF_DIR_={macros}/", "-"],
                              cwd=macros, input=text, text=True, capture_output=True, timeout=60,
                              check=True).stdout

    def _start(self):
        root = self.folder.path / "root"
        self.port = place.free_port()
        people = {user: (relays.UID + number, f"/mail/{user}")
                  for number, user in enumerate(relays.USERS)}
        jail = packages.Jail(root, ["sendmail-bin", "sendmail-cf"],
                             {"smmta": (20094, "/"), "smmsp": (20095, "/"), **people})
        jail.add_packaged("usr/libexec/sendmail/sendmail")
        jail.add("/bin/cat", "bin/cat")
        jail.folder("var/spool/mqueue", mode=0o700)
        jail.folder("etc/mail")
        for user in relays.USERS:
            for folder in ("", "/new"):
                jail.folder(f"mail/{user}{folder}", user, mode=0o777)  # whoever delivers
        self.mail = root / "mail"
        jail.write("etc/aliases", "postmaster: one\n")
        jail.write("etc/services", "smtp 25/tcp\n")
        jail.write("bin/deliver", "#!/bin/sh\nexec /bin/cat >/mail/$1/new/$$\n")
        (root / "bin/deliver").chmod(0o755)
        jail.write("etc/mail/sendmail.cf", self._rules(jail))
        self.process = Process("sendmail", jail.command(
            "/usr/libexec/sendmail/sendmail", "-bD", "-C/etc/mail/sendmail.cf", "-X/dev/null",
            "-Am"), self.folder.path)
        self._await_port()


class Haraka(relays.Relay):
    """Haraka, as npm has it, with one plugin of ours that knows the users and stores."""

    name = "haraka"
    chunks = False
    version = "3.1.6"
    node = 20  # the oldest major version that it runs on; Debian 12 has none as new

    PLUGIN = """'use strict'
const fs = require('node:fs')
exports.hook_rcpt = function (next, connection, params) {
    const known = params[0].host === '%s' && %s.includes(params[0].user)
    next(known ? OK : DENY, known ? undefined : 'No such user')
}
exports.hook_queue = function (next, connection) {
    const transaction = connection.transaction
    transaction.message_stream.get_data((data) => {
        for (const recipient of transaction.rcpt_to)
            fs.writeFileSync(`%s/${recipient.user}/new/${transaction.uuid}`, data)
        next(OK)
    })
}
"""

    def _installed(self):
        """The folder that npm has put it into."""
        folder = place.cache() / f"haraka-{self.version}"
        if not folder.is_dir():
            work = place.cache() / f"haraka.{os.getpid()}"
            try:
                subprocess.run(
                    ["npm", "install", "--no-audit", "--no-fund", "--omit=dev", "--omit=optional",
                     "--ignore-scripts", "--prefix", work, f"Haraka@{self.version}"],
                    capture_output=True, timeout=180, check=True)
                work.rename(folder)
            except (OSError, subprocess.SubprocessError) as error:
                shutil.rmtree(work, ignore_errors=True)
                if not folder.is_dir():
                    raise unittest.SkipTest(f"!!! Haraka can't be had: {error}") from None
        return folder / "node_modules" / "Haraka"

    def _start(self):
        node = shutil.which("node")
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30,
                              check=False).stdout if node else ""
        if not said or int(said.lstrip("v").partition(".")[0]) < self.node:
            raise unittest.SkipTest(f"!!! Haraka needs Node.js {self.node}")
        installed = self._installed()
        self.port = place.free_port()
        here = self.folder.path / "haraka"
        for folder in ("config", "plugins"):
            (here / folder).mkdir(parents=True)
        for user in relays.USERS:
            (self.mail / user / "new").mkdir(parents=True)
        (here / "config" / "smtp.ini").write_text(f"listen=127.0.0.1:{self.port}\nnodes=0\n")
        (here / "config" / "plugins").write_text("store\n")
        (here / "config" / "me").write_text(f"relay.{relays.DOMAIN}\n")
        shutil.copy(installed / "config" / "connection.ini", here / "config")
        (here / "plugins" / "store.js").write_text(
            self.PLUGIN % (relays.DOMAIN, list(relays.USERS), self.mail))
        self.process = Process("haraka", [node, installed / "bin" / "haraka", "-c", here],
                               self.folder.path)
        self._await_port()


RELAYS = {"sendmail": Sendmail, "haraka": Haraka}
