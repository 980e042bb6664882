"""Looking at Kafka from outside, for people who run it: how far each consumer is, and what could not be processed."""

from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAuthorizationFailedError

from shared_messaging.connection import KafkaConnection, partition_counts
from shared_messaging.outgoing import Outgoing
from shared_schemas.topics import CATALOGUE, Topic

GROUPS = "switchboard-"
"""What the names of our consumer groups begin with."""
_OWN_HEADERS = "dlq_"
_POLL_MILLISECONDS = 1_000
_PATIENCE = timedelta(seconds=5)

Offsets = dict[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Waiting:
    """How far one consumer group is with a topic, by what it has committed."""

    group: str
    topic: str
    records: int
    """How many it has not handled yet."""
    oldest_at: datetime | None
    """When the oldest of them was written; None while none waits, and where we may not look into the topic."""


@dataclass(frozen=True, slots=True)
class TopicFlow:
    """One topic: everything that was ever written to it, and its dead letters that are still kept."""

    topic: str
    written: int
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Flow:
    """The whole way of a message, at one moment."""

    topics: tuple[TopicFlow, ...]
    consumers: tuple[Waiting, ...]


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A record that could not be processed, as it is kept."""

    position: str
    """`<dead-letter topic>:<partition>:<offset>`."""
    at: datetime
    original_topic: str
    error: str
    reason: str
    original: Outgoing
    """What `Publisher.send` puts back, byte for byte. Holds patient data: never to be shown."""

    def is_of(self, practice_id: str) -> bool:
        """Whether its key is of this practice."""
        key = (self.original.key or b"").decode(errors="replace")
        return key.partition("/")[0] == practice_id


async def flow_of(kafka: KafkaConnection, topics: Collection[Topic] = CATALOGUE) -> Flow:
    """Where everything stands. Raises `MissingTopics`, or aiokafka's error when Kafka cannot be reached."""
    names = [name for topic in topics for name in (topic.name, topic.dead_letters)]
    async with _reader(kafka) as reader:
        partitions = await _partitions(kafka, names)
        starts, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
        flows = tuple(
            TopicFlow(
                topic.name,
                sum(_of(topic.name, ends).values()),
                sum(ends[one] - starts[one] for one in partitions if one.topic == topic.dead_letters),
            )
            for topic in topics
        )
        consumers = [
            await _waiting(reader, group, topic, offsets, starts, ends)
            for group, committed in (await _committed(kafka)).items()
            for topic, offsets in _by_topic(committed)
            if topic in names
        ]
    return Flow(flows, tuple(consumers))


async def dead_letters_of(kafka: KafkaConnection, practice_id: str | None, *, most: int) -> list[KeptLetter]:
    """The newest `most` dead letters of a practice, or of all of them; the newest first.

    Raises as `flow_of` does.
    """
    async with _reader(kafka) as reader:
        partitions = await _partitions(kafka, [topic.dead_letters for topic in CATALOGUE])
        starts, ends = await reader.beginning_offsets(partitions), await reader.end_offsets(partitions)
        begin = {one: max(starts[one], ends[one] - most) for one in partitions if starts[one] < ends[one]}
        found = [_letter(record) async for record in _records(reader, begin, ends)]
    of_practice = [one for one in found if practice_id is None or one.is_of(practice_id)]
    return sorted(of_practice, key=lambda one: one.at, reverse=True)[:most]


async def _waiting(  # noqa: PLR0913 - what a lag is made of
    reader: AIOKafkaConsumer, group: str, topic: str, committed: Offsets, starts: Offsets, ends: Offsets
) -> Waiting:
    reached = {one: max(offset, starts[one]) for one, offset in committed.items() if one in ends}
    behind = {one: offset for one, offset in reached.items() if offset < ends[one]}
    first = {one: offset + 1 for one, offset in behind.items()}
    try:
        oldest = [record.timestamp async for record in _records(reader, behind, first)] if behind else []
    except TopicAuthorizationFailedError:
        oldest = []  # we may see how far a topic is, and not what is in it
    return Waiting(
        group.removeprefix(GROUPS),
        topic,
        sum(ends[one] - offset for one, offset in behind.items()),
        datetime.fromtimestamp(min(oldest) / 1000, UTC) if oldest else None,
    )


async def _committed(kafka: KafkaConnection) -> dict[str, Offsets]:
    admin = AIOKafkaAdminClient(**kafka.options)
    await admin.start()
    try:
        groups = [name for name, _ in await admin.list_consumer_groups() if name.startswith(GROUPS)]
        found = {group: await admin.list_consumer_group_offsets(group) for group in sorted(groups)}
    finally:
        await admin.close()
    return {
        group: {partition: kept.offset for partition, kept in offsets.items() if kept.offset >= 0}
        for group, offsets in found.items()
    }


async def _partitions(kafka: KafkaConnection, names: Collection[str]) -> list[TopicPartition]:
    counts = await partition_counts(kafka, names, patience=_PATIENCE)
    return [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]


@asynccontextmanager
async def _reader(kafka: KafkaConnection) -> AsyncGenerator[AIOKafkaConsumer]:
    reader = AIOKafkaConsumer(**kafka.options, enable_auto_commit=False)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def _records(
    reader: AIOKafkaConsumer, begin: Offsets, end: Offsets
) -> "AsyncGenerator[ConsumerRecord[bytes, bytes]]":
    """What lies between, in each partition. Gives up on what does not come within a second: this is for looking."""
    reader.assign(list(begin))
    for partition, offset in begin.items():
        reader.seek(partition, offset)
    unread = {partition for partition, offset in begin.items() if offset < end[partition]}
    while unread:
        polled = await reader.getmany(*unread, timeout_ms=_POLL_MILLISECONDS)
        for partition, records in polled.items():
            for record in records:
                if record.offset < end[partition]:
                    yield record
        unread = {one for one in unread if await reader.position(one) < end[one]} if polled else set()


def _letter(record: "ConsumerRecord[bytes, bytes]") -> KeptLetter:
    own = {name: value.decode(errors="replace") for name, value in record.headers if name.startswith(_OWN_HEADERS)}
    headers = tuple((name, value) for name, value in record.headers if not name.startswith(_OWN_HEADERS))
    topic = own.get("dlq_topic", "")
    return KeptLetter(
        position=f"{record.topic}:{record.partition}:{record.offset}",
        at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        original_topic=topic,
        error=own.get("dlq_error", ""),
        reason=own.get("dlq_reason", ""),
        original=Outgoing(topic, record.key, record.value, headers),
    )


def _of(topic: str, offsets: Offsets) -> Offsets:
    return {one: offset for one, offset in offsets.items() if one.topic == topic}


def _by_topic(offsets: Offsets) -> Iterable[tuple[str, Offsets]]:
    return [(topic, _of(topic, offsets)) for topic in sorted({one.topic for one in offsets})]
