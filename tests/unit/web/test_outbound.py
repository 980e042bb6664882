"""What a customer may make us call: the public internet over TLS, and what the operator allows."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network

import httpx
import pytest

from shared_web.outbound import ForbiddenAddress, GuardedTransport, is_public

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.7", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_what_is_not_on_the_public_internet_is_not_public_in_whatever_dress(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@asynccontextmanager
async def server(answer: bytes) -> AsyncGenerator[tuple[int, list[bytes]]]:
    """An HTTP server that says one thing; yields its port, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], asked


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
async def test_our_own_addresses_are_refused_before_anything_is_sent(host: str) -> None:
    async with server(OK) as (port, asked), httpx.AsyncClient(transport=GuardedTransport()) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"http://{host}:{port}/")

    assert asked == []


async def test_an_allowed_network_is_called_under_the_name_that_was_asked_for() -> None:
    async with server(OK) as (port, asked), httpx.AsyncClient(transport=GuardedTransport(LOOPBACK)) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/fhir")

    assert answer.text == "ok"
    assert f"host: 127.0.0.1:{port}".encode() in asked[0].lower()


async def test_a_public_address_is_not_called_without_encryption() -> None:
    async with httpx.AsyncClient(transport=GuardedTransport(LOOPBACK)) as http:
        with pytest.raises(ForbiddenAddress, match="only https"):
            await http.get("http://8.8.8.8/")


async def test_a_redirect_is_an_answer_and_not_a_way_in() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with server(moved) as (port, _), httpx.AsyncClient(transport=GuardedTransport(LOOPBACK)) as http:
        assert (await http.get(f"http://127.0.0.1:{port}/")).status_code == httpx.codes.FOUND


@pytest.mark.parametrize(
    ("answers", "is_called"),
    [(["127.0.0.1"], True), (["127.0.0.1", "10.0.0.7"], False), (["10.0.0.7", "127.0.0.1"], False)],
)
async def test_a_name_is_resolved_once_and_all_its_addresses_must_be_good(
    monkeypatch: pytest.MonkeyPatch, answers: list[str], *, is_called: bool
) -> None:
    """DNS rebinding: what the name says a moment later is not asked any more."""
    asked: list[str] = []

    def resolve(host: object, port: object, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(str(host))
        now = answers if len(asked) == 1 else ["10.0.0.7"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in now]

    async with server(OK) as (port, _), httpx.AsyncClient(transport=GuardedTransport(LOOPBACK)) as http:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        if is_called:
            assert (await http.get(f"http://rebinding.test:{port}/")).text == "ok"
        else:
            with pytest.raises(ForbiddenAddress):
                await http.get(f"http://rebinding.test:{port}/")

    assert asked.count("rebinding.test") == 1
