"""Reading a topic without a group: every instance sees every record, from shortly before its start on."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Self

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from shared_messaging.connection import KafkaConnection, partition_counts
from shared_messaging.records import Record

log = structlog.get_logger()

_POLL_MILLISECONDS = 500
_FETCH_WAIT_MILLISECONDS = 100
"""How long the broker may hold a fetch for which it has nothing; its answer comes with the first record all the same."""
_RETRY_SECONDS = 1.0


class TopicTail:
    """Hands each record of a topic to `receive`, in the order of its partition. An asynchronous context manager.

    It begins `history` records before the end of each partition. An outage of Kafka is waited out: it goes on where it
    was, so nothing is left out.
    """

    def __init__(
        self, kafka: KafkaConnection, topic: str, receive: Callable[[Sequence[Record]], None], *, history: int
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._receive = receive
        self._history = history
        self._positions: dict[TopicPartition, int] = {}
        self._task: asyncio.Task[None] | None = None
        self._started_at_ends: dict[TopicPartition, int] = {}
        self._caught_up = asyncio.Event()
        self.partitions = 0
        """How many partitions the topic has; known once started."""

    async def __aenter__(self) -> Self:
        """Find out where to begin. Raises `MissingTopics`, or aiokafka's error when Kafka cannot be reached."""
        self.partitions = (await partition_counts(self._kafka, [self._topic]))[self._topic]
        every = [TopicPartition(self._topic, number) for number in range(self.partitions)]
        async with _consumer(self._kafka) as consumer:
            starts, ends = await consumer.beginning_offsets(every), await consumer.end_offsets(every)
        self._started_at_ends = dict(ends)
        self._positions = {one: max(starts[one], ends[one] - self._history) for one in every}
        self._task = asyncio.create_task(self._follow(), name=f"tail of {self._topic}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def position(self, partition: int) -> int:
        """The offset of the next record that `receive` will get of this partition."""
        return self._positions[TopicPartition(self._topic, partition)]

    @property
    def is_caught_up(self) -> bool:
        """Whether everything has been received that was in the topic at the start."""
        return self._caught_up.is_set()

    async def until_caught_up(self, seconds: float) -> bool:
        """Wait for it, but not longer than so; whether it is so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._caught_up.wait()
        return self.is_caught_up

    async def records(
        self, partition: int, start: int, end: int, *, before: int, wanted: Callable[[int, bytes | None], bool]
    ) -> list[Record] | None:
        """The records from offset `start` up to, not including, `end`, and as many as there are of `before` offsets before
        them, of those whose offset and key are `wanted`; None when the log does not begin as early as `start`.
        """
        part = TopicPartition(self._topic, partition)
        async with _consumer(self._kafka) as consumer:
            beginning = (await consumer.beginning_offsets([part]))[part]
            if start < beginning:
                return None
            start = max(beginning, start - before)
            consumer.assign([part])
            consumer.seek(part, start)
            found: list[Record] = []
            while start < end:
                polled = await consumer.getmany(part, timeout_ms=_POLL_MILLISECONDS)
                found += [
                    _record(record)
                    for record in polled.get(part, [])
                    if record.offset < end and wanted(record.offset, record.key)
                ]
                start = await consumer.position(part)
        return found

    async def _follow(self) -> None:
        while True:
            try:
                async with _consumer(self._kafka) as consumer:
                    consumer.assign(list(self._positions))
                    for partition, offset in self._positions.items():
                        consumer.seek(partition, offset)
                    while True:
                        if all(self._positions[one] >= end for one, end in self._started_at_ends.items()):
                            self._caught_up.set()
                        await self._poll(consumer)
            except (KafkaError, OSError) as error:
                log.warning("the tail of a topic is interrupted", topic=self._topic, error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        for partition, records in (await consumer.getmany(timeout_ms=_POLL_MILLISECONDS)).items():
            self._positions[partition] = records[-1].offset + 1
            self._receive([_record(record) for record in records])


@asynccontextmanager
async def _consumer(kafka: KafkaConnection) -> AsyncGenerator[AIOKafkaConsumer]:
    # "none": a position that the log no longer has is an error, never a silent jump.
    consumer = AIOKafkaConsumer(
        **kafka.options,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=_FETCH_WAIT_MILLISECONDS,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


def _record(record: "ConsumerRecord[bytes | None, bytes | None]") -> Record:
    return Record(
        record.topic, record.partition, record.offset, record.key, record.value, tuple(record.headers), record.timestamp
    )
