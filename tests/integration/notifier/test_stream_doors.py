"""Who gets at a stream without a token, and what a cursor that somebody made up is good for: nothing."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from time import perf_counter

import asyncpg
import httpx
import pytest
from httpx_sse import aconnect_sse

from notifier.cursors import Cursor
from tests.integration.notifier.conftest import NURSES, PATIENCE, Notifier


async def ticket(notifier: Notifier, staff_id: str) -> str:
    async with notifier.http(staff_id) as http:
        answer = (await http.post("/v1/stream-tickets")).raise_for_status()
    return str(answer.json()["ticket"])


async def opened(notifier: Notifier, ticket: str) -> int:
    """How a stream is answered that is asked for by a ticket alone."""
    async with (
        httpx.AsyncClient(base_url=notifier.base_url, timeout=PATIENCE) as http,
        http.stream("GET", "/v1/stream", params={"ticket": ticket}) as answer,
    ):
        return answer.status_code


async def test_a_ticket_opens_one_stream_and_no_second(notifier: Notifier) -> None:
    one = await ticket(notifier, "nia")
    at_once = await asyncio.gather(*(opened(notifier, one) for _ in range(5)))

    assert sorted(at_once) == [200, *[401] * 4]
    assert await opened(notifier, one) == HTTPStatus.UNAUTHORIZED


async def test_a_ticket_is_good_for_half_a_minute_and_is_kept_as_a_digest(
    notifier: Notifier, postgres_dsn: str
) -> None:
    one = await ticket(notifier, "nia")
    connection = await asyncpg.connect(postgres_dsn)
    try:
        rows = await connection.fetch(
            "SELECT t.*, t::text AS whole FROM notifier.stream_ticket AS t WHERE practice_id = $1", notifier.practice_id
        )
        await connection.execute(
            "UPDATE notifier.stream_ticket SET expires_at = expires_at - interval '31 s' WHERE practice_id = $1",
            notifier.practice_id,
        )
    finally:
        await connection.close()

    assert timedelta() < rows[0]["expires_at"] - datetime.now(UTC) <= timedelta(seconds=30)
    assert [form for form in (one, one.encode().hex()) if form in rows[0]["whole"]] == []
    assert await opened(notifier, one) == HTTPStatus.UNAUTHORIZED


async def test_a_ticket_shows_what_its_member_sees_and_no_more(notifier: Notifier) -> None:
    one = await ticket(notifier, "fay")
    async with (
        httpx.AsyncClient(base_url=notifier.base_url, timeout=PATIENCE) as http,
        aconnect_sse(http, "GET", "/v1/stream", params={"ticket": one}) as source,
        asyncio.timeout(PATIENCE),
    ):
        seen = list[str]()
        async for event in source.aiter_sse():
            seen.append(event.event)
            if event.event == "snapshot":
                await notifier.happens(notifier.message("pt-1", NURSES, "nia"), notifier.rejection("pt-1", "fay"))
            if event.event == "action-rejected":
                break

    assert "message" not in seen


@pytest.mark.parametrize("by", ["token", "ticket"])
@pytest.mark.parametrize("is_busy", [True, False])
async def test_a_stream_ends_when_its_token_does(notifier: Notifier, by: str, *, is_busy: bool) -> None:
    token = notifier.issuer.token(role="member", practice_id=notifier.practice_id, staff_id="nia", seconds=3)
    headers, began = {"Authorization": f"Bearer {token}"}, perf_counter()
    async with (
        httpx.AsyncClient(base_url=notifier.base_url, timeout=PATIENCE) as http,
        asyncio.timeout(PATIENCE),
    ):
        query: dict[str, str] = {}
        if by == "ticket":
            query = {"ticket": (await http.post("/v1/stream-tickets", headers=headers)).json()["ticket"]}
            headers = {}
        async with http.stream("GET", "/v1/stream", params=query, headers=headers) as answer:
            assert answer.is_success
            async for _ in answer.aiter_raw():
                if is_busy:
                    await notifier.happens(notifier.rejection("pt-1", "nia"))

    assert 1 < perf_counter() - began < 6


@pytest.mark.parametrize("made_up", ["", "made-up", "%00", "a" * 10_000, "../../etc/passwd"])
async def test_a_ticket_that_somebody_made_up_opens_nothing(notifier: Notifier, made_up: str) -> None:
    assert await opened(notifier, made_up) == HTTPStatus.UNAUTHORIZED


def forged(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


async def test_a_cursor_that_somebody_made_up_is_no_way_into_the_log(notifier: Notifier) -> None:
    """Other places of the own partition, which other practices share, and other partitions."""
    async with notifier.http("ada") as http:
        now = Cursor.parse((await http.get("/v1/events")).json()["cursor"])
        assert now is not None
        wrong = [
            str(Cursor(partition, offset, check))
            for partition in (now.partition, now.partition + 1, -1, 10**6, 2**70)
            for offset in (0, now.offset - 1, now.offset, now.offset + 10**6, 2**63, 2**70, -(2**70))
            for check in ("00000000", "", "é")
        ]
        wrong += [
            forged(text) for text in ("1.0.0", "2.0.0.start", "1.0.0.start.x", "1..0.x", "\0", f"1.{'9' * 5000}.0.x")
        ]
        answers = {(await http.get("/v1/events", params={"after": one})).status_code for one in wrong}
        starts = set[str]()
        for one in wrong[:: len(wrong) // 12]:
            async with aconnect_sse(http, "GET", "/v1/stream", headers={"Last-Event-ID": one}) as source:
                event = await anext(source.aiter_sse())
                starts.add(f"{event.event} {sorted(json.loads(event.data))}")

    assert answers == {HTTPStatus.GONE}
    assert starts == {"reset ['reason']"}


UNREADABLE = (
    "",
    "~",
    "made up~x",
    "2026-11-25T09:00:00~x",
    "0001-01-01T00:00:00+23:59~x",
    "9999-12-31T23:59:59-23:59~x",
)


@pytest.mark.parametrize(
    "text", [*UNREADABLE, "2026-11-25T09:00:00+00:00~\0", "2026-11-25T09:00:00+00:00~' OR true --"]
)
async def test_a_cursor_of_a_page_that_somebody_made_up_is_refused_or_leads_nowhere(
    notifier: Notifier, text: str
) -> None:
    async with notifier.http("ada") as http:
        pages = [
            await http.get("/v1/conversations", params={"inbox": "closed", "cursor": forged(text)}),
            await http.post("/v1/search", json={"words": "made up", "cursor": forged(text)}),
        ]

    assert [one for one in pages if one.is_server_error] == []
    assert [one for one in pages if one.is_success and one.json()["conversations"]] == []
    assert text not in UNREADABLE or {one.status_code for one in pages} == {HTTPStatus.BAD_REQUEST}
