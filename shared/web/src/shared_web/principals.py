"""Who is calling: JWTs of the practice's identity provider (RFC 7519).

A program sends its token as a bearer token. The staff console's pages have it in a cookie that no script can read; a
request that changes something then needs the header `X-CSRF-Token`, which no other site's page can send.

Claims: `practice_id`, `staff_id` (or `sub`), `role` (`member` or `administrator`); operators have `role: operator` and no
practice. For `role: emergency` see `shared_web.emergency`.
"""

import hashlib
import hmac
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Depends, Request
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, ValidationError

from shared_web.emergency import is_short, note_emergency
from shared_web.problems import Problem
from shared_web.signing_keys import SigningKeys

if TYPE_CHECKING:
    from shared_web.pace import Pace

Role = Literal["member", "administrator", "operator", "emergency"]

ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
"""Signatures that we accept. Never `none`, never a shared secret: a public key must not verify as one."""

SECURE_SESSION_COOKIE = "__Host-switchboard"
SESSION_COOKIE = "switchboard"
"""The console's session without TLS: on a developer's machine. A browser takes a `__Host-` cookie over TLS only."""
CSRF_HEADER = "X-CSRF-Token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CLOCK_SKEW_SECONDS = 30


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
        """May see and change how this practice is set up; by emergency access only see."""
        is_in_charge = self.role in {"administrator", "emergency"}
        return self.role == "operator" or (is_in_charge and self.practice_id == practice_id)

    def is_staff_of(self, practice_id: str) -> bool:
        """Belongs to this practice."""
        return self.role != "operator" and self.practice_id == practice_id


class _Claims(BaseModel):
    """What we read from a verified token."""

    model_config = ConfigDict(hide_input_in_errors=True)
    sub: str | None = None
    staff_id: str | None = None
    practice_id: str | None = None
    role: Role
    exp: float
    iat: float | None = None


class TokenVerifier:
    """Verifies bearer tokens against the identity provider's keys; see `SigningKeys` for what `jwks` may be.

    Only the keys that the provider publishes count: a token's own words on where its key is (`jku`, `x5u`, `jwk`, `x5c`) do
    not (RFC 8725 section 3.10).
    """

    def __init__(self, jwks: str | None, *, issuer: str, audience: str) -> None:
        self._keys = SigningKeys(issuer, jwks)
        self._claims = jwt.JWTClaimsRegistry(
            leeway=CLOCK_SKEW_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )

    async def verify(self, token: str) -> Principal:
        """Who holds this token. Raises a 401 problem when it is not a valid token of ours."""
        keys = await self._keys.current()
        try:
            return self._holder(token, keys)
        except InvalidKeyIdError:
            newer = await self._keys.newer()
        try:
            return self._holder(token, newer or keys)
        except InvalidKeyIdError:
            raise _unauthenticated() from None

    def _holder(self, token: str, keys: KeySet) -> Principal:
        """Raises InvalidKeyIdError for a key that is not among these, a 401 problem for all else."""
        try:
            claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
            self._claims.validate(claims)
        except InvalidKeyIdError:
            raise
        except (JoseError, ValueError, KeyError):
            raise _unauthenticated() from None
        return _principal(claims)


def _principal(verified: jwt.Claims) -> Principal:
    try:
        claims = _Claims.model_validate(verified)
    except ValidationError:
        raise _unauthenticated() from None
    staff_id = claims.staff_id or claims.sub
    if staff_id is None or (claims.role == "operator") != (claims.practice_id is None):
        raise _unauthenticated()
    if claims.role == "emergency" and not is_short(claims.iat, claims.exp):
        raise _unauthenticated()
    return Principal(role=claims.role, practice_id=claims.practice_id, staff_id=staff_id, expires_at=claims.exp)


def _unauthenticated() -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "A valid bearer token is needed",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


async def current_principal(request: Request) -> Principal:
    """The caller, from the `Authorization` header or from the console's session cookie.

    The app keeps its `TokenVerifier` in `app.state.tokens`, and how fast a practice may ask in `app.state.pace`. Raises a
    401 problem without a valid token, a 403 problem when a request by cookie changes something and does not show that it
    comes from our own page, and a 429 problem when the practice asks too fast.
    """
    caller = await _verified(request)
    pace: Pace = request.app.state.pace
    pace.check(caller.practice_id or caller.staff_id)
    if caller.role == "emergency":
        note_emergency(request, caller.practice_id or "", caller.staff_id)
    return caller


async def _verified(request: Request) -> Principal:
    tokens: TokenVerifier = request.app.state.tokens
    authorization = request.headers.get("authorization")
    if authorization is None and (session := session_of(request)) is not None:
        caller = await tokens.verify(session)
        if request.method not in _SAFE_METHODS:
            _check_same_page(request, session)
        return caller
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthenticated()
    return await tokens.verify(token.strip())


def session_of(request: Request) -> str | None:
    """The token of the console's session, not verified yet."""
    return request.cookies.get(SECURE_SESSION_COOKIE) or request.cookies.get(SESSION_COOKIE)


def csrf_token_of(session: str) -> str:
    """What a page of this session sends as `X-CSRF-Token`: it belongs to the session and does not give it away."""
    return hashlib.sha256(b"csrf of " + session.encode()).hexdigest()


def _check_same_page(request: Request, session: str) -> None:
    shown = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(shown.encode(), csrf_token_of(session).encode()):
        raise Problem(HTTPStatus.FORBIDDEN, f"A change by cookie needs the session's {CSRF_HEADER} header")


Caller = Annotated[Principal, Depends(current_principal)]


def _not_yours() -> Problem:
    """The same answer whether the practice does not exist or is somebody else's."""
    return Problem(HTTPStatus.NOT_FOUND, "There is no such practice for you")


async def staff_of(caller: Caller) -> Principal:
    """Dependency: the caller belongs to a practice (`caller.practice_id` is set)."""
    if caller.practice_id is None:
        raise Problem(HTTPStatus.FORBIDDEN, "Only staff of a practice may do this")
    return caller


async def staff_administrator(caller: Annotated[Principal, Depends(staff_of)]) -> Principal:
    """Dependency: the caller is an administrator of the practice that the token names."""
    if caller.role != "administrator":
        raise Problem(HTTPStatus.FORBIDDEN, "Only administrators may do this")
    return caller


async def overseer(caller: Caller) -> Principal:
    """Dependency: the caller is an administrator of a practice, or an operator."""
    if caller.role not in {"administrator", "operator"}:
        raise Problem(HTTPStatus.FORBIDDEN, "Only administrators and operators see this")
    return caller


async def member_of(practice_id: str, caller: Caller) -> Principal:
    """Dependency for paths with `{practice_id}`: the caller belongs to that practice, or is an operator."""
    if caller.role != "operator" and caller.practice_id != practice_id:
        raise _not_yours()
    return caller


async def administrator_of(practice_id: str, caller: Caller) -> Principal:
    """Dependency for paths with `{practice_id}`: the caller may change how that practice is set up."""
    await member_of(practice_id, caller)
    if not caller.is_administrator_of(practice_id):
        raise Problem(HTTPStatus.FORBIDDEN, "Only administrators may do this")
    return caller
