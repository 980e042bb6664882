"""Secrets at rest: AES-256-GCM (NIST SP 800-38D) with a key from the settings."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from typing import Annotated

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BeforeValidator, SecretStr

KEY_BYTES = 32
_NONCE_BYTES = 12
_NAME_BYTES = 4


class Unopenable(Exception):  # noqa: N818 - it says what it is
    """None of the keys opens it, or it was sealed for another place."""


class Sealer:
    """Seals with the first key, and opens with any: so keys can be changed without a pause."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Each key has 32 bytes."""
        self._keys = [(hashlib.sha256(key).digest()[:_NAME_BYTES], AESGCM(key)) for key in keys]

    @classmethod
    def of(cls, setting: str) -> "Sealer":
        """From base64 keys with commas between them. Raises `ValueError`."""
        keys = [base64.b64decode(part.strip(), validate=True) for part in setting.split(",")]
        if any(len(key) != KEY_BYTES for key in keys):
            message = f"each key must be {KEY_BYTES} bytes in base64"
            raise ValueError(message)
        return cls(keys)

    def seal(self, content: bytes, *place: str) -> bytes:
        """Encrypt for one place (practice, connection, …): it cannot be opened anywhere else."""
        name, cipher = self._keys[0]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return name + nonce + cipher.encrypt(nonce, content, _bound(place))

    def open(self, sealed: bytes, *place: str) -> bytes:
        """Raises `Unopenable`."""
        name, nonce = sealed[:_NAME_BYTES], sealed[_NAME_BYTES : _NAME_BYTES + _NONCE_BYTES]
        for known, cipher in self._keys:
            if known == name:
                try:
                    return cipher.decrypt(nonce, sealed[_NAME_BYTES + _NONCE_BYTES :], _bound(place))
                except InvalidTag:
                    break
        raise Unopenable


def new_key() -> str:
    """A key in the settings' form."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _bound(place: Sequence[str]) -> bytes:
    return "\x1f".join(place).encode()


def _checked(value: object) -> object:
    if isinstance(value, str):
        Sealer.of(value)
    return value


SealingKeys = Annotated[SecretStr, BeforeValidator(_checked)]
"""A setting: what `Sealer.of` takes."""
