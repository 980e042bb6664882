"""An identity provider over real HTTP, which a test can make rotate its keys, fail and lie."""

import json
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key

AUDIENCE = "switchboard"


@dataclass(slots=True)
class Provider:
    """What it publishes, and what it signs."""

    issuer: str = ""
    keys: list[Key] = field(default_factory=list)
    is_away: bool = False
    named_issuer: str | None = None
    """What its discovery document says that it is; None: the truth."""
    asked: list[str] = field(default_factory=list)
    """The paths that were asked for."""
    exchanged: list[dict[str, str]] = field(default_factory=list)
    """What came with the codes that were brought."""

    def add_key(self, kid: str) -> Key:
        key = ECKey.generate_key("P-256", parameters={"kid": kid, "use": "sig"})
        self.keys.append(key)
        return key

    def token(self, key: Key, *, header: dict[str, Any] | None = None, **changed: object) -> str:
        """A token; a claim that is None is left out."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "exp": now + 600,
            "sub": "somebody",
            "practice_id": "practice",
            "role": "member",
        } | changed
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": key.kid} | (header or {}), claims, key)


@pytest.fixture
def provider() -> Generator[Provider]:
    state = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            if state.is_away:
                self.send_error(503)
                return
            found: dict[str, object] = {"keys": [key.as_dict(private=False) for key in state.keys]}
            if self.path.endswith("/openid-configuration"):
                found = {
                    "issuer": state.named_issuer or state.issuer,
                    "jwks_uri": f"{state.issuer}/keys",
                    "authorization_endpoint": f"{state.issuer}/authorize",
                    "token_endpoint": f"{state.issuer}/token",
                }
            self.answer(found)

        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            state.exchanged.append(dict(parse_qsl(form)))
            self.answer({"access_token": state.token(state.keys[0]), "token_type": "Bearer"})

        def answer(self, found: dict[str, object]) -> None:
            content = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    state.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    state.add_key("first")
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
