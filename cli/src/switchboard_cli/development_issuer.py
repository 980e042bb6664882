"""The development identity provider: a signing key in the data directory, tokens for anybody.

It comes with the embedded stack, and with a trial of docker-compose.yml that asks for it (deploy/trial.compose.yml); any
other installation is configured with a real issuer's JWKS instead.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import ECKey

from shared_web.settings import DEVELOPMENT_ISSUER

ISSUER = DEVELOPMENT_ISSUER
AUDIENCE = "switchboard"
TOKEN_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the issuer signs in (`development_sign_in`)."""

    staff_id: str
    name: str
    role: str
    practice_id: str | None
    """None for operators only."""


@dataclass(frozen=True, slots=True)
class DevelopmentIssuer:
    """Signs tokens with the key in `directory`, made at first use. The key file is readable by its owner alone."""

    directory: Path

    @property
    def jwks_path(self) -> Path:
        """The public keys, for `SWITCHBOARD_JWKS`."""
        return self.directory / "jwks.json"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that make services accept this issuer's tokens."""
        return {
            "SWITCHBOARD_JWKS": str(self.jwks_path),
            "SWITCHBOARD_JWT_ISSUER": ISSUER,
            "SWITCHBOARD_JWT_AUDIENCE": AUDIENCE,
        }

    def prepare(self) -> None:
        """Make the key and the public key set, if they are not there."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self._key_path.exists():
            key = ECKey.generate_key("P-256", parameters={"use": "sig", "alg": "ES256"})
            key.ensure_kid()
            descriptor = os.open(self._key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(key.as_dict(private=True), file)
        public = self._key().as_dict(private=False)
        self.jwks_path.write_text(json.dumps({"keys": [public]}), encoding="utf-8")

    def token(self, *, role: str, practice_id: str | None, staff_id: str, seconds: int = TOKEN_SECONDS) -> str:
        """A token for one person, valid for twelve hours. Raises FileNotFoundError before `prepare`."""
        key, now = self._key(), int(time.time())
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + seconds,
            "sub": staff_id,
            "role": role,
        }
        if practice_id is not None:
            claims |= {"practice_id": practice_id, "staff_id": staff_id}
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)

    def introduce(self, people: Sequence[Person]) -> None:
        """Note who can be picked at sign-in."""
        self._people_path.write_text(json.dumps([asdict(one) for one in people]), encoding="utf-8")

    def people(self) -> list[Person]:
        """Who was introduced; nobody without a seed."""
        if not self._people_path.exists():
            return []
        return [Person(**one) for one in json.loads(self._people_path.read_text("utf-8"))]

    @property
    def _people_path(self) -> Path:
        return self.directory / "people.json"

    @property
    def _key_path(self) -> Path:
        return self.directory / "issuer-key.json"

    def _key(self) -> ECKey:
        return ECKey.import_key(json.loads(self._key_path.read_text(encoding="utf-8")))
