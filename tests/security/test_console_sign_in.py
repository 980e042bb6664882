"""Signing in to the console as the provider's client: a code is exchanged for whoever asked for it, and for nobody else."""

import base64
import hashlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from notifier.web import sign_in
from notifier.web.identity_provider import Client, IdentityProvider
from notifier.web.rendering import Pages
from shared_web import TokenVerifier, install_problem_details
from shared_web.assets import Assets
from shared_web.principals import SECURE_SESSION_COOKIE
from tests.security.conftest import AUDIENCE, Provider

BASE = "https://messages.switchboard.test"
CALLBACK = f"{BASE}/console/sign-in/callback"


@pytest.fixture
async def browser(provider: Provider) -> AsyncGenerator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_details(app)
    client = Client(
        f"{provider.issuer}/.well-known/openid-configuration", "switchboard-console", None, "openid", CALLBACK
    )
    parts = sign_in.SignIn(
        provider=IdentityProvider(client),
        tokens=TokenVerifier(None, issuer=provider.issuer, audience=AUDIENCE),
        pages=Pages(Assets("/console/assets", "notifier.web")),
        clock=lambda: datetime.now(UTC),
        idle=timedelta(minutes=15),
        public_url=BASE,
    )
    app.include_router(sign_in.routes(parts))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        yield http


async def begun(browser: httpx.AsyncClient) -> dict[str, str]:
    """What the browser is sent to the provider with."""
    answer = await browser.get("/console/sign-in/start", params={"next": "/inbox"})
    assert answer.status_code == HTTPStatus.SEE_OTHER
    return {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def has_session(browser: httpx.AsyncClient) -> bool:
    return SECURE_SESSION_COOKIE in browser.cookies


async def test_a_code_is_exchanged_with_the_verifier_of_the_browser_that_asked(
    browser: httpx.AsyncClient, provider: Provider
) -> None:
    asked = await begun(browser)
    answer = await browser.get("/console/sign-in/callback", params={"state": asked["state"], "code": "a-code"})

    (exchanged,) = provider.exchanged
    digest = hashlib.sha256(exchanged["code_verifier"].encode()).digest()
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert (exchanged["redirect_uri"], exchanged["code"]) == (CALLBACK, "a-code")
    assert answer.headers["location"] == "/inbox"
    assert has_session(browser)


async def test_every_sign_in_has_a_state_and_a_verifier_of_its_own(browser: httpx.AsyncClient) -> None:
    asked = [await begun(browser) for _ in range(3)]

    assert len({one["state"] for one in asked}) == len({one["code_challenge"] for one in asked}) == 3


@pytest.mark.parametrize("state", ["", "made-up", "é", None])
async def test_a_code_that_comes_with_another_state_is_not_even_shown_to_the_provider(
    browser: httpx.AsyncClient, provider: Provider, state: str | None
) -> None:
    """Somebody else's code in a link, to make a person work in an account that is not theirs (RFC 6749 section 10.12)."""
    await begun(browser)
    answer = await browser.get(
        "/console/sign-in/callback", params={"code": "a-code"} | ({} if state is None else {"state": state})
    )

    assert answer.headers["location"].endswith("reason=again")
    assert provider.exchanged == []
    assert not has_session(browser)


async def test_a_code_that_comes_to_a_browser_that_asked_for_none_is_not_shown_to_the_provider(
    browser: httpx.AsyncClient, provider: Provider
) -> None:
    asked = await begun(browser)
    browser.cookies.clear()
    answer = await browser.get("/console/sign-in/callback", params={"state": asked["state"], "code": "a-code"})

    assert answer.headers["location"].endswith("reason=again")
    assert (provider.exchanged, has_session(browser)) == ([], False)


async def test_a_code_works_for_one_sign_in(browser: httpx.AsyncClient, provider: Provider) -> None:
    asked = await begun(browser)
    for _ in range(2):
        await browser.get("/console/sign-in/callback", params={"state": asked["state"], "code": "a-code"})

    assert len(provider.exchanged) == 1


async def test_a_token_that_is_not_for_us_begins_no_session(
    browser: httpx.AsyncClient, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = provider.token(provider.keys[0], aud="another-application")
    monkeypatch.setattr(Provider, "token", lambda *_args, **_claims: foreign)
    asked = await begun(browser)
    answer = await browser.get("/console/sign-in/callback", params={"state": asked["state"], "code": "a-code"})

    assert answer.headers["location"].endswith("reason=nobody")
    assert not has_session(browser)
