"""Sending events: one task per process, in rounds, each merging what all callers gave since the last one.

Concurrent sends to one partition would wait for each other, unfairly; one task that merges them keeps each caller's
order and makes large requests. The producer is idempotent with acks=all; after an error that it cannot recover from
(`OutOfOrderSequenceNumber`, a batch that expired) it is replaced.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Self

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from shared_messaging import metrics
from shared_messaging.connection import KafkaConnection
from shared_messaging.failures import PublishFailed
from shared_messaging.outgoing import Outgoing

log = structlog.get_logger()

_BATCH_BYTES = 512 * 1024
_STOP_SECONDS = 5.0


@lru_cache(maxsize=100_000)
def partition_of(key: bytes | None, partitions: int) -> int:
    """Where Kafka's own clients put this key. Records without a key all go to the first partition."""
    return (murmur2(key) & 0x7FFF_FFFF) % partitions if key is not None else 0


@dataclass(slots=True, eq=False)
class _Request:
    messages: Sequence[Outgoing]
    done: "asyncio.Future[None]"
    partitions: set[TopicPartition] = field(default_factory=set)


class Publisher:
    """Sends records, and says when Kafka has them. Start it before use; it may be started while Kafka is away."""

    def __init__(
        self,
        kafka: KafkaConnection,
        *,
        delivery_timeout: timedelta = timedelta(seconds=10),
        max_waiting: int = 200_000,
    ) -> None:
        """`delivery_timeout` bounds one round; `max_waiting` bounds the records in memory that wait for theirs."""
        self._kafka = kafka
        self._timeout = delivery_timeout
        self._max_waiting = max_waiting
        self._requests: list[_Request] = []
        self._waiting = 0
        self._wake = asyncio.Event()
        self._producer: AIOKafkaProducer | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the task that sends."""
        self._task = asyncio.create_task(self._send_rounds(), name="publisher")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop. What was not acknowledged by now fails with `PublishFailed`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._fail(self._requests, "the publisher has stopped")
        self._requests = []
        await self._discard_producer()

    async def send(self, messages: Sequence[Outgoing], *, timeout: timedelta | None = None) -> None:  # noqa: ASYNC109
        """Return when Kafka has acknowledged all messages (acks=all). Messages of one call keep their order.

        Raises `PublishFailed` when that does not happen within `timeout` (else: about the delivery timeout). The
        messages may have arrived all the same: sending them again is safe, because their ids are the same.
        """
        if not messages:
            return
        if self._task is None or self._task.done():
            reason = "the publisher is not running"
            raise PublishFailed(reason)
        if self._waiting + len(messages) > self._max_waiting:
            reason = "too many records are waiting for Kafka"
            raise PublishFailed(reason)
        request = _Request(messages, asyncio.get_running_loop().create_future())
        self._requests.append(request)
        self._waiting += len(messages)
        self._wake.set()
        try:
            async with asyncio.timeout(timeout.total_seconds() if timeout else None):
                await request.done
        except TimeoutError:
            reason = "no acknowledgement in time"
            raise PublishFailed(reason) from None
        finally:
            self._waiting -= len(messages)

    async def _send_rounds(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            requests = [request for request in self._requests if not request.done.done()]
            self._requests = []
            if not requests:
                continue
            try:
                await self._round(requests)
            except Exception as error:  # noqa: BLE001 - whatever it is: nobody may wait for a task that died
                log.warning("kafka cannot be reached to publish", error=type(error).__name__)
                metrics.SEND_FAILURES.inc()
                self._fail(requests, type(error).__name__)
                await self._discard_producer()
            except asyncio.CancelledError:
                self._fail(requests, "the publisher has stopped")
                raise

    async def _round(self, requests: Sequence[_Request]) -> None:
        producer = await self._running_producer()
        async with asyncio.timeout(self._timeout.total_seconds()):  # a client whose metadata task died waits for ever
            batches = await self._batches(producer, requests)
        outcomes = await asyncio.gather(*(self._send_in_order(producer, *item) for item in batches.items()))
        failed = {partition: error for partition, error in zip(batches, outcomes, strict=True) if error is not None}
        for request in requests:
            if request.done.done():
                continue
            errors = [failed[partition] for partition in request.partitions if partition in failed]
            if errors:
                request.done.set_exception(PublishFailed(type(errors[0]).__name__))
            else:
                request.done.set_result(None)
        for topic, count in Counter(message.topic for request in requests for message in request.messages).items():
            metrics.RECORDS_SENT.labels(topic).inc(count)
        if failed:
            metrics.SEND_FAILURES.inc()
            log.warning(
                "kafka did not take all records", errors=sorted({type(error).__name__ for error in failed.values()})
            )
            await self._discard_producer()

    async def _batches(
        self, producer: AIOKafkaProducer, requests: Sequence[_Request]
    ) -> dict[TopicPartition, list[BatchBuilder]]:
        """One or more record batches for each output partition, in the order of the requests."""
        topics = {message.topic for request in requests for message in request.messages}
        counts = {topic: len(await producer.partitions_for(topic)) for topic in topics}
        batches: dict[TopicPartition, list[BatchBuilder]] = defaultdict(list)
        for request in requests:
            places: dict[tuple[str, bytes | None], list[BatchBuilder]] = {}
            for topic, key, value, headers in request.messages:
                builders = places.get((topic, key))
                if builders is None:
                    partition = TopicPartition(topic, partition_of(key, counts[topic]))
                    request.partitions.add(partition)
                    builders = places[topic, key] = batches[partition]
                pairs = list(headers)
                if not builders or builders[-1].append(key=key, value=value, timestamp=None, headers=pairs) is None:
                    builder = producer.create_batch()
                    builder.append(key=key, value=value, timestamp=None, headers=pairs)
                    builders.append(builder)
        return batches

    async def _send_in_order(
        self, producer: AIOKafkaProducer, partition: TopicPartition, batches: Sequence[BatchBuilder]
    ) -> Exception | None:
        """Send each batch once the one before it is acknowledged: of a producer that is new to it, Kafka takes the second
        batch also when it did not take the first.
        """
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                for batch in batches:
                    await (await producer.send_batch(batch, partition.topic, partition=partition.partition))
        except (KafkaError, TimeoutError) as error:
            return error
        return None

    async def _running_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._kafka.options,
                enable_idempotence=True,
                linger_ms=0,
                max_batch_size=_BATCH_BYTES,
                request_timeout_ms=self._timeout // timedelta(milliseconds=1),
            )
            self._producer = producer
            async with asyncio.timeout(self._timeout.total_seconds()):
                await producer.start()
        return self._producer

    async def _discard_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # A task of its own: however the producer ends, a cancellation of its tasks must not become one of ours.
        stopping = asyncio.create_task(producer.stop(), name="producer stops")
        await asyncio.wait([stopping], timeout=_STOP_SECONDS)
        if not stopping.done():
            stopping.cancel()
            log.info("a producer did not stop in time")
        elif stopping.cancelled() or stopping.exception() is not None:
            error = None if stopping.cancelled() else type(stopping.exception()).__name__
            log.info("a producer did not stop cleanly", error=error)

    @staticmethod
    def _fail(requests: Sequence[_Request], reason: str) -> None:
        for request in requests:
            if not request.done.done():
                request.done.set_exception(PublishFailed(reason))
