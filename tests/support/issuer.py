"""An identity provider on loopback: real HTTP, real keys and signatures; what it says can be made wrong."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

AUDIENCE = "https://speech.example"
MAKERS = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def public_jwk(key: Any, algorithm: str, **more: Any) -> dict[str, Any]:
    """Return the public part of a private key as a JWK."""
    jwk = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in jwk.items() if name != "key_ops"} | more


class Issuer:
    """Its keys, its tokens, and what it answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: dict[str, tuple[str, Any]] = {}
        self.asked: list[str] = []
        """Paths of the requests that came."""
        self.status = 200
        self.discovery: dict[str, Any] = {"issuer": url, "jwks_uri": f"{url}/keys"}
        self.raw: bytes | None = None
        """What it answers in place of its keys."""
        self.add("first", "ES256")

    def add(self, key_id: str, algorithm: str) -> None:
        """Make a key."""
        self.keys[key_id] = (algorithm, MAKERS[algorithm]())

    def rotate(self, key_id: str, algorithm: str = "ES256") -> None:
        """Make a key in place of all others."""
        self.keys.clear()
        self.add(key_id, algorithm)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return good claims with `changes`; None removes."""
        now = int(time.time())
        good = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ada",
            "exp": now + 600,
            "nbf": now,
            "iat": now,
            "tenant": "hotel",
            "scope": "openid speak read",
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(self, key_id: str = "", **changes: Any) -> str:
        """Return a token, signed with that key or the newest."""
        name = key_id or next(reversed(self.keys))
        algorithm, key = self.keys[name]
        return jwt.encode(self.claims(**changes), key, algorithm, headers={"kid": name})

    @property
    def jwks(self) -> dict[str, Any]:
        """Its public keys."""
        return {"keys": [public_jwk(key, of, kid=name, use="sig") for name, (of, key) in self.keys.items()]}

    def answer(self, path: str) -> bytes:
        """Return the body of an answer."""
        self.asked.append(path)
        if path == "/keys":
            return json.dumps(self.jwks).encode() if self.raw is None else self.raw
        return json.dumps(self.discovery).encode()


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Run an issuer on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = issuer.answer(self.path)
            self.send_response(issuer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
