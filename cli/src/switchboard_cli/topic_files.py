"""Writes all records of all topics to a file, and such a file to an empty Kafka: half of a backup; PostgreSQL is the other.

Compressed JSON lines. The first says how many partitions each topic has; each of the others is a record, in the order of
its partition, its bytes in base64. The file holds patients' data.

Take PostgreSQL's copy first: what its progress has not reached is then handled again after a restore, and changes
nothing that was there (ids are derived). The other way round, records that were handled would be missing.
"""

import gzip
import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from shared_database.migrations import ServiceSchema
from shared_messaging import KafkaConnection, partition_counts
from shared_schemas.topics import CATALOGUE
from switchboard_cli.connecting import kafka_at
from switchboard_cli.failures import Failed
from switchboard_cli.progress import Progress

FORMAT = 1
_POLL_MILLISECONDS = 1000
_FLUSH_EVERY = 1_000


async def export_topics(bootstrap_servers: str, file: BinaryIO, progress: Progress) -> int:
    """Write what all topics hold at this moment, and return how many records that are."""
    kafka = kafka_at(bootstrap_servers)
    counts = await partitions_of(kafka)
    parts = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
    consumer = AIOKafkaConsumer(**kafka.options, enable_auto_commit=False, auto_offset_reset="none")
    await consumer.start()
    written = 0
    try:
        starts, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
        total = sum(ends[part] - starts[part] for part in parts)
        with gzip.open(file, "wt", encoding="ascii", compresslevel=6) as lines:
            lines.write(json.dumps({"format": FORMAT, "partitions": counts}) + "\n")
            unread = {part for part in parts if starts[part] < ends[part]}
            consumer.assign(sorted(unread))
            for part in unread:
                consumer.seek(part, starts[part])
            while unread:
                polled = await consumer.getmany(timeout_ms=_POLL_MILLISECONDS)
                for part, records in polled.items():
                    inside = [record for record in records if record.offset < ends[part]]
                    lines.writelines(_line(record) for record in inside)
                    written += len(inside)
                progress(written, total)
                unread = {part for part in unread if await consumer.position(part) < ends[part]}
    finally:
        await consumer.stop()
    return written


async def import_topics(
    bootstrap_servers: str, dsn: str, schemas: Sequence[ServiceSchema], file: BinaryIO, progress: Progress
) -> int:
    """Write a file's records to empty topics and set the consumers' progress to where their records are now.

    Raises `Failed` when a topic has records or another number of partitions: nothing is changed then.
    """
    kafka = kafka_at(bootstrap_servers)
    with gzip.open(file, "rt", encoding="ascii") as lines:
        head = json.loads(lines.readline())
        if head.get("format") != FORMAT:
            message = "this is no export of topics that this version can read"
            raise Failed(message)
        await check_empty(kafka, head["partitions"])
        connection = await asyncpg.connect(dsn)
        try:
            reached = await _progress(connection, schemas)
            positions: Counter[tuple[str, str, int]] = Counter()
            written = await _send_all(kafka, lines, reached, positions, progress)
            for schema, topic, part in reached:
                await connection.execute(
                    f"UPDATE {schema}.progress SET next_offset = $3 WHERE topic = $1 AND part = $2",  # noqa: S608 - our own
                    topic, part, positions[schema, topic, part],
                )  # fmt: skip
        finally:
            await connection.close()
    return written


async def _send_all(
    kafka: KafkaConnection,
    lines: Iterator[str],
    reached: Mapping[tuple[str, str, int], int],
    positions: Counter[tuple[str, str, int]],
    progress: Progress,
) -> int:
    """Send the records; count for each consumer those that it had handled: where it goes on in the new log."""
    producer = AIOKafkaProducer(**kafka.options, acks="all", enable_idempotence=True, linger_ms=5)
    await producer.start()
    written = 0
    schemas = sorted({schema for schema, _, _ in reached})
    try:
        for line in lines:
            topic, part, offset, at, key, value, headers = json.loads(line)
            await producer.send(
                topic, _bytes(value), _bytes(key), part, at, [(name, b64decode(content)) for name, content in headers]
            )
            for schema in schemas:
                if offset < reached.get((schema, topic, part), 0):
                    positions[schema, topic, part] += 1
            written += 1
            if written % _FLUSH_EVERY == 0:
                await producer.flush()
                progress(written, 0)
    finally:
        await producer.stop()
    return written


async def partitions_of(kafka: KafkaConnection) -> dict[str, int]:
    """How many partitions each topic of the catalogue has, and its dead letters."""
    names = [name for topic in CATALOGUE for name in (topic.name, topic.dead_letters)]
    return await partition_counts(kafka, names)


async def check_empty(kafka: KafkaConnection, wanted: dict[str, int]) -> None:
    """Raises `Failed` unless the topics have these partitions and no records."""
    counts = await partitions_of(kafka)
    if counts != wanted:
        message = f"the export has {wanted} partitions: make the same with switchboard topics apply --partitions"
        raise Failed(message)
    parts = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
    consumer = AIOKafkaConsumer(**kafka.options)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(parts)
    finally:
        await consumer.stop()
    full = sorted({part.topic for part, end in ends.items() if end})
    if full:
        message = f"these topics have records already: {', '.join(full)}. Restore into an empty Kafka"
        raise Failed(message)


async def _progress(
    connection: "asyncpg.Connection[asyncpg.Record]", schemas: Sequence[ServiceSchema]
) -> dict[tuple[str, str, int], int]:
    names = {topic.name for topic in CATALOGUE}
    return {
        (one.schema, row["topic"], row["part"]): row["next_offset"]
        for one in schemas
        for row in await connection.fetch(f"SELECT topic, part, next_offset FROM {one.schema}.progress")  # noqa: S608
        if row["topic"] in names
    }


def _line(record: "ConsumerRecord[bytes | None, bytes | None]") -> str:
    headers = [(name, _text(content)) for name, content in record.headers]
    fields = (
        record.topic, record.partition, record.offset, record.timestamp, _text(record.key), _text(record.value), headers
    )  # fmt: skip
    return json.dumps(fields, separators=(",", ":")) + "\n"


def _text(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode("ascii")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
