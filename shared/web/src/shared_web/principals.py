"""Who is calling: JWTs of the practice's identity provider (RFC 7519), checked against its keys (RFC 7517).

Claims: `practice_id`, `staff_id` (or `sub`), `role` (`member` or `administrator`); operators have `role: operator` and no
practice.
"""

import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal

import httpx
from fastapi import Depends, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from pydantic import BaseModel, ValidationError

from shared_web.problems import Problem

Role = Literal["member", "administrator", "operator"]

ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
"""Signatures that we accept. Never `none`, never a shared secret: a public key must not verify as one."""

CLOCK_SKEW_SECONDS = 30
KEYS_LIVE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified."""

    role: Role
    practice_id: str | None
    """None for operators only."""
    staff_id: str
    expires_at: float
    """When the token ends, in seconds since 1970: a stream must not outlive it."""

    def is_administrator_of(self, practice_id: str) -> bool:
        """May change how this practice is set up."""
        return self.role == "operator" or (self.role == "administrator" and self.practice_id == practice_id)

    def is_staff_of(self, practice_id: str) -> bool:
        """Belongs to this practice."""
        return self.role != "operator" and self.practice_id == practice_id


class _Claims(BaseModel):
    """What we read from a verified token."""

    sub: str | None = None
    staff_id: str | None = None
    practice_id: str | None = None
    role: Role
    exp: float


class TokenVerifier:
    """Verifies bearer tokens against a JWKS, from a URL (fetched again every five minutes) or from a file.

    An outage of the identity provider does not lock anybody out: the keys that were fetched last go on working.
    """

    def __init__(self, jwks: str, *, issuer: str, audience: str) -> None:
        self._jwks = jwks
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._claims = jwt.JWTClaimsRegistry(
            leeway=CLOCK_SKEW_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )

    async def verify(self, token: str) -> Principal:
        """Who holds this token. Raises a 401 problem when it is not a valid token of ours."""
        keys = await self._current_keys()
        try:
            claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
            self._claims.validate(claims)
        except (JoseError, ValueError, KeyError):
            raise _unauthenticated() from None
        return _principal(claims)

    async def _current_keys(self) -> KeySet:
        if self._keys is None or time.monotonic() - self._fetched_at > KEYS_LIVE_SECONDS:
            try:
                self._keys = KeySet.import_key_set(await self._fetch())
            except (httpx.HTTPError, OSError, ValueError, KeyError, TypeError) as error:
                if self._keys is None:
                    raise Problem(
                        HTTPStatus.SERVICE_UNAVAILABLE, "The identity provider's keys cannot be read"
                    ) from error
            self._fetched_at = time.monotonic()
        return self._keys

    async def _fetch(self) -> KeySetSerialization:
        if self._jwks.startswith(("https://", "http://")):
            async with httpx.AsyncClient(timeout=5) as client:
                text = (await client.get(self._jwks)).raise_for_status().text
        else:
            text = Path(self._jwks).read_text(encoding="utf-8")  # noqa: ASYNC240 - a small local file
        key_set: KeySetSerialization = json.loads(text)
        return key_set


def _principal(verified: jwt.Claims) -> Principal:
    try:
        claims = _Claims.model_validate(verified)
    except ValidationError:
        raise _unauthenticated() from None
    staff_id = claims.staff_id or claims.sub
    if staff_id is None or (claims.role == "operator") != (claims.practice_id is None):
        raise _unauthenticated()
    return Principal(role=claims.role, practice_id=claims.practice_id, staff_id=staff_id, expires_at=claims.exp)


def _unauthenticated() -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "A valid bearer token is needed",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


async def current_principal(request: Request) -> Principal:
    """The caller, from the `Authorization` header. The app keeps its `TokenVerifier` in `app.state.tokens`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthenticated()
    tokens: TokenVerifier = request.app.state.tokens
    return await tokens.verify(token.strip())


Caller = Annotated[Principal, Depends(current_principal)]


def _not_yours() -> Problem:
    """The same answer whether the practice does not exist or is somebody else's."""
    return Problem(HTTPStatus.NOT_FOUND, "There is no such practice for you")


def staff_of(caller: Caller) -> Principal:
    """Dependency: the caller belongs to a practice (`caller.practice_id` is set)."""
    if caller.practice_id is None:
        raise Problem(HTTPStatus.FORBIDDEN, "Only staff of a practice may do this")
    return caller


def member_of(practice_id: str, caller: Caller) -> Principal:
    """Dependency for paths with `{practice_id}`: the caller belongs to that practice, or is an operator."""
    if caller.role != "operator" and caller.practice_id != practice_id:
        raise _not_yours()
    return caller


def administrator_of(practice_id: str, caller: Caller) -> Principal:
    """Dependency for paths with `{practice_id}`: the caller may change how that practice is set up."""
    member_of(practice_id, caller)
    if not caller.is_administrator_of(practice_id):
        raise Problem(HTTPStatus.FORBIDDEN, "Only administrators may do this")
    return caller
