"""What a batch asks of its keys is found by them, row by row: not by reading all that a practice has, as PostgreSQL may
choose to while it has no statistics of a table. A plan that was made for an empty table stays until it has.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING

import asyncpg
import pytest

import notifier.app
import router.app
from notifier.storage.projection import Known, known_of
from router.storage import facts
from router.storage.facts import Handled
from shared_database import DatabaseLogin, create_pool, set_practices
from shared_database.migrations import migrate

if TYPE_CHECKING:
    from shared_database.pools import Connection

NOW = datetime.now(UTC)
PRACTICE, NEIGHBOUR = "looked-up", "neighbour"
ROWS, ASKED = 2_000, 5
KEYS = [(PRACTICE, str(number)) for number in range(1, 1 + ASKED)]
TRIES = 6
"""Of these PostgreSQL would plan the first five anew, and then as it thinks best."""

_READ = """
SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables
WHERE schemaname = $1 AND starts_with(relname, $2)
"""
"""Rows that this connection has read and not reported yet."""

_PLANNED_ANEW = "SELECT sum(custom_plans) FROM pg_prepared_statements WHERE statement LIKE '%unnest%'"
"""How often a question of several keys was planned for its arguments alone."""


async def _part(part: Callable[[Known], object], connection: "Connection") -> object:
    return part(await known_of(connection, [(practice, one, one, one) for practice, one in KEYS]))


async def _fact(part: Callable[[facts.Known], object], handled: Handled, connection: "Connection") -> object:
    events, versions = [(practice, one, one) for practice, one in KEYS], {PRACTICE: 0}
    return part(await facts.known_of(connection, events, versions, since=NOW, handled=handled, handled_at=[NOW]))


Ask = Callable[["Connection"], Awaitable[object]]
LOOK_UPS: dict[str, tuple[str, str, Ask]] = {
    "decisions": (
        "router",
        (
            "decision (practice_id, message_id, patient_id, received_at, is_unrouted, record, conversation_version) "
            "SELECT $1, n, n, now(), false, '{}', 1"
        ),
        lambda connection: _fact(attrgetter("handled"), "decision", connection),
    ),
    "changes": (
        "router",
        "applied_change (practice_id, change_id, applied_at, record) SELECT $1, n, now(), '{}'",
        lambda connection: _fact(attrgetter("handled"), "applied_change", connection),
    ),
    "conversations": (
        "router",
        "conversation (practice_id, patient_id, is_open, destination_kind, version) SELECT $1, n, true, 'unassigned', 1",
        lambda connection: _fact(attrgetter("patients"), "decision", connection),
    ),
    "listed conversations": (
        "notifier",
        (
            "conversation (practice_id, conversation_id, patient_id, version, is_open, inbox_kind, reason, location, "
            "provider, audience, inboxes, updated_at) "
            "SELECT $1, n, n, 1, true, 'unassigned', '{\"id\": null}', '{\"id\": null}', '{}', '{}', '{}', now()"
        ),
        lambda connection: _part(attrgetter("conversations"), connection),
    ),
    "messages of threads": (
        "notifier",
        (
            "thread_message (practice_id, message_id, conversation_id, sender, channel, body, attachments, sent_at) "
            "SELECT $1, n, n, 'patient', 'sms', 'Made up', '[]', now()"
        ),
        lambda connection: _part(attrgetter("messages"), connection),
    ),
    "names": (
        "notifier",
        "patient (practice_id, patient_id, given_name, family_name, as_of) SELECT $1, n, 'Made', 'Up', now()",
        lambda connection: _part(attrgetter("names"), connection),
    ),
}


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> str:
    migrate(postgres_dsn, [router.app.SCHEMA, notifier.app.SCHEMA])
    return postgres_dsn


@pytest.mark.parametrize("at_first", [0, 20])
@pytest.mark.parametrize("name", LOOK_UPS)
async def test_a_batch_reads_the_rows_of_its_keys_and_no_others(dsn: str, name: str, at_first: int) -> None:
    schema, rows, ask = LOOK_UPS[name]
    table = rows.split(maxsplit=1)[0]
    owner = await asyncpg.connect(dsn, server_settings={"search_path": schema})

    async def fill(practice_id: str, count: int) -> None:
        statement = f"INSERT INTO {table} {rows.removeprefix(table)} FROM unnest($2::text[]) AS n"
        await owner.execute(statement, practice_id, [str(number) for number in range(count)])

    await owner.execute(f"DELETE FROM {table} WHERE practice_id = ANY ($1)", [PRACTICE, NEIGHBOUR])
    if at_first:
        await fill(NEIGHBOUR, at_first)
        await owner.execute(f"ANALYZE {table}")
    async with await create_pool(DatabaseLogin(dsn, schema), min_size=1) as pool, pool.acquire() as connection:
        await set_practices(connection, [PRACTICE])
        for _ in range(TRIES):
            await ask(connection)
        await fill(PRACTICE, ROWS)
        async with connection.transaction():
            before = await connection.fetchval(_READ, schema, table)
            found = await ask(connection)
            read = await connection.fetchval(_READ, schema, table) - before
        planned_anew = await connection.fetchval(_PLANNED_ANEW)
    await owner.close()

    assert len(found) == ASKED  # type: ignore[arg-type]
    assert read <= 2 * ASKED
    assert planned_anew == 0
