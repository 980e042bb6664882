"""The development identity provider: codes work once, for whoever started the sign-in, and lead back to us only."""

import base64
import hashlib
from collections.abc import AsyncGenerator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from shared_web import install_problem_details
from switchboard_cli.development_issuer import DevelopmentIssuer, Person
from switchboard_cli.development_sign_in import PREFIX, routes

BASE = "http://switchboard.test"
BACK = f"{BASE}/console/sign-in/callback"
VERIFIER = "a-verifier-that-only-the-starter-knows"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
ASKED = {"redirect_uri": BACK, "code_challenge": CHALLENGE, "state": "a-state"}


@pytest.fixture
async def http(tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    issuer = DevelopmentIssuer(tmp_path)
    issuer.prepare()
    issuer.introduce([Person("mia", "Mia Madeup", "member", "practice")])
    app = FastAPI()
    install_problem_details(app)
    app.include_router(routes(issuer, BASE))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client


async def code_for(http: httpx.AsyncClient, staff_id: str = "mia") -> str:
    answer = await http.post(f"{PREFIX}/authorize", params=ASKED, data={"staff_id": staff_id})
    assert answer.status_code == HTTPStatus.SEE_OTHER
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert query["state"] == ["a-state"]
    return query["code"][0]


def form(code: str, verifier: str = VERIFIER, back: str = BACK) -> dict[str, str]:
    return {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": back}


async def test_a_code_gives_a_token_once(http: httpx.AsyncClient) -> None:
    code = await code_for(http)

    answers = [await http.post(f"{PREFIX}/token", data=form(code)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [HTTPStatus.OK, HTTPStatus.BAD_REQUEST]
    assert answers[0].json()["access_token"].count(".") == 2


@pytest.mark.parametrize("wrong", [{"verifier": "guessed"}, {"back": f"{BASE}/elsewhere"}])
async def test_a_stolen_code_gives_nothing(http: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    answer = await http.post(f"{PREFIX}/token", data=form(await code_for(http), **wrong))

    assert answer.status_code == HTTPStatus.BAD_REQUEST


async def test_nobody_is_sent_to_another_site(http: httpx.AsyncClient) -> None:
    asked = ASKED | {"redirect_uri": "http://elsewhere.test/console/sign-in/callback"}

    answer = await http.post(f"{PREFIX}/authorize", params=asked, data={"staff_id": "mia"})

    assert answer.status_code == HTTPStatus.BAD_REQUEST


async def test_only_people_who_were_introduced_can_be_picked(http: httpx.AsyncClient) -> None:
    page = await http.get(f"{PREFIX}/authorize", params=ASKED)
    stranger = await http.post(f"{PREFIX}/authorize", params=ASKED, data={"staff_id": "stranger"})

    assert "Mia Madeup" in page.text
    assert stranger.status_code == HTTPStatus.NOT_FOUND
