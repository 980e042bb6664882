"""Reads the dead-letter topics, and puts dead letters back to where they came from."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from shared_messaging import partition_counts
from shared_schemas.topics import CATALOGUE
from switchboard_cli.connecting import kafka_at
from switchboard_cli.failures import Failed
from switchboard_cli.progress import Progress

_OWN_HEADERS = "dlq_"
_POLL_MILLISECONDS = 1000
_PATIENCE = timedelta(seconds=5)


def _silently(_done: int, _total: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that could not be processed. `key`, `value` and `headers` are the original's."""

    topic: str
    """The dead-letter topic."""
    partition: int
    offset: int
    at: datetime
    original_topic: str
    original_position: str
    error: str
    reason: str
    attempts: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def position(self) -> str:
        """How the command line names it: `<dead-letter topic>:<partition>:<offset>`."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    def as_row(self) -> dict[str, object]:
        """What may be shown: no patient data, so neither the value nor the headers of the original."""
        return {
            "position": self.position,
            "at": self.at.isoformat(),
            "original": self.original_position,
            "error": self.error,
            "reason": self.reason,
            "attempts": self.attempts,
            "bytes": len(self.value or b""),
        }


async def list_dead_letters(
    bootstrap_servers: str, topic: str | None = None, progress: Progress = _silently
) -> list[DeadLetter]:
    """All dead letters, the oldest first; of one original topic where it is named."""
    names = [entry.dead_letters for entry in CATALOGUE if topic in {None, entry.name, entry.dead_letters}]
    if not names:
        message = f"there is no topic {topic} in the catalogue"
        raise Failed(message)
    counts = await partition_counts(kafka_at(bootstrap_servers), names, patience=_PATIENCE)
    partitions = [TopicPartition(name, part) for name, count in counts.items() for part in range(count)]
    async with _reader(bootstrap_servers) as reader:
        found = [letter async for letter in _read(reader, partitions, progress)]
    return sorted(found, key=lambda letter: letter.at)


async def dead_letter_at(bootstrap_servers: str, position: str, progress: Progress = _silently) -> DeadLetter:
    """The dead letter at `<topic>:<partition>:<offset>`. Raises `Failed` when there is none."""
    topic, partition, offset = _parse(position)
    for letter in await list_dead_letters(bootstrap_servers, topic, progress):
        if (letter.partition, letter.offset) == (partition, offset):
            return letter
    message = f"there is no dead letter at {position}: see switchboard dlq list"
    raise Failed(message)


async def replay(bootstrap_servers: str, letters: Sequence[DeadLetter], progress: Progress = _silently) -> int:
    """Put dead letters back to their topics, byte for byte, and return how many. Safe to repeat: ids stay the same."""
    producer = AIOKafkaProducer(**kafka_at(bootstrap_servers).options, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for done, letter in enumerate(letters):
            progress(done, len(letters))
            await producer.send_and_wait(
                letter.original_topic, value=letter.value, key=letter.key, headers=list(letter.headers)
            )
    finally:
        await producer.stop()
    return len(letters)


@asynccontextmanager
async def _reader(bootstrap_servers: str) -> AsyncGenerator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(**kafka_at(bootstrap_servers).options, enable_auto_commit=False)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def _read(
    reader: AIOKafkaConsumer, partitions: list[TopicPartition], progress: Progress
) -> AsyncGenerator[DeadLetter]:
    """Everything that is in these partitions now."""
    ends = await reader.end_offsets(partitions)
    starts = await reader.beginning_offsets(partitions)
    done, total = 0, sum(ends[partition] - starts[partition] for partition in partitions)
    open_partitions = {partition for partition in partitions if starts[partition] < ends[partition]}
    reader.assign(sorted(open_partitions))
    for partition in open_partitions:
        reader.seek(partition, starts[partition])
    while open_partitions:
        for partition, records in (await reader.getmany(timeout_ms=_POLL_MILLISECONDS)).items():
            for record in records:
                if record.offset < ends[partition]:
                    yield _dead_letter(record)
            done += len(records)
            progress(done, total)
        for partition in list(open_partitions):
            if await reader.position(partition) >= ends[partition]:
                open_partitions.discard(partition)


def _dead_letter(record: "ConsumerRecord[bytes | None, bytes | None]") -> DeadLetter:
    own = {name: value.decode() for name, value in record.headers if name.startswith(_OWN_HEADERS)}
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        original_topic=own["dlq_topic"],
        original_position=f"{own['dlq_topic']}:{own['dlq_partition']}:{own['dlq_offset']}",
        error=own["dlq_error"],
        reason=own["dlq_reason"],
        attempts=own["dlq_attempts"],
        key=record.key,
        value=record.value,
        headers=tuple((name, value) for name, value in record.headers if not name.startswith(_OWN_HEADERS)),
    )


def _parse(position: str) -> tuple[str, int, int]:
    try:
        topic, partition, offset = position.rsplit(":", 2)
        return topic, int(partition), int(offset)
    except ValueError:
        message = f"{position} is no position: it looks like patient-messages-dlq:0:12"
        raise Failed(message) from None
