"""SMART Backend Services: a token for a signed assertion.

https://hl7.org/fhir/smart-app-launch/backend-services.html
https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, cast

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey, import_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pm_sync.adapters.source_problem import SourceProblem
from pm_sync.configuration import SmartBackend

ASSERTION_LIVES = timedelta(minutes=4)
"""At most five minutes are allowed."""
RENEW_BEFORE = timedelta(seconds=30)
_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_WORDS = {
    "invalid_client": "the authorization server does not know this client, or its key: was the public key registered?",
    "invalid_scope": "the authorization server does not grant the scope that was asked for",
    "unauthorized_client": "this client may not use backend services there",
    "unsupported_grant_type": "the authorization server does not offer backend services",
    "invalid_grant": "the authorization server refuses the assertion: do both clocks agree?",
    "invalid_request": "the authorization server does not understand the request",
}
"""OAuth's error codes (RFC 6749 section 5.2)."""


class _Discovered(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    token_endpoint: str


class _Token(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str
    expires_in: Annotated[float, Field(allow_inf_nan=False)] = 300.0


class Tokens:
    """Gives the token of one client, a new one shortly before the old one ends."""

    def __init__(
        self, http: httpx.AsyncClient, base_url: str, auth: SmartBackend, clock: Callable[[], datetime]
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._auth = auth
        self._clock = clock
        self._token_url = auth.token_url
        self._token: str | None = None
        self._ends_at: datetime | None = None

    def forget(self) -> None:
        """The server did not accept it."""
        self._token = None

    async def token(self, skew: timedelta) -> str:
        """A token that is valid for a while. `skew` is how far the server's clock is ahead of ours.

        Raises `SourceProblem`, and what httpx raises.
        """
        now = self._clock()
        if self._token is None or self._ends_at is None or now >= self._ends_at:
            answer = await self._ask(now + skew)
            self._token = answer.access_token
            self._ends_at = now + min(timedelta(days=1), timedelta(seconds=answer.expires_in)) - RENEW_BEFORE
        return self._token

    async def _ask(self, their_now: datetime) -> _Token:
        url = self._token_url or await self._discover()
        form = {
            "grant_type": "client_credentials",
            "scope": self._auth.scope,
            "client_assertion_type": _TYPE,
            "client_assertion": assertion(self._auth, url, their_now),
        }
        answer = await self._http.post(url, data=form, headers={"Accept": "application/json"})
        if answer.status_code != HTTPStatus.OK:
            raise SourceProblem(_WORDS.get(_error_of(answer), f"the token was refused ({answer.status_code})"))
        try:
            return _Token.model_validate_json(answer.content)
        except ValidationError:
            raise SourceProblem("the authorization server's answer has no token in it") from None

    async def _discover(self) -> str:
        answer = await self._http.get(f"{self._base_url}/.well-known/smart-configuration")
        try:
            if answer.status_code == HTTPStatus.OK:
                self._token_url = _Discovered.model_validate_json(answer.content).token_endpoint
                return self._token_url
        except ValidationError:
            pass
        raise SourceProblem("the server has no .well-known/smart-configuration: set token_url, or check the base URL")


def assertion(auth: SmartBackend, token_url: str, now: datetime) -> str:
    """The signed statement of who we are, for one use. Its algorithm follows the key: RS384 or ES384."""
    if auth.private_key_jwk is None:
        raise SourceProblem("the connection has no private key: save it again with private_key_jwk")
    key = cast("RSAKey | ECKey", import_key(auth.private_key_jwk))
    header: dict[str, Any] = {"alg": "RS384" if isinstance(key, RSAKey) else "ES384", "typ": "JWT"}
    header["kid"] = key.kid or key.thumbprint()
    claims = {
        "iss": auth.client_id,
        "sub": auth.client_id,
        "aud": token_url,
        "exp": int((now + ASSERTION_LIVES).timestamp()),
        "iat": int(now.timestamp()),
        "jti": secrets.token_urlsafe(24),
    }
    return jwt.encode(header, claims, key, algorithms=["RS384", "ES384"])


def _error_of(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("error"))
    except (ValueError, AttributeError):
        return ""
