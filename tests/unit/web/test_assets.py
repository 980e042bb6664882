"""Static files of pages: addresses name their content, and nothing but what is meant is served."""

import gzip
from http import HTTPStatus

import httpx
from fastapi import FastAPI

from shared_web import install_problem_details
from shared_web.assets import CONTENT_SECURITY_POLICY, Assets


def client_of(assets: Assets) -> httpx.AsyncClient:
    app = FastAPI()
    install_problem_details(app)
    app.include_router(assets.routes())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://switchboard.test")


async def test_a_file_is_served_compressed_and_for_ever_at_the_address_that_names_its_content() -> None:
    assets = Assets("/pages")
    async with client_of(assets) as http:
        packed = await http.get(assets.url("tokens.css"), headers={"Accept-Encoding": "gzip"})
        plain = await http.get(assets.url("tokens.css"), headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert len(gzip.compress(plain.content)) < len(plain.content)


async def test_nothing_else_of_the_package_is_served() -> None:
    assets = Assets("/pages")
    async with client_of(assets) as http:
        answers = [
            await http.get(f"{assets.root}/{name}") for name in ("assets.py", "..%2Fassets.py", "%2e%2e/assets.py")
        ]

    assert [answer.status_code for answer in answers] == [HTTPStatus.NOT_FOUND] * 3


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")
