"""Programs that can't be installed beside each other (mail transport agents), from Debian and npm.

A Debian package is downloaded and unpacked into the cache, never installed, and its program runs in a
jail: a folder that looks like a root file system and has only what the program needs. So it finds
its compiled-in paths and its users without anything on the machine being touched.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from support import place


def unpacked(package):
    """The folder of the package's files; skips the test, loudly, when it can't be had."""
    return _cached(package, package, _unpack)


def _unpack(package, work):
    subprocess.run(["apt-get", "download", package], cwd=work, check=True, capture_output=True,
                   timeout=120)
    subprocess.run(["dpkg", "-x", next(work.glob("*.deb")), work / "files"], check=True,
                   timeout=60)


def node_modules(definition):
    """The folder of what the package.json in the folder `definition` asks npm for; the same.

    Nothing that the packages bring is run while they are installed."""
    wanted = (definition / "package.json").read_bytes()
    name = f"{definition.name}-{hashlib.sha256(wanted).hexdigest()[:12]}"
    return _cached(name, wanted, _install) / "node_modules"


def _install(wanted, work):
    (work / "files").mkdir()
    (work / "files" / "package.json").write_bytes(wanted)
    subprocess.run([program("npm"), "install", "--no-audit", "--no-fund", "--omit=optional",
                    "--omit=dev", "--ignore-scripts", "--no-package-lock",
                    "--prefix", work / "files"],
                   cwd=work / "files", check=True, capture_output=True, timeout=300)


def _cached(name, what, bring):
    """The folder `name` of the cache, which bring(what, work) makes as work/files when it is not
    there yet."""
    folder = place.cache() / name
    if folder.is_dir():
        return folder
    work = place.cache() / f"{name}.{os.getpid()}"
    work.mkdir()
    try:
        bring(what, work)
        try:
            (work / "files").rename(folder)
        except OSError:
            if not folder.is_dir():  # somebody else may have been quicker
                raise
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        skip(f"{name} can't be had: {error}")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def program(name):
    """The path of an installed program; skips the test, loudly, when there is none."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        skip(f"program {name} is not installed (see tests/e2e/packages)")
    return path


def need_root(why):
    if os.geteuid() != 0:
        skip(f"needs root: {why}")


def skip(reason):
    if os.environ.get("LOCKSTEP_NO_SKIP"):
        raise AssertionError(f"LOCKSTEP_NO_SKIP is set, and {reason}")
    raise unittest.SkipTest(f"!!! {reason}")


class Jail:
    """A root file system in `root` for programs from `packages`, which may bring `libraries`
    in folders of their own."""

    def __init__(self, root, packages, users, libraries=()):
        need_root("relays change users and root folder")
        self.root = pathlib.Path(root)
        self.libraries = libraries
        self.files = [unpacked(package) for package in packages]
        for folder in ("bin", "dev", "etc", "tmp", "run", "var", "usr/sbin", "usr/lib"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "var/run").symlink_to("/run")
        (self.root / "tmp").chmod(0o1777)
        for device, minor in (("null", 3), ("zero", 5), ("urandom", 9)):
            os.mknod(self.root / "dev" / device, 0o20666, os.makedev(1, minor))
            (self.root / "dev" / device).chmod(0o666)
        self.write("etc/hosts", "127.0.0.1 localhost\n")
        self.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n")
        self._add_users(users)
        self.add("/bin/sh", "bin/sh")

    def _add_users(self, users):
        """`users` maps a name to its number and home; each has a group of the same name."""
        users = {"root": (0, "/"), "mail": (8, "/var/mail"), "nobody": (65534, "/"), **users}
        self.write("etc/passwd", "".join(f"{name}:x:{number}:{number}::{home}:/bin/sh\n"
                                         for name, (number, home) in users.items()))
        self.write("etc/group", "".join(f"{name}:x:{number}:\n"
                                        for name, (number, _) in users.items()))
        self.users = users

    def write(self, path, text):
        (self.root / path).write_text(text, encoding="ascii")

    def add(self, source, path):
        """Copies a program to `path` inside, with the libraries it needs."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, self.root / path)
        own = [str(files / folder) for folder in self.libraries for files in self.files]
        listed = subprocess.run(["ldd", source], capture_output=True, text=True, check=False,
                                env={**os.environ, "LD_LIBRARY_PATH": ":".join(own)})
        for name in re.findall(r"(\S+) => not found", listed.stdout):
            skip(f"library {name} of {source} is not installed (see tests/e2e/packages)")
        for library in re.findall(r"(/\S+) \(0x", listed.stdout):
            target = self.root / self._inside(library).lstrip("/")
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, target)

    def _inside(self, path):
        """Where a file of a package, or of the machine, stands in the jail."""
        for files in self.files:
            if path.startswith(f"{files}/"):
                return path[len(str(files)):]
        return path

    def add_packaged(self, path):
        """A program of one of the packages, at its own place."""
        for files in self.files:
            if (files / path).exists():
                return self.add(files / path, path)
        raise FileNotFoundError(path)

    def folder(self, path, owner="root", group=None, mode=0o755):
        made = self.root / path
        made.mkdir(parents=True, exist_ok=True)
        os.chown(made, self.users[owner][0], self.users[group or owner][0])
        made.chmod(mode)
        return made

    def command(self, *argv):
        return ["chroot", str(self.root), *argv]
