"""What is known of files that came with messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from ingest.domain.files import FileFailure
from ingest.storage.queues import Queue, Work, settle, take
from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

FILE_QUEUE = Queue("file_queue", "attachment_id", lease=timedelta(minutes=2))
"""Files to copy."""

State = Literal["pending", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class KnownAttachment:
    """A file. Before it is `ready` its type is what the provider says, and its size 0."""

    practice_id: str
    attachment_id: str
    patient_id: str
    state: State
    content_type: str
    size: int


async def save_attachment(pool: "Pool", one: KnownAttachment, at: datetime) -> None:
    """Note a file whose content is in the blob store already. The same again changes nothing."""
    async with practice_scope(pool, one.practice_id) as connection:
        await connection.execute(
            "INSERT INTO attachment (practice_id, attachment_id, patient_id, state, content_type, size, made_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            one.practice_id, one.attachment_id, one.patient_id, one.state, one.content_type, one.size, at,
        )  # fmt: skip


async def attachment_of(pool: "Pool", practice_id: str, attachment_id: str) -> KnownAttachment | None:
    """A file of this practice; None where it has no such file."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT practice_id, attachment_id, patient_id, state, content_type, size FROM attachment "
            "WHERE practice_id = $1 AND attachment_id = $2",
            practice_id, attachment_id,
        )  # fmt: skip
    return None if row is None else KnownAttachment(**row)


@dataclass(frozen=True, slots=True)
class ExpectedFile:
    """A file that is at a provider and has to be copied."""

    attachment_id: str
    content_type: str
    """What the provider says that it is."""
    source_url: str


@dataclass(frozen=True, slots=True)
class DueFile:
    """A file that has to be copied now."""

    practice_id: str
    attachment_id: str
    patient_id: str
    message_id: str
    content_type: str
    source_url: str
    channel_id: str
    attempts: int

    @property
    def work(self) -> Work:
        """What it is in the queue."""
        return self.practice_id, self.attachment_id


async def expect_files(
    pool: "Pool",
    practice_id: str,
    patient_id: str,
    message_id: str,
    channel_id: str,
    files: Sequence[ExpectedFile],
    at: datetime,
) -> None:
    """Note files of a message, and that they have to be copied; durable on return. The same again changes nothing."""
    ids = [one.attachment_id for one in files]
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            """
            WITH noted AS (
                INSERT INTO attachment (practice_id, attachment_id, patient_id, message_id, state, content_type, size,
                    source_url, channel_id, made_at)
                SELECT $1, attachment_id, $2, $3, 'pending', content_type, 0, source_url, $4, $5
                FROM unnest($6::text[], $7::text[], $8::text[]) AS new (attachment_id, content_type, source_url)
                ON CONFLICT DO NOTHING RETURNING attachment_id
            )
            INSERT INTO file_queue (practice_id, attachment_id, due_at) SELECT $1, attachment_id, now() FROM noted
            """,
            practice_id, patient_id, message_id, channel_id, at,
            ids, [one.content_type for one in files], [one.source_url for one in files],
        )  # fmt: skip


async def take_files(pool: "Pool", limit: int) -> list[DueFile]:
    """Take files that are due, the first ones first."""
    attempts = await take(pool, FILE_QUEUE, limit)
    if not attempts:
        return []
    practices, files = zip(*attempts, strict=True)
    async with practice_scope(pool, *set(practices)) as connection:
        found = await connection.fetch(
            "SELECT practice_id, attachment_id, patient_id, message_id, content_type, source_url, channel_id "
            "FROM attachment "
            "JOIN unnest($1::text[], $2::text[]) AS asked (practice_id, attachment_id) USING (practice_id, attachment_id)",
            practices, files,
        )  # fmt: skip
    return [DueFile(attempts=attempts[row["practice_id"], row["attachment_id"]], **row) for row in found]


async def settle_file(
    connection: "Connection", one: DueFile, content_type: str, size: int, failure: FileFailure | None
) -> None:
    """It is copied, or with a `failure` given up."""
    await connection.execute(
        "UPDATE attachment SET state = $3, failure = $4, content_type = $5, size = $6 "
        "WHERE practice_id = $1 AND attachment_id = $2",
        one.practice_id, one.attachment_id, "failed" if failure else "ready", failure, content_type, size,
    )  # fmt: skip
    await settle(connection, FILE_QUEUE, one.work)
