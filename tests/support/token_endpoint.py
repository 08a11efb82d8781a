"""A token endpoint of the tests' own: OAuth 2.0 over HTTPS, with everything that goes wrong.

Grants: refresh token with rotation and detection of reuse, client credentials, authorization code
with PKCE (RFC 6749, 7636), device code (RFC 8628), JWT bearer and a client's assertion (RFC 7523).
Introspection (RFC 7662) for relays. Its state outlives stop() and start(), like a provider's.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import secrets
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

from support import artefacts, packages

CLIENT = "client-of-tests"
SECRET = artefacts.secret("client+secret/of tests")
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Refused(Exception):
    def __init__(self, error, description="", status=400):
        super().__init__(error)
        self.answer = {"error": error}
        if description:
            self.answer["error_description"] = description
        self.status = status


class TokenEndpoint:
    """`life` is that of access tokens in seconds. `public_key` (PEM) checks assertions.

    Each request to /token takes one of `faults` first, if there is one: "slow" (and then answers),
    "hang", "close", "rubbish", "html", "404", "500", "503", "429", "empty", "endless",
    "revoked"; None for none. `always` is a fault of every request.
    """

    def __init__(self, leaf, life=3600, user="scanner@oauth.test", public_key=None, rotates=True,
                 secret=SECRET):
        self.leaf = leaf
        self.life = life
        self.user = user
        self.public_key = public_key
        self.rotates = rotates
        self.secret = secret
        self.faults = []
        self.always = None
        self.interval = 1
        self.slow_s = 1.5
        self.lock = threading.Lock()
        self.access = {}     # token: when it ends
        self.families = {}   # refresh token: family
        self.used = set()    # refresh tokens that were exchanged for others
        self.dead = set()    # families
        self.codes = {}      # authorization code: (challenge, redirect)
        self.devices = {}    # device code: {"user_code", "state", "at", "asked"}
        self.asked = []      # (grant type, outcome), in order
        self.flying = 0
        self.flying_most = 0
        self.secrets = {SECRET}  # all that must not be seen anywhere
        self.port = 0
        self.server = None
        self.start()

    # --- its life ---

    def start(self):
        endpoint = self

        class Handler(_Handler):
            pass

        Handler.endpoint = endpoint
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.leaf.certificate, self.leaf.key)
        self.server = _Server(("127.0.0.1", self.port), Handler)
        self.server.context = context
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def url(self, path):
        return f"https://localhost:{self.port}{path}"

    def yaml(self, ca):
        """The words that a credential needs to come here."""
        return (f"provider: generic, client-id: {CLIENT}, ca: {ca}, scope: mail, "
                f"token-endpoint: '{self.url('/token')}', device-endpoint: '{self.url('/device')}',"
                f" authorize-endpoint: '{self.url('/authorize')}'")

    # --- what tests ask of it ---

    def valid(self, token):
        with self.lock:
            return self.access.get(token, 0) > time.time()

    def new_refresh(self):
        """The refresh token of a login that somebody did."""
        with self.lock:
            return self._refresh(secrets.token_hex(4))

    def new_access(self):
        """An access token that another program got."""
        with self.lock:
            return self._granted()["access_token"]

    def end_access(self):
        """No access token given so far is good any more."""
        with self.lock:
            self.access = {}

    def revoke(self):
        with self.lock:
            self.dead.update(self.families.values())
            self.access = {}

    def approve(self, user_code=None, state="approved"):
        """The person types the code; of the latest device when none is named."""
        with self.lock:
            for device in self.devices.values():
                if user_code in (None, device["user_code"]):
                    device["state"] = state

    def authorize(self, url):
        """The person logs in where `url` says; where the browser is sent to then."""
        given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        assert given["response_type"] == "code" and given["code_challenge_method"] == "S256", given
        assert given["client_id"] == CLIENT, given
        code = self._secret("code/")
        with self.lock:
            self.codes[code] = (given["code_challenge"], given["redirect_uri"])
        return given["redirect_uri"] + "?" + urllib.parse.urlencode(
            {"code": code, "state": given["state"]})

    def count(self, grant, outcome="granted"):
        return sum(1 for asked in self.asked if asked == (grant, outcome))

    # --- tokens ---

    def _secret(self, prefix):
        secret = prefix + base64.b64encode(secrets.token_bytes(30)).decode()
        self.secrets.add(artefacts.secret(secret))
        return secret

    def _refresh(self, family):
        token = self._secret("refresh.")
        self.families[token] = family
        return token

    def _granted(self, family=None):
        token = self._secret("access.")
        self.access[token] = time.time() + self.life
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.life}
        if family:
            answer["refresh_token"] = self._refresh(family)
        return answer

    def token(self, form, authorization):
        grants = {"refresh_token": self._by_refresh, "client_credentials": self._by_client,
                  "authorization_code": self._by_code, DEVICE_CODE: self._by_device,
                  JWT_BEARER: self._by_assertion}
        grant = form.get("grant_type")
        if grant not in grants:
            raise Refused("unsupported_grant_type")
        with self.lock:
            if grant != JWT_BEARER:
                self._check_client(form, authorization)
            return grants[grant](form)

    def _check_client(self, form, authorization):
        named, shown = form.get("client_id"), form.get("client_secret")
        if authorization.startswith("Basic "):
            named, _, shown = base64.b64decode(authorization[6:]).decode().partition(":")
            named, shown = urllib.parse.unquote_plus(named), urllib.parse.unquote_plus(shown)
        if form.get("client_assertion_type") == ASSERTION:
            claims = self._claims(form["client_assertion"])
            if claims["iss"] != CLIENT or claims["sub"] != CLIENT or "jti" not in claims:
                raise Refused("invalid_client", "wrong assertion", 401)
        elif named != CLIENT or shown not in (None, self.secret):
            raise Refused("invalid_client", f"wrong secret {shown}", 401)
        elif shown is None and form["grant_type"] == "client_credentials":
            raise Refused("invalid_client", "no secret", 401)

    def _by_refresh(self, form):
        token = form["refresh_token"]
        family = self.families.get(token)
        if family is None or family in self.dead:
            raise Refused("invalid_grant", f"AADSTS700082: {token} is revoked.\r\nTrace ID: 1")
        if not self.rotates:
            return self._granted()
        if token in self.used:
            self.dead.add(family)
            raise Refused("invalid_grant", "reuse of a refresh token")
        self.used.add(token)
        return self._granted(family)

    def _by_client(self, form):
        if form.get("scope") != "mail":
            raise Refused("invalid_scope")
        return self._granted()

    def _by_code(self, form):
        challenge, redirect = self.codes.pop(form["code"], (None, None))
        shown = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(shown).rstrip(b"=").decode() != challenge:
            raise Refused("invalid_grant", "the verifier does not fit")
        if form["redirect_uri"] != redirect:
            raise Refused("invalid_grant", "another redirect_uri")
        return self._granted(secrets.token_hex(4))

    def device(self, form):
        code = self._secret("device.")
        user_code = secrets.token_hex(3).upper()
        with self.lock:
            self.devices[code] = {"user_code": user_code, "state": "pending", "asked": 0.0}
        assert form["client_id"] == CLIENT and form["scope"] == "mail", form
        return {"device_code": code, "user_code": user_code, "expires_in": 60,
                "verification_uri": self.url("/activate"), "interval": self.interval}

    def _by_device(self, form):
        device = self.devices[form["device_code"]]
        now = time.monotonic()
        early = now - device["asked"] < self.interval * 0.9
        device["asked"] = now
        if device["state"] == "slow":
            device["state"] = "pending"
            raise Refused("slow_down")
        if early:
            raise Refused("invalid_request", "polled too early")
        if device["state"] == "pending":
            raise Refused("authorization_pending")
        if device["state"] != "approved":
            raise Refused(device["state"])
        return self._granted(secrets.token_hex(4))

    def _by_assertion(self, form):
        claims = self._claims(form["assertion"])
        if claims["sub"] != self.user or claims["scope"] != "mail":
            raise Refused("invalid_grant", "not for that user")
        return self._granted()

    def _claims(self, token):
        """What an assertion says, if its signature is good (RFC 7515, RS256)."""
        signed, _, signature = token.rpartition(".")
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=="))
                          for part in signed.split("."))
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.urlsafe_b64decode(signature + "=="))
            file.flush()
            verified = subprocess.run(
                [packages.program("openssl"), "dgst", "-sha256", "-verify", self.public_key,
                 "-signature", file.name], input=signed.encode(), capture_output=True,
                timeout=30, check=False).returncode == 0
        now = time.time()
        if not verified or header["alg"] != "RS256" or claims["aud"] != self.url("/token") or not (
                claims["iat"] <= now < claims["exp"] <= claims["iat"] + 3600):
            raise Refused("invalid_grant", "Invalid JWT")
        return claims

    def introspect(self, form):
        if not self.valid(form.get("token", "")):
            return {"active": False}
        return {"active": True, "username": self.user, "email": self.user, "scope": "mail",
                "client_id": CLIENT, "token_type": "Bearer"}


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    context = None

    def finish_request(self, request, client_address):
        with contextlib.suppress(OSError):
            request.settimeout(30)
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

    def handle_error(self, request, client_address):
        pass


class _Handler(http.server.BaseHTTPRequestHandler):
    endpoint = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if self.path.startswith("/introspect"):
            self._answer(200, self.endpoint.introspect(query))
        else:
            self._answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        if self.path == "/token":
            self._count(lambda: self._token(form))
        elif self.path == "/device":
            self._answer(200, self.endpoint.device(form))
        elif self.path == "/introspect":
            self._answer(200, self.endpoint.introspect(form))
        else:
            self._answer(404, {})

    def _count(self, what):
        endpoint = self.endpoint
        with endpoint.lock:
            endpoint.flying += 1
            endpoint.flying_most = max(endpoint.flying_most, endpoint.flying)
        try:
            what()
        finally:
            with endpoint.lock:
                endpoint.flying -= 1

    def _token(self, form):
        endpoint = self.endpoint
        with endpoint.lock:
            fault = endpoint.faults.pop(0) if endpoint.faults else endpoint.always
        if fault == "slow":
            time.sleep(endpoint.slow_s)
        elif fault:
            endpoint.asked.append((form.get("grant_type"), fault))
            self._misbehave(fault)
            return
        try:
            answer, status = endpoint.token(form, self.headers.get("Authorization", "")), 200
            outcome = "granted"
        except Refused as refused:
            answer, status = refused.answer, refused.status
            outcome = answer["error"]
        endpoint.asked.append((form.get("grant_type"), outcome))
        self._answer(status, answer)

    def _misbehave(self, fault):
        if fault == "hang":
            time.sleep(25)
        elif fault == "rubbish":
            self._say(200, b'{"access_token": "half')
        elif fault == "html":
            self._say(200, b"<html>log in to this network</html>", "text/html")
        elif fault == "empty":
            self._say(200, b"")
        elif fault == "endless":
            self._say(200, b"[" * 200000)
        elif fault == "429":
            self._say(429, b"{}", more=(("Retry-After", "1"),))
        elif fault == "revoked":
            self._answer(400, {"error": "invalid_grant", "error_description": "revoked"})
        elif fault.isdigit():
            self._say(int(fault), b"{}")
        self.close_connection = True

    def _answer(self, status, answer):
        self._say(status, json.dumps(answer).encode())

    def _say(self, status, body, kind="application/json", more=()):
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *more):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
