"""Signing in to the console, staying signed in while at work, and signing off.

The session is the person's access token in a cookie that no script can read (`shared_web.principals`). The cookie lives for
as long as somebody may be away from the desk, and is renewed while they work: who is away is signed off by the browser
even when no page is open.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, ValidationError

from notifier.web.identity_provider import IdentityProvider, ProviderFailed, Tokens
from notifier.web.rendering import Pages, language_of
from shared_web import Principal, Problem, TokenVerifier
from shared_web.principals import SECURE_SESSION_COOKIE, SESSION_COOKIE, csrf_token_of, current_principal, session_of

SIGN_IN = "/console/sign-in"
OUR_PAGES = re.compile(r"/(inbox|routing|operations|console/notifications)(\?[A-Za-z0-9=&_:.-]*)?")
ATTEMPT_SECONDS = 600
RENEW_BELOW = timedelta(minutes=4)
"""A token that ends sooner than this is renewed, when the provider lets us."""
WARNING = timedelta(seconds=60)
"""How long before somebody is signed off they are asked whether they are still there."""


class _Attempt(BaseModel):
    """What one browser remembers of a sign-in under way."""

    model_config = ConfigDict(hide_input_in_errors=True)
    state: str
    verifier: str
    target: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """What signing in works with."""

    provider: IdentityProvider | None
    """None: this installation does not say who signs people in."""
    tokens: TokenVerifier
    pages: Pages
    clock: Callable[[], datetime]
    idle: timedelta
    """How long somebody may be away (45 CFR 164.312(a)(2)(iii), automatic logoff)."""
    public_url: str
    """How the world reaches us."""

    @property
    def is_secure(self) -> bool:
        """Whether the world reaches us over TLS."""
        return self.public_url.startswith("https://")

    @property
    def session_cookie(self) -> str:
        """Its name."""
        return SECURE_SESSION_COOKIE if self.is_secure else SESSION_COOKIE

    @property
    def attempt_cookie(self) -> str:
        """Its name."""
        return f"{self.session_cookie}-sign-in"

    @property
    def refresh_cookie(self) -> str:
        """Its name."""
        return f"{self.session_cookie}-refresh"

    def session(self, caller: Principal, token: str) -> dict[str, Any]:
        """What a page needs to know of its session."""
        return {
            "practice_id": caller.practice_id,
            "staff_id": caller.staff_id,
            "role": caller.role,
            "csrf_token": csrf_token_of(token),
            "expires_at": caller.expires_at,
            "idle_seconds": int(self.idle.total_seconds()),
            "warning_seconds": int(WARNING.total_seconds()),
        }

    def keep(self, response: Response, name: str, value: str, seconds: float) -> None:
        """Set a cookie that no script reads and no other site sends with a change."""
        response.set_cookie(name, value, max_age=int(seconds), httponly=True, secure=self.is_secure, samesite="lax")

    def keep_session(self, response: Response, caller: Principal, tokens: Tokens) -> None:
        """Set the session's cookies: for as long as the token lives, and no longer than somebody may be away.

        The page renews them once a minute at most, and asks a minute before the end: hence two minutes more.
        """
        remaining = caller.expires_at - self.clock().timestamp()
        may_be_away = (self.idle + 2 * WARNING).total_seconds()
        self.keep(response, self.session_cookie, tokens.access_token, min(remaining, may_be_away))
        if tokens.refresh_token is not None:
            self.keep(response, self.refresh_cookie, tokens.refresh_token, may_be_away)

    def forget(self, response: Response, *names: str) -> None:
        """Remove cookies."""
        for name in names:
            response.delete_cookie(name, httponly=True, secure=self.is_secure, samesite="lax")


def routes(parts: SignIn) -> APIRouter:
    """The endpoints below /console."""
    router = APIRouter(prefix="/console", include_in_schema=False)
    _add_signing_in(router, parts)
    _add_session(router, parts)
    return router


def sign_in_address(target: str, reason: str | None = None) -> str:
    """Where somebody goes who wants to see `target` and is not signed in."""
    return f"{SIGN_IN}?{urlencode({'next': target} | ({'reason': reason} if reason else {}))}"


def _add_signing_in(router: APIRouter, parts: SignIn) -> None:
    @router.get("/sign-in")
    async def sign_in(request: Request, reason: str | None = None) -> Response:
        target = _target(request.query_params.get("next"))
        is_set_up = parts.provider is not None
        return parts.pages.answer(
            "sign_in.html", language_of(request), target=target, reason=reason, is_set_up=is_set_up
        )

    @router.get("/sign-in/start")
    async def start(request: Request) -> Response:
        target = _target(request.query_params.get("next"))
        if parts.provider is None:
            return RedirectResponse(sign_in_address(target), HTTPStatus.SEE_OTHER)
        if request.url.hostname != urlsplit(parts.public_url).hostname:
            # The provider sends the browser back to the public address, where our cookie must be found again.
            again = f"{parts.public_url}{SIGN_IN}/start?{urlencode({'next': target})}"
            return RedirectResponse(again, HTTPStatus.SEE_OTHER)
        attempt = _Attempt(state=secrets.token_urlsafe(24), verifier=secrets.token_urlsafe(48), target=target)
        try:
            url = await parts.provider.authorize_url(attempt.state, attempt.verifier)
        except ProviderFailed:
            return RedirectResponse(sign_in_address(target, "provider"), HTTPStatus.SEE_OTHER)
        response = RedirectResponse(url, HTTPStatus.SEE_OTHER)
        packed = base64.urlsafe_b64encode(attempt.model_dump_json().encode()).decode()
        parts.keep(response, parts.attempt_cookie, packed, ATTEMPT_SECONDS)
        return response

    @router.get("/sign-in/callback")
    async def callback(request: Request, state: str = "", code: str = "") -> Response:
        """The browser comes back from the provider, with a code or without."""
        attempt = _attempt(request.cookies.get(parts.attempt_cookie))
        response = await _signed_in(parts, attempt, state, code)
        parts.forget(response, parts.attempt_cookie)
        return response


async def _signed_in(parts: SignIn, attempt: _Attempt | None, state: str, code: str) -> Response:
    target = _target(attempt.target if attempt else None)
    if parts.provider is None or attempt is None or not secrets.compare_digest(state.encode(), attempt.state.encode()):
        return RedirectResponse(sign_in_address(target, "again"), HTTPStatus.SEE_OTHER)
    if not code:
        return RedirectResponse(sign_in_address(target, "refused"), HTTPStatus.SEE_OTHER)
    try:
        tokens = await parts.provider.exchange(code, attempt.verifier)
        caller = await parts.tokens.verify(tokens.access_token)
    except ProviderFailed:
        return RedirectResponse(sign_in_address(target, "provider"), HTTPStatus.SEE_OTHER)
    except Problem:
        return RedirectResponse(sign_in_address(target, "nobody"), HTTPStatus.SEE_OTHER)
    response = RedirectResponse(target, HTTPStatus.SEE_OTHER)
    parts.keep_session(response, caller, tokens)
    return response


def _add_session(router: APIRouter, parts: SignIn) -> None:
    @router.get("/session")
    async def read_session(
        request: Request, caller: Annotated[Principal, Depends(current_principal)]
    ) -> dict[str, Any]:
        """The session as it is, for a page whose other page has renewed it."""
        return parts.session(caller, session_of(request) or "")

    @router.post("/session")
    async def renew_session(
        request: Request, response: Response, caller: Annotated[Principal, Depends(current_principal)]
    ) -> dict[str, Any]:
        """Somebody is at work: the session goes on. 401 once it has ended."""
        tokens = Tokens(access_token=session_of(request) or "")
        refresh_token = request.cookies.get(parts.refresh_cookie)
        if refresh_token is not None and caller.expires_at - parts.clock().timestamp() < RENEW_BELOW.total_seconds():
            caller, tokens = await _renewed(parts, refresh_token, caller, tokens)
        parts.keep_session(response, caller, tokens)
        return parts.session(caller, tokens.access_token)

    @router.post("/sign-out")
    async def sign_out(_: Annotated[Principal, Depends(current_principal)]) -> Response:
        response = Response(status_code=HTTPStatus.NO_CONTENT)
        parts.forget(response, parts.session_cookie, parts.refresh_cookie)
        return response


async def _renewed(parts: SignIn, refresh_token: str, caller: Principal, tokens: Tokens) -> tuple[Principal, Tokens]:
    """New tokens of the same person; where the provider has none, the session ends when its token does."""
    if parts.provider is None:
        return caller, tokens
    try:
        renewed = await parts.provider.refresh(refresh_token)
        now = await parts.tokens.verify(renewed.access_token)
    except (ProviderFailed, Problem):
        return caller, tokens
    is_same = (now.staff_id, now.practice_id) == (caller.staff_id, caller.practice_id)
    return (now, renewed) if is_same else (caller, tokens)


def _attempt(packed: str | None) -> _Attempt | None:
    try:
        return _Attempt.model_validate_json(base64.urlsafe_b64decode(packed or ""))
    except (ValidationError, binascii.Error, ValueError):
        return None


def _target(wanted: str | None) -> str:
    """One of our own pages, whatever the address says."""
    return wanted if wanted and OUR_PAGES.fullmatch(wanted) else "/inbox"
