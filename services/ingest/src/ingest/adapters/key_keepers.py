"""Who keeps the key that practices' keys are wrapped with: our own settings, or HashiCorp Vault's Transit engine.

https://developer.hashicorp.com/vault/api-docs/secret/transit: a key of type `aes256-gcm96`, which never leaves Vault.
"""

import base64
from typing import Protocol

import httpx

from shared_database.sealing import Sealer, Unopenable


class KeyUnavailable(OSError):  # noqa: N818 - a state that was found
    """The keeper does not answer, or not for us, or it has not wrapped this key. A later attempt may succeed."""


class KeyKeeper(Protocol):
    """Wraps keys for a place; only for the same place they are unwrapped."""

    async def wrap(self, key: bytes, place: str) -> bytes:
        """To be kept beside what the key opens. Raises `KeyUnavailable`."""
        ...

    async def unwrap(self, wrapped: bytes, place: str) -> bytes:
        """Raises `KeyUnavailable`."""
        ...


class SettingsKeeper:
    """The key is in the settings. Several: the newest wraps, all unwrap."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def wrap(self, key: bytes, place: str) -> bytes:
        """See `KeyKeeper`."""
        return self._sealer.seal(key, place)

    async def unwrap(self, wrapped: bytes, place: str) -> bytes:
        """See `KeyKeeper`."""
        try:
            return self._sealer.open(wrapped, place)
        except Unopenable as error:
            raise KeyUnavailable from error


class TransitKeeper:
    """The key is in Vault, which keeps its older versions for unwrapping."""

    def __init__(self, http: httpx.AsyncClient, url: str, name: str, token: str) -> None:
        """`url` is Vault's with the engine's mount, `https://vault:8200/v1/transit`; `name` the key's."""
        self._http = http
        self._url, self._name = url.rstrip("/"), name
        self._headers = {"X-Vault-Token": token}

    async def wrap(self, key: bytes, place: str) -> bytes:
        """See `KeyKeeper`."""
        return (
            await self._ask("encrypt", "ciphertext", plaintext=_base64(key), associated_data=_place(place))
        ).encode()

    async def unwrap(self, wrapped: bytes, place: str) -> bytes:
        """See `KeyKeeper`."""
        content = {"ciphertext": wrapped.decode("ascii", "replace"), "associated_data": _place(place)}
        return base64.b64decode(await self._ask("decrypt", "plaintext", **content))

    async def _ask(self, what: str, wanted: str, **content: str) -> str:
        try:
            answer = await self._http.post(f"{self._url}/{what}/{self._name}", json=content, headers=self._headers)
            return str(answer.raise_for_status().json()["data"][wanted])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise KeyUnavailable from error


def _place(place: str) -> str:
    return _base64(place.encode())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
