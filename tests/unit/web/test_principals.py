"""Who is calling: by bearer token, or by the console's cookie, which changes nothing without its CSRF token."""

from collections.abc import AsyncGenerator
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import httpx
import pytest
import structlog.testing
from fastapi import Depends, FastAPI
from prometheus_client import REGISTRY

from shared_web import Pace, Principal, TokenVerifier, install_problem_details
from shared_web.principals import SECURE_SESSION_COOKIE, SESSION_COOKIE, csrf_token_of, current_principal
from switchboard_cli.development_issuer import AUDIENCE, ISSUER, DevelopmentIssuer


@pytest.fixture
def token(tmp_path: Path) -> str:
    issuer = DevelopmentIssuer(tmp_path)
    issuer.prepare()
    return issuer.token(role="member", practice_id="practice", staff_id="somebody")


@pytest.fixture
async def http(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_details(app)
    app.state.pace = Pace(4)
    app.state.tokens = TokenVerifier(str(tmp_path / "jwks.json"), issuer=ISSUER, audience=AUDIENCE)

    @app.api_route("/", methods=["GET", "POST"])
    async def who(caller: Annotated[Principal, Depends(current_principal)]) -> str:
        return caller.staff_id

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://switchboard.test") as client:
        yield client


async def test_a_bearer_token_changes_things_without_a_csrf_token(http: httpx.AsyncClient, token: str) -> None:
    answer = await http.post("/", headers={"Authorization": f"Bearer {token}"})

    assert answer.json() == "somebody"


@pytest.mark.parametrize("cookie", [SECURE_SESSION_COOKIE, SESSION_COOKIE])
async def test_a_session_cookie_reads(http: httpx.AsyncClient, token: str, cookie: str) -> None:
    answer = await http.get("/", headers={"Cookie": f"{cookie}={token}"})

    assert answer.json() == "somebody"


@pytest.mark.parametrize("shown", [None, "", "made-up", csrf_token_of("another session")])
async def test_a_session_cookie_alone_changes_nothing(http: httpx.AsyncClient, token: str, shown: str | None) -> None:
    headers = {"Cookie": f"{SESSION_COOKIE}={token}"} | ({"X-CSRF-Token": shown} if shown is not None else {})

    answer = await http.post("/", headers=headers)

    assert answer.status_code == HTTPStatus.FORBIDDEN


async def test_a_session_cookie_with_its_own_csrf_token_changes_things(http: httpx.AsyncClient, token: str) -> None:
    headers = {"Cookie": f"{SESSION_COOKIE}={token}", "X-CSRF-Token": csrf_token_of(token)}

    answer = await http.post("/", headers=headers)

    assert answer.status_code == HTTPStatus.OK


async def test_a_cookie_never_rescues_a_bad_bearer_token(http: httpx.AsyncClient, token: str) -> None:
    answer = await http.get("/", headers={"Cookie": f"{SESSION_COOKIE}={token}", "Authorization": "Bearer bad"})

    assert answer.status_code == HTTPStatus.UNAUTHORIZED


async def test_a_practice_that_asks_too_fast_is_told_when_to_ask_again(http: httpx.AsyncClient, token: str) -> None:
    answers = [await http.get("/", headers={"Authorization": f"Bearer {token}"}) for _ in range(80)]

    hasty = [answer for answer in answers if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS]
    assert 0 < len(hasty) <= 40
    assert hasty[0].headers["Retry-After"] == "1"


@pytest.fixture
async def emergency(tmp_path: Path, token: str, http: httpx.AsyncClient) -> dict[str, str]:
    del token, http  # they have made the issuer and the app
    made = DevelopmentIssuer(tmp_path).token(role="emergency", practice_id="practice", staff_id="somebody", seconds=600)
    return {"Authorization": f"Bearer {made}"}


async def test_emergency_access_reads_and_changes_nothing_and_is_loud(
    http: httpx.AsyncClient, emergency: dict[str, str]
) -> None:
    before = REGISTRY.get_sample_value("switchboard_emergency_requests_total") or 0
    with structlog.testing.capture_logs() as logged:
        read = await http.get("/", headers=emergency)
        changed = await http.post("/", headers=emergency)

    assert (read.status_code, changed.status_code) == (HTTPStatus.OK, HTTPStatus.FORBIDDEN)
    assert [(one["event"], one["log_level"], one["staff_id"], one["method"]) for one in logged] == [
        ("emergency access", "warning", "somebody", "GET"),
        ("emergency access", "warning", "somebody", "POST"),
    ]
    assert REGISTRY.get_sample_value("switchboard_emergency_requests_total") == before + 2
