"""Whose an address is, asked of a real PostgreSQL."""

import secrets
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from ingest.app import SCHEMA
from ingest.storage.contacts import caller_at, contact_of, patients_born_on, survivor_of
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from shared_database.pools import Pool

PHONE, OTHER_PHONE = "+13125550101", "+13125550102"
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
BORN = date(1990, 1, 2)


@pytest.fixture
def practice() -> str:
    return "practice-" + secrets.token_hex(4)


@pytest.fixture
async def pool(postgres_dsn: str) -> "AsyncGenerator[Pool]":
    migrate(postgres_dsn, [SCHEMA])
    async with await create_pool(DatabaseLogin(postgres_dsn, SCHEMA.schema), min_size=0) as pool:
        yield pool


async def know(  # noqa: PLR0913 - a record has as many fields as it has
    pool: "Pool",
    practice: str,
    patient_id: str,
    phones: list[str],
    *,
    merged_into: str | None = None,
    born: date = BORN,
    is_active: bool = True,
) -> None:
    async with practice_scope(pool, practice) as connection:
        await connection.execute(
            "INSERT INTO patient VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (practice_id, patient_id) "
            "DO UPDATE SET phones = excluded.phones, is_active = excluded.is_active, merged_into = excluded.merged_into",
            practice, patient_id, born, phones, is_active and merged_into is None, NOW, merged_into,
        )  # fmt: skip


async def test_a_households_phone_is_a_contact_whose_candidates_are_listed(pool: "Pool", practice: str) -> None:
    await know(pool, practice, "pt-1", [PHONE])
    await know(pool, practice, "pt-2", [PHONE, OTHER_PHONE])

    sender = await caller_at(pool, practice, None, PHONE)
    contact = await contact_of(pool, practice, sender.patient_id)

    assert sender.identity == "ambiguous"
    assert contact is not None
    assert (contact.phone, contact.candidates, contact.linked_to) == (PHONE, ["pt-1", "pt-2"], None)
    assert (await caller_at(pool, practice, None, OTHER_PHONE)).patient_id == "pt-2"


async def test_the_same_phone_is_another_contact_in_another_practice(pool: "Pool", practice: str) -> None:
    first, again = [await caller_at(pool, practice, None, PHONE) for _ in range(2)]
    elsewhere = await caller_at(pool, practice + "-next-door", None, PHONE)

    assert first == again
    assert first.identity == "unknown"
    assert elsewhere.patient_id != first.patient_id


async def test_a_phone_that_is_somebody_elses_now_points_to_them(pool: "Pool", practice: str) -> None:
    await know(pool, practice, "pt-1", [PHONE])
    before = await caller_at(pool, practice, None, PHONE)
    await know(pool, practice, "pt-1", [OTHER_PHONE])
    await know(pool, practice, "pt-2", [PHONE])

    assert before.patient_id == "pt-1"
    assert (await caller_at(pool, practice, None, PHONE)).patient_id == "pt-2"


async def test_a_record_that_is_not_in_use_is_nobodys(pool: "Pool", practice: str) -> None:
    await know(pool, practice, "pt-1", [PHONE], is_active=False)
    before = await caller_at(pool, practice, None, PHONE)
    await know(pool, practice, "pt-2", [PHONE])

    assert before.identity == "unknown"
    assert (await caller_at(pool, practice, None, PHONE)).patient_id == "pt-2"


async def test_a_merged_record_is_followed_to_the_one_that_is_left(pool: "Pool", practice: str) -> None:
    await know(pool, practice, "old", [PHONE], merged_into="newer")
    await know(pool, practice, "newer", [], merged_into="newest")
    await know(pool, practice, "newest", [OTHER_PHONE])

    assert (await caller_at(pool, practice, None, PHONE)).patient_id == "newest"
    assert await patients_born_on(pool, practice, PHONE, BORN) == ["newest"]
    assert await survivor_of(pool, practice, "old") == "newest"


async def test_records_merged_in_a_ring_are_nobody(pool: "Pool", practice: str) -> None:
    await know(pool, practice, "pt-1", [PHONE], merged_into="pt-2")
    await know(pool, practice, "pt-2", [PHONE], merged_into="pt-1")

    assert (await caller_at(pool, practice, None, PHONE)).identity == "unknown"
    assert await survivor_of(pool, practice, "pt-1") is None


async def test_what_a_question_let_a_connection_see_it_sees_no_longer(pool: "Pool", practice: str) -> None:
    await know(pool, practice, "pt-1", [PHONE])
    async with pool.acquire() as connection:
        asked = [[practice], ["contact-1"], [PHONE], [None]]
        (row,) = await connection.fetch("SELECT * FROM writers_at($1, $2, $3, $4)", *asked)
        seen = await connection.fetchval("SELECT count(*) FROM patient")

    assert row["patients"] == ["pt-1"]
    assert seen == 0
