"""The development identity provider's pages: one picks who one wants to be, without a password.

It is part of the command line, and only there: `switchboard up` and `switchboard demo` put it into their single origin. It
needs the issuer's private key, which an installation with a real identity provider does not have.
"""

import base64
import hashlib
import html
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict

from shared_web import Problem
from shared_web.assets import PAGE_HEADERS, Assets
from switchboard_cli.development_issuer import TOKEN_SECONDS, DevelopmentIssuer, Person

PREFIX = "/development-issuer"
VARIABLE = "SWITCHBOARD_DEVELOPMENT_ISSUER"
"""Where the issuer's key is, for the process that serves the single origin."""
CODE_SECONDS = 60
OPERATOR = Person(staff_id="demo-operator", name="Operator", role="operator", practice_id=None)


class _Asked(BaseModel):
    """What the console asks for (RFC 6749 section 4.1.1, RFC 7636 section 4.3)."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)
    redirect_uri: str
    code_challenge: str
    state: str = ""


class _Exchange(BaseModel):
    """What it exchanges (RFC 6749 section 4.1.3)."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)
    code: str = ""
    code_verifier: str = ""
    redirect_uri: str = ""


@dataclass(frozen=True, slots=True)
class _Code:
    person: Person
    asked: _Asked
    expires_at: float


def settings_for(directory: Path, base_url: str) -> Mapping[str, str]:
    """The settings that make the single origin sign people in by itself."""
    discovery = f"{base_url}{PREFIX}/.well-known/openid-configuration"
    return {VARIABLE: str(directory), "SWITCHBOARD_NOTIFIER_OIDC_DISCOVERY_URL": discovery}


def routes(issuer: DevelopmentIssuer, base_url: str) -> APIRouter:
    """The provider's endpoints. It sends nobody anywhere but back to `base_url`."""
    router, codes = APIRouter(), dict[str, _Code]()
    assets = Assets(f"{PREFIX}/assets", "switchboard_cli")
    pages = APIRouter(prefix=PREFIX, include_in_schema=False)

    @pages.get("/.well-known/openid-configuration")
    async def discovery() -> dict[str, Any]:
        return {
            "issuer": base_url + PREFIX,
            "authorization_endpoint": f"{base_url}{PREFIX}/authorize",
            "token_endpoint": f"{base_url}{PREFIX}/token",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        }

    @pages.get("/authorize")
    async def choose(asked: Annotated[_Asked, Query()]) -> Response:
        _check(asked, base_url)
        return HTMLResponse(_page(issuer.people(), asked, assets), headers=dict(PAGE_HEADERS))

    @pages.post("/authorize")
    async def chosen(asked: Annotated[_Asked, Query()], staff_id: Annotated[str, Form()]) -> Response:
        _check(asked, base_url)
        person = next((one for one in (*issuer.people(), OPERATOR) if one.staff_id == staff_id), None)
        if person is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such person here")
        code = secrets.token_urlsafe(32)
        codes[code] = _Code(person, asked, time.monotonic() + CODE_SECONDS)
        query = urlencode({"code": code, "state": asked.state})
        return RedirectResponse(f"{asked.redirect_uri}?{query}", HTTPStatus.SEE_OTHER)

    @pages.post("/token")
    async def exchange(body: Annotated[_Exchange, Form()]) -> Response:
        code = codes.pop(body.code, None)
        if code is None or not _fits(code, body):
            return JSONResponse({"error": "invalid_grant"}, HTTPStatus.BAD_REQUEST)
        it = code.person
        token = issuer.token(role=it.role, practice_id=it.practice_id, staff_id=it.staff_id)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    router.include_router(pages)
    router.include_router(assets.routes())
    return router


def _check(asked: _Asked, base_url: str) -> None:
    back, ours = urlsplit(asked.redirect_uri), urlsplit(base_url)
    if (back.scheme, back.netloc, back.query) != (ours.scheme, ours.netloc, ""):
        raise Problem(HTTPStatus.BAD_REQUEST, "This provider sends nobody to another site")


def _fits(code: _Code, body: _Exchange) -> bool:
    digest = hashlib.sha256(body.code_verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    is_same = secrets.compare_digest(challenge.encode(), code.asked.code_challenge.encode())
    return is_same and body.redirect_uri == code.asked.redirect_uri and time.monotonic() < code.expires_at


def _page(people: list[Person], asked: _Asked, assets: Assets) -> str:
    action = html.escape(f"{PREFIX}/authorize?{urlencode(asked.model_dump())}")
    buttons = "\n".join(
        f'<li><button name="staff_id" value="{html.escape(one.staff_id)}"><strong>{html.escape(one.name)}</strong>'
        f"<span>{one.role}{' · ' + html.escape(one.practice_id) if one.practice_id else ''}</span></button></li>"
        for one in (*people, OPERATOR)
    )
    styles = "".join(f'<link rel="stylesheet" href="{assets.url(one)}">' for one in ("tokens.css", "people.css"))
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Who are you? · Switchboard development</title><link rel="icon" href="data:,">{styles}</head>
<body><main><h1>Who are you today?</h1>
<p>This is the development sign-in. Everybody here is made up, and nobody needs a password.</p>
<form method="post" action="{action}"><ul>
{buttons}
</ul></form></main></body></html>"""
