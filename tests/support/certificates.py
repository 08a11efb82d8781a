"""Certificates of a test's own: an authority, and leaves that are good, expired or for a client.

The openssl tool makes them; keys are P-256, or RSA for peers that know nothing newer.
"""

import ipaddress
import pathlib
import subprocess

from support import packages

KEYS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["rsa:2048"]}


class Leaf:
    """A certificate and its key, each a PEM file; the key is readable for its owner only."""

    def __init__(self, certificate, key):
        self.certificate = certificate
        self.key = key

    def fingerprint(self):
        """SHA-256 of the whole certificate, as lower-case hex."""
        shown = _openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256")
        return shown.partition("=")[2].strip().replace(":", "").lower()


class Authority(Leaf):
    """Its `certificate` is what a peer has to trust."""

    def __init__(self, folder, name="ca", key="ec"):
        self.folder = pathlib.Path(folder)
        super().__init__(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        _openssl("req", "-x509", "-newkey", *KEYS[key], "-nodes", "-days", 30,
                 "-subj", f"/CN=lockstep test {name}", "-keyout", self.key,
                 "-out", self.certificate, "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, *names, file=None, key="ec", client=False, expired=False):
        """A leaf for these host names and addresses (a client's: for its first name)."""
        stem = self.folder / (file or names[0].replace("*", "any").replace(":", "-"))
        leaf = Leaf(stem.with_name(f"{stem.name}.pem"), stem.with_name(f"{stem.name}.key"))
        request = stem.with_name(f"{stem.name}.csr")
        extensions = stem.with_name(f"{stem.name}.ext")
        extensions.write_text(f"subjectAltName={','.join(map(_alternative, names))}\n"
                              f"extendedKeyUsage={'clientAuth' if client else 'serverAuth'}\n"
                              "basicConstraints=CA:FALSE\n", encoding="ascii")
        _openssl("req", "-newkey", *KEYS[key], "-nodes", "-subj", f"/CN={names[0]}",
                 "-keyout", leaf.key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                 "-CAcreateserial", "-days", -1 if expired else 30, "-extfile", extensions,
                 "-out", leaf.certificate)
        request.unlink()
        extensions.unlink()
        leaf.key.chmod(0o600)
        return leaf


def _alternative(name):
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _openssl(*words):
    done = subprocess.run([packages.program("openssl"), *map(str, words)], timeout=60, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout
