"""Too much, too slow, too deep: the server gets rid of it, with an answer where there is somebody to answer."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator
from http import HTTPStatus

import pytest
from fastapi import Request
from pydantic import BaseModel

from shared_web import Callers, apply_policy, bodies, bounded_app, bounded_body, serve, server

LIMIT = 1_000


class Thing(BaseModel):
    things: list[object]


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[int]:
    """An app of ours on a real server, which loses its patience sooner than others."""
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.5)
    monkeypatch.setattr(bodies, "PATIENCE_SECONDS", 0.5)
    app = bounded_app("Floods", most_bytes=LIMIT)

    @app.post("/large", max_body_size=10 * LIMIT)
    async def large(request: Request) -> int:
        return len(await request.body())

    @app.post("/form")
    async def form(thing: Thing) -> int:
        return len(thing.things)

    @app.post("/body")
    async def body(request: Request) -> int:
        return len(await bounded_body(request, LIMIT))

    apply_policy(app, dict.fromkeys(("POST /form", "POST /body", "POST /large"), Callers.ANYBODY))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        chosen = int(probe.getsockname()[1])
    stop, ready = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(app, host="127.0.0.1", port=chosen, stop=stop, ready=ready.set))
    async with asyncio.timeout(30):
        await ready.wait()
    yield chosen
    stop.set()
    await serving


async def answered(port: int, *parts: bytes, then_wait: bool = False) -> tuple[int, str]:
    """The status and the text of the answer; 0 where the connection was cut without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
            if not then_wait:
                writer.write_eof()
        async with asyncio.timeout(20):
            told = b""
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(65536):
                    told += chunk
                    head, _, content = told.partition(b"\r\n\r\n")
                    if b"content-length" in head.lower() and content:
                        break
        return (int(told.split(b" ")[1]) if told else 0), told.decode(errors="replace")
    finally:
        writer.close()


def request(path: str, *headers: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: switchboard.test", "Content-Type: application/json", *headers, "", "")
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("path", ["/form", "/body"])
@pytest.mark.parametrize("size", [LIMIT + 1, 10**12])
async def test_a_body_that_says_that_it_is_too_large_is_not_read(port: int, path: str, size: int) -> None:
    status, told = await answered(port, request(path, f"Content-Length: {size}"), b"[", then_wait=True)

    assert status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "application/problem+json" in told
    assert "strict-transport-security" in told


@pytest.mark.parametrize("path", ["/form", "/body"])
async def test_a_body_that_never_says_how_large_it_is_is_read_up_to_the_limit(port: int, path: str) -> None:
    chunk = b"400\r\n" + b" " * 0x400 + b"\r\n"
    status, told = await answered(port, request(path, "Transfer-Encoding: chunked"), *[chunk] * 3, then_wait=True)

    assert status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "application/problem+json" in told


@pytest.mark.parametrize(("size", "status"), [(LIMIT + 1, HTTPStatus.OK), (10 * LIMIT + 1, 413)])
async def test_an_endpoint_that_takes_more_says_how_much(port: int, size: int, status: int) -> None:
    found, _ = await answered(port, request("/large", f"Content-Length: {size}") + b" " * size, then_wait=True)

    assert found == status


@pytest.mark.parametrize("path", ["/form", "/body"])
async def test_a_body_that_dawdles_is_given_up(port: int, path: str) -> None:
    status, told = await answered(port, request(path, "Content-Length: 20"), b'{"things"', then_wait=True)

    assert status == HTTPStatus.REQUEST_TIMEOUT
    assert "application/problem+json" in told


async def test_headers_that_dawdle_are_cut(port: int) -> None:
    status, _ = await answered(port, b"POST /form HTTP/1.1\r\nHost: switchboard.test\r\nX-Slow: ", then_wait=True)

    assert status in {0, HTTPStatus.REQUEST_TIMEOUT}


@pytest.mark.parametrize(
    "header", ["X-Large: " + "a" * 1_000_000, "\r\n".join(f"X-{number}: 1" for number in range(500))]
)
async def test_headers_without_end_are_refused(port: int, header: str) -> None:
    status, _ = await answered(port, request("/form", header, "Content-Length: 2") + b"{}", then_wait=True)

    assert status in {0, HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE}


@pytest.mark.parametrize(
    "bomb", ["[" * 990, '{"things":' * 90 + "1" + "}" * 90, '{"things":[1e999999]}', '{"things":"\\ud800"}']
)
async def test_a_bomb_of_json_is_a_mistake_in_the_request(port: int, bomb: str) -> None:
    content = bomb.encode()
    status, told = await answered(port, request("/form", f"Content-Length: {len(content)}"), content, then_wait=True)

    assert status in {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.BAD_REQUEST, HTTPStatus.OK}
    assert json.loads(told.partition("\r\n\r\n")[2]) is not None


async def test_after_all_that_the_server_still_answers(port: int) -> None:
    status, told = await answered(port, request("/form", "Content-Length: 15"), b'{"things": [1]}', then_wait=True)

    assert (status, told.partition("\r\n\r\n")[2]) == (HTTPStatus.OK, "1")
