"""Who asks for a practice is told how it is then, however many ask at once."""

import asyncio

import pytest

import notifier.app
from notifier.storage.practices import Practices
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate
from shared_schemas.practice_settings import RoutingSettingsPublishedV1

PRACTICE = "asked-by-many"
_SAVE = """
INSERT INTO practice VALUES ($1, $2, $3)
ON CONFLICT (practice_id) DO UPDATE SET settings_version = excluded.settings_version, settings = excluded.settings
"""
ASKING = 50
SAVES = 200


async def test_who_asks_after_a_save_is_told_of_it_however_many_ask(postgres_dsn: str) -> None:
    await asyncio.to_thread(migrate, postgres_dsn, [notifier.app.SCHEMA])
    practices = Practices()

    async def ask_on_and_on() -> None:
        while True:
            await practices.one(pool, PRACTICE)

    async with await create_pool(DatabaseLogin(postgres_dsn, "notifier"), max_size=3) as pool:
        others = [asyncio.create_task(ask_on_and_on()) for _ in range(ASKING)]
        for version in range(1, SAVES):
            body = RoutingSettingsPublishedV1(practice_id=PRACTICE, version=version).model_dump_json()
            async with practice_scope(pool, PRACTICE) as connection:
                await connection.execute(_SAVE, PRACTICE, version, body)
            found = await practices.one(pool, PRACTICE)
            assert found is not None
            assert found.version == version
        for other in others:
            other.cancel()
        await asyncio.wait(others)


async def test_many_who_ask_at_once_cost_one_look(postgres_dsn: str) -> None:
    await asyncio.to_thread(migrate, postgres_dsn, [notifier.app.SCHEMA])
    practices = Practices()
    async with await create_pool(DatabaseLogin(postgres_dsn, "notifier"), max_size=1) as pool:
        async with pool.acquire():
            asking = [asyncio.create_task(practices.one(pool, "never-heard-of")) for _ in range(ASKING)]
            before = asyncio.all_tasks()
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks() - before) == 1
        assert await asyncio.gather(*asking) == [None] * ASKING


async def test_making_room_for_a_practice_leaves_nobody_out_who_is_asked_about(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.storage.practices.MOST_KEPT", 1)
    await asyncio.to_thread(migrate, postgres_dsn, [notifier.app.SCHEMA])
    practices, asked = Practices(), ["room-1", "room-2", "room-3"]
    async with (
        await create_pool(DatabaseLogin(postgres_dsn, "notifier"), max_size=1) as pool,
        practice_scope(pool, *asked) as connection,
    ):
        for practice_id in asked:
            body = RoutingSettingsPublishedV1(practice_id=practice_id, version=1).model_dump_json()
            await connection.execute(_SAVE, practice_id, 1, body)
        assert (await practices.of(connection, asked[:2])).keys() == set(asked[:2])
        found = await practices.of(connection, asked)
    assert found.keys() == set(asked)
