"""A patient's login: a code lives ten minutes and has few attempts; nothing that lets anybody in is kept as it is."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ingest.app import SCHEMA
from ingest.storage.logins import (
    CODE_LIVES,
    MOST_ATTEMPTS,
    MOST_LOGINS,
    SESSION_LIVES,
    Login,
    begin_login,
    begin_session,
    count_login,
    session_of,
    try_login,
)
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from shared_database.pools import Pool

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
PHONE, CODE = "+13125550101", "314159"
INSTANT = timedelta(microseconds=1)


@pytest.fixture
async def pool(postgres_dsn: str) -> "AsyncGenerator[Pool]":
    migrate(postgres_dsn, [SCHEMA])
    async with await create_pool(DatabaseLogin(postgres_dsn, SCHEMA.schema), min_size=0) as pool:
        yield pool


@pytest.fixture
def practice() -> str:
    return f"logins-{secrets.token_hex(4)}"


@pytest.fixture
async def login_id(pool: "Pool", practice: str) -> str:
    """One that has begun just now."""
    login_id = secrets.token_urlsafe(8)
    await begin_login(pool, practice, login_id, PHONE, CODE, NOW)
    return login_id


@pytest.mark.parametrize(("after", "is_let_in"), [(CODE_LIVES - INSTANT, True), (CODE_LIVES, False)])
async def test_a_code_lives_ten_minutes(pool: "Pool", login_id: str, after: timedelta, *, is_let_in: bool) -> None:
    found = await try_login(pool, login_id, NOW + after, code=CODE)

    assert timedelta(minutes=10) == CODE_LIVES
    assert (found is not None) == is_let_in


async def test_a_code_has_five_attempts_however_many_come_at_once(pool: "Pool", login_id: str) -> None:
    guesses = [f"{number:06}" for number in range(20)]
    found = await asyncio.gather(*(try_login(pool, login_id, NOW, code=guess) for guess in guesses))
    late = await try_login(pool, login_id, NOW, code=CODE)

    assert MOST_ATTEMPTS == 5
    assert (set(found), late) == ({None}, None)


async def test_a_code_that_is_right_at_the_last_attempt_is_right(pool: "Pool", login_id: str) -> None:
    for _ in range(MOST_ATTEMPTS - 1):
        assert await try_login(pool, login_id, NOW, code="000000") is None

    assert await try_login(pool, login_id, NOW, code=CODE) is not None


async def test_a_right_code_that_comes_twice_at_once_works_once(pool: "Pool", login_id: str) -> None:
    found = await asyncio.gather(*(try_login(pool, login_id, NOW, code=CODE) for _ in range(MOST_ATTEMPTS)))

    assert [one is not None for one in found].count(True) == 1


@pytest.mark.parametrize("kind", MOST_LOGINS)
async def test_codes_are_counted_by_the_hour(pool: "Pool", practice: str, kind: str) -> None:
    async def is_allowed(number: int, now: datetime) -> bool:
        varied = {"phone": f"+1312555{number:04}", "address": f"198.51.100.{number}"}
        own = {"phone": PHONE, "address": "203.0.113.7"}
        phone, address = (own[one] if one == kind else varied[one] for one in ("phone", "address"))
        return await count_login(pool, practice, phone, address, now)

    most = MOST_LOGINS[kind]
    if kind == "practice":  # without asking two thousand times
        await is_allowed(0, NOW)
        async with practice_scope(pool, practice) as connection:
            await connection.execute("UPDATE login_count SET logins = $2 WHERE practice_id = $1", practice, most - 1)
        most = 1
    allowed = [await is_allowed(number, NOW) for number in range(1, most + 2)]
    next_hour = await is_allowed(most + 2, NOW + timedelta(hours=1))

    assert (allowed, next_hour) == ([True] * most + [False], True)


@pytest.mark.parametrize(("after", "is_in"), [(SESSION_LIVES - INSTANT, True), (SESSION_LIVES, False)])
async def test_a_session_lives_twelve_hours(
    pool: "Pool", practice: str, login_id: str, after: timedelta, *, is_in: bool
) -> None:
    token = secrets.token_urlsafe(16)
    await begin_session(pool, login_id, Login(practice, PHONE, is_code_verified=True), "pt-1", token, "csrf", NOW)

    assert (await session_of(pool, token, NOW + after) is not None) == is_in
    assert await try_login(pool, login_id, NOW, code=CODE) is None


async def test_neither_code_nor_token_is_kept_as_it_is(pool: "Pool", practice: str, login_id: str) -> None:
    token = secrets.token_urlsafe(16)
    await count_login(pool, practice, PHONE, "203.0.113.7", NOW)
    await begin_session(pool, "another", Login(practice, PHONE, is_code_verified=True), "pt-1", token, "csrf", NOW)
    async with practice_scope(pool, practice) as connection:
        kept = [
            str(row["whole"])
            for table in ("login", "session", "login_count")
            for row in await connection.fetch(
                f"SELECT one::text AS whole FROM {table} AS one WHERE practice_id = $1", practice
            )
        ]

    assert len(kept) >= 5
    assert [one for one in kept if CODE in one.replace(login_id, "") or token in one or "203.0.113.7" in one] == []
