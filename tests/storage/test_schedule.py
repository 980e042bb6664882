"""A practice's schedule: what is older than it says goes, by a clock that the test drives; unfinished work never goes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

import notifier.storage.forgetting
import router.storage.forgetting
from ingest.adapters.blobs import Blobs
from ingest.attachments import Attachments
from ingest.forgetting import Forgetting
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate
from shared_database.retention import EVERY, LEASE, ForgetOld, forget_what_is_due
from shared_schemas.practice_settings import Retention, RoutingSettingsPublishedV1
from switchboard_cli.origin import SCHEMAS

if TYPE_CHECKING:
    from shared_database.pools import Pool

NOW = datetime.now(UTC) + timedelta(hours=1)
DAY = timedelta(days=1)
KEPT = Retention(messages_days=60, files_days=90, decisions_days=30)
NOTIFIED = """
INSERT INTO conversation (practice_id, conversation_id, patient_id, version, is_open, inbox_kind, reason, location,
    provider, audience, updated_at) VALUES ($1, $2, $2, 1, $3, 'unassigned', '{}', '{}', '{}', '{}', $4);
"""
SAID = """
INSERT INTO thread_message (practice_id, message_id, conversation_id, sender, channel, body, attachments, sent_at)
VALUES ($1, $2, $3, 'patient', 'web', 'Made-up words', '[]', $4)
"""


@pytest.fixture
def practice_id(postgres_dsn: str) -> str:
    migrate(postgres_dsn, SCHEMAS)
    return f"kept-{uuid4().hex[:8]}"


@asynccontextmanager
async def pool_of(dsn: str, schema: str) -> "AsyncGenerator[Pool]":
    async with await create_pool(DatabaseLogin(dsn, schema), min_size=0) as pool:
        yield pool


async def run(pool: "Pool", practice_id: str, *statements: tuple[object, ...]) -> None:
    async with practice_scope(pool, practice_id) as connection:
        for statement, *arguments in statements:
            await connection.execute(str(statement), practice_id, *arguments)


async def ids(pool: "Pool", practice_id: str, column: str, table: str) -> set[str]:
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(f"SELECT {column} FROM {table} WHERE practice_id = $1", practice_id)
    return {row[column] for row in rows}


def settings(practice_id: str) -> str:
    return RoutingSettingsPublishedV1(practice_id=practice_id, version=1, retention=KEPT).model_dump_json()


async def a_day_passes(pool: "Pool", forget_old: ForgetOld) -> None:
    await forget_what_is_due(pool, lambda: NOW, forget_old)


async def notifier_practice(pool: "Pool", practice_id: str) -> None:
    """Closed and open conversations with a message of each age."""
    await run(pool, practice_id, ("INSERT INTO practice VALUES ($1, 1, $2)", settings(practice_id)))
    for talk, is_open, days in (("closed", False, (59, 61)), ("open", True, (59, 61)), ("gone", False, (61, 200))):
        await run(
            pool,
            practice_id,
            (NOTIFIED, talk, is_open, NOW - min(days) * DAY),
            *((SAID, f"{talk}-{age}", talk, NOW - age * DAY) for age in days),
            *(
                (
                    "INSERT INTO notification VALUES ($1, $2, 'fay', $2, $3, 'subscription', NULL, $4)",
                    f"{talk}-{age}", talk, NOW - age * DAY,
                )
                for age in days
            ),
        )  # fmt: skip


async def test_old_messages_go_and_those_of_open_conversations_stay(postgres_dsn: str, practice_id: str) -> None:
    async with pool_of(postgres_dsn, "notifier") as pool:
        await notifier_practice(pool, practice_id)
        await a_day_passes(pool, notifier.storage.forgetting.forget_old)

        assert await ids(pool, practice_id, "message_id", "thread_message") == {"closed-59", "open-59", "open-61"}
        assert await ids(pool, practice_id, "notification_id", "notification") == {"closed-59", "open-59", "open-61"}
        assert await ids(pool, practice_id, "conversation_id", "conversation") == {"closed", "open"}
        assert await ids(pool, practice_id, "unseen", "unseen_count") == {3}


async def test_of_ingest_nothing_goes_that_is_open_or_still_to_be_sent_or_copied(
    postgres_dsn: str, practice_id: str, tmp_path: Path
) -> None:
    old, blobs = NOW - 100 * DAY, Blobs(tmp_path.as_uri())
    text = (
        "INSERT INTO outgoing_text VALUES ($1, $2, $3, 'Made-up words', $4, NULL, NULL, NULL, 'reply', NULL, NULL, $5)"
    )
    file = "INSERT INTO attachment VALUES ($1, $2, $3, 'm', $4, NULL, 'image/png', 3, NULL, NULL, $5)"
    async with pool_of(postgres_dsn, "ingest") as pool:
        await run(
            pool,
            practice_id,
            ("INSERT INTO settings VALUES ($1, 1, $2)", settings(practice_id)),
            ("INSERT INTO conversation VALUES ($1, 'pt-open', 1, true)",),
            ("INSERT INTO thread_message VALUES ($1, 'pt-open', 'open', 'patient', 'Words', $2)", old),
            ("INSERT INTO thread_message VALUES ($1, 'pt-1', 'old', 'patient', 'Words', $2)", old),
            ("INSERT INTO thread_message VALUES ($1, 'pt-1', 'new', 'patient', 'Words', $2)", NOW - 59 * DAY),
            (text, "sent", "pt-1", old, "sent"),
            (text, "open", "pt-open", old, "sent"),
            (text, "failed", "pt-1", old, "failed"),
            (text, "waits", "pt-1", old, None),
            ("INSERT INTO text_queue (practice_id, patient_id, text_id, due_at) VALUES ($1, 'pt-1', 'waits', now())",),
            (file, "old", "pt-1", "ready", old),
            (file, "open", "pt-open", "ready", old),
            (file, "waits", "pt-1", "pending", old),
            (file, "new", "pt-1", "ready", NOW - 89 * DAY),
        )
        for name in ("old", "open", "new"):
            await blobs.put(f"{practice_id}/{name}", b"abc")
        forgetting = Forgetting(Attachments(pool, blobs, lambda: NOW, 100))
        await a_day_passes(pool, forgetting.forget_old)

        assert await ids(pool, practice_id, "message_id", "thread_message") == {"open", "new"}
        assert await ids(pool, practice_id, "text_id", "outgoing_text") == {"open", "failed", "waits"}
        assert await ids(pool, practice_id, "attachment_id", "attachment") == {"open", "waits", "new"}
        assert {one.name for one in (tmp_path / practice_id).iterdir()} == {"open", "new"}


async def test_decisions_and_changes_go_after_the_practices_own_time(postgres_dsn: str, practice_id: str) -> None:
    decided = "INSERT INTO decision VALUES ($1, $2, $3, $4, false, '{}', 0)"
    changed = "INSERT INTO applied_change VALUES ($1, $2, $4, jsonb_build_object('patient_id', $3::text))"
    saved = "INSERT INTO routing_settings VALUES ($1, 1, $2, now(), 'ada', true, NULL)"
    talk = "INSERT INTO conversation (practice_id, patient_id, is_open, destination_kind, version) "
    async with pool_of(postgres_dsn, "router") as pool:
        await run(
            pool,
            practice_id,
            (saved, settings(practice_id)),
            (talk + "VALUES ($1, 'pt-open', true, 'unassigned', 1)",),
            *(
                (statement, f"{patient}-{days}", patient, NOW - days * DAY)
                for statement in (decided, changed)
                for patient in ("pt-1", "pt-open")
                for days in (29, 31)
            ),
        )
        await a_day_passes(pool, router.storage.forgetting.forget_old)

        left = {"pt-1-29", "pt-open-29", "pt-open-31"}
        assert await ids(pool, practice_id, "message_id", "decision") == left
        assert await ids(pool, practice_id, "change_id", "applied_change") == left


async def test_a_practice_is_looked_at_once_a_day_by_one_instance_and_by_another_if_that_dies(
    postgres_dsn: str, practice_id: str
) -> None:
    looked_at: list[datetime] = []
    now = [NOW]

    async def look(_: "Pool", asked: str, at: datetime, *, dies: bool = False) -> int:
        if asked == practice_id:
            looked_at.append(at)
            if dies:
                raise OSError
        return 0

    async def instances(*looks: ForgetOld) -> Sequence[object]:
        rounds = (forget_what_is_due(pool, lambda: now[0], one) for one in looks)
        return await asyncio.gather(*rounds, return_exceptions=True)

    async with pool_of(postgres_dsn, "router") as pool:
        saved = "INSERT INTO routing_settings VALUES ($1, 1, $2, now(), 'ada', true, NULL)"
        await run(pool, practice_id, (saved, settings(practice_id)))
        await pool.execute("UPDATE retention_due SET due_at = $1 WHERE practice_id = $2", NOW, practice_id)
        await instances(look, look, look)
        at_once = len(looked_at)
        now[0] += EVERY
        await instances(partial(look, dies=True))
        await instances(look)
        while_leased = len(looked_at)
        now[0] += LEASE
        await instances(look)

    assert (at_once, while_leased, len(looked_at)) == (1, 2, 3)
