"""How far the services are behind their topics: the log's end against the progress that PostgreSQL holds."""

import asyncio
from collections.abc import Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared_database.migrations import ServiceSchema
from switchboard_cli.connecting import kafka_at


async def unread_records(bootstrap_servers: str, dsn: str, schemas: Sequence[ServiceSchema]) -> int | None:
    """How many records the consumers of these services have still to handle; None while one has not begun at all."""
    connection = await asyncpg.connect(dsn)
    consumer = AIOKafkaConsumer(**kafka_at(bootstrap_servers).options)
    await consumer.start()
    try:
        unread = 0
        for schema in schemas:
            rows = await connection.fetch(
                f"SELECT topic, part, next_offset FROM {schema.schema}.progress WHERE topic !~ ':'"  # noqa: S608 - our own name
            )
            if not rows:
                return None
            reached = {TopicPartition(row["topic"], row["part"]): row["next_offset"] for row in rows}
            ends = await consumer.end_offsets(list(reached))
            unread += sum(max(0, ends[partition] - offset) for partition, offset in reached.items())
        return unread
    finally:
        await consumer.stop()
        await connection.close()


async def until_caught_up(
    bootstrap_servers: str, dsn: str, schemas: Sequence[ServiceSchema], *, seconds: float = 60
) -> None:
    """Return once nothing is left to read. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while await unread_records(bootstrap_servers, dsn, schemas) != 0:
            await asyncio.sleep(0.1)
