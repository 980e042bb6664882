"""The identity provider's public keys (RFC 7517), as it publishes them now.

They are found by its discovery document (https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig) unless
somebody says where they are. A key that is new is asked for when the first token signed with it comes; an outage of the
provider locks nobody out, because the keys that were read last go on working.
"""

import asyncio
import json
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from shared_web.problems import Problem

KEYS_LIVE_SECONDS = 300
"""How long a key that the provider withdrew may go on working."""
ASK_AGAIN_SECONDS = 10
"""A provider that does not answer, or tokens with keys that nobody has, make us ask no more often than this."""
DISCOVERY_PATH = "/.well-known/openid-configuration"
_UNREADABLE = (httpx.HTTPError, OSError, ValueError, KeyError, TypeError, AttributeError, JoseError)


class SigningKeys:
    """Reads the keys when they are needed. `jwks` is a URL or a file; None: the issuer's discovery document says where."""

    def __init__(self, issuer: str, jwks: str | None) -> None:
        self._issuer = issuer
        self._jwks = jwks
        self._keys: KeySet | None = None
        self._read_at = float("-inf")
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def current(self) -> KeySet:
        """The keys. Raises a 503 problem when they were never read and cannot be."""
        now = time.monotonic()
        is_old = now - self._read_at > KEYS_LIVE_SECONDS and now - self._asked_at > ASK_AGAIN_SECONDS
        if self._keys is None or (is_old and not self._asking.locked()):
            await self._ask(since=self._asked_at)
        if self._keys is None:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The identity provider's keys cannot be read")
        return self._keys

    async def newer(self) -> KeySet | None:
        """The keys as they are now, for a token whose key is not among `current`; None where we have just asked."""
        if time.monotonic() - self._asked_at <= ASK_AGAIN_SECONDS:
            return None
        await self._ask(since=self._asked_at)
        return self._keys

    async def _ask(self, *, since: float) -> None:
        """Ask once, however many requests wait for the answer; what cannot be read changes nothing."""
        async with self._asking:
            if self._asked_at != since:
                return
            try:
                self._keys = KeySet.import_key_set(await self._fetch())
                self._read_at = time.monotonic()
            except _UNREADABLE:
                pass
            finally:
                self._asked_at = time.monotonic()

    async def _fetch(self) -> KeySetSerialization:
        if self._jwks is not None and not self._jwks.startswith(("https://", "http://")):
            text = Path(self._jwks).read_text(encoding="utf-8")  # noqa: ASYNC240 - a small local file
            return _key_set(json.loads(text))
        async with httpx.AsyncClient(timeout=5) as http:
            return _key_set(await _read(http, self._jwks or await self._discovered(http)))

    async def _discovered(self, http: httpx.AsyncClient) -> str:
        found = await _read(http, self._issuer.rstrip("/") + DISCOVERY_PATH)
        if found["issuer"] != self._issuer:
            message = "the discovery document is another issuer's"
            raise ValueError(message)
        return str(found["jwks_uri"])


async def _read(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    content: dict[str, Any] = (await http.get(url)).raise_for_status().json()
    return content


def _key_set(content: dict[str, Any]) -> KeySetSerialization:
    """Without shared secrets: a provider that publishes one has none any more."""
    keys = [one for one in content["keys"] if one.get("kty") != "oct" and one.get("use", "sig") == "sig"]
    return {"keys": keys}
