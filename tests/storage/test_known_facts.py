"""What router asks before it decides: each patient is told once, however many messages and appointments there are."""

from datetime import UTC, datetime, timedelta

import asyncpg

import router.app
from router.domain.facts import Appointment, Conversation, PlaceId
from router.storage.facts import known_of
from shared_database import DatabaseLogin, create_pool, set_practices
from shared_database.migrations import migrate

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
PRACTICE, OFTEN, NEVER = "told-once", "writes-often", "never-seen"


async def test_several_messages_of_a_patient_with_several_appointments(postgres_dsn: str) -> None:
    migrate(postgres_dsn, [router.app.SCHEMA])
    owner = await asyncpg.connect(postgres_dsn, server_settings={"search_path": "router"})
    starts = [NOW + timedelta(days=days) for days in (3, 1, 2)]
    await owner.executemany(
        "INSERT INTO appointment VALUES ($1, $2, $3, 'booked', $4, 'elm', NULL, $5)",
        [(PRACTICE, OFTEN, f"a{start.day}", start, NOW) for start in starts],
    )
    await owner.execute(
        "INSERT INTO conversation (practice_id, patient_id, is_open, destination_kind, version) "
        "VALUES ($1, $2, true, 'unassigned', 7)",
        PRACTICE, OFTEN,
    )  # fmt: skip
    events = [(PRACTICE, OFTEN, "m1"), (PRACTICE, NEVER, "m2"), (PRACTICE, OFTEN, "m3"), (PRACTICE, OFTEN, "m3")]
    async with (
        await create_pool(DatabaseLogin(postgres_dsn, "router"), min_size=1) as pool,
        pool.acquire() as connection,
    ):
        await set_practices(connection, [PRACTICE])
        known = await known_of(connection, events, {PRACTICE: -1}, since=NOW, handled="decision", handled_at=[NOW])
    await owner.close()

    often, never = known.patients[PRACTICE, OFTEN], known.patients[PRACTICE, NEVER]
    assert often.conversation == Conversation(is_open=True, version=7)
    assert often.appointments == [
        Appointment(f"a{start.day}", start, PlaceId("elm"), None, NOW) for start in sorted(starts)
    ]
    assert (never.conversation, never.appointments) == (Conversation(), [])
    assert (known.handled, list(known.practices)) == (set(), [PRACTICE])
