"""Taking partitions over and giving them up: the epoch, the predecessor's unsent events, the offset to go on from."""

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from shared_messaging import metrics
from shared_messaging.failures import ConsumptionStopped, ProgressLost
from shared_messaging.fence import (
    check_partition_counts,
    claim_partitions,
    forget_outputs,
    outputs_up_to,
    unsent_outputs,
)
from shared_messaging.lane_connections import LaneConnections
from shared_messaging.options import EngineOptions
from shared_messaging.outgoing import unpack
from shared_messaging.partition import AssignedPartition
from shared_messaging.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from aiokafka import AIOKafkaConsumer

    from shared_messaging.consumer import Consumer

log = structlog.get_logger()


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Follows Kafka's rebalances for one consumer. aiokafka revokes everything and assigns everything, each time.

    Claiming happens beside the callback: it may have to wait for PostgreSQL or Kafka, and the callback must not, or the
    group would lose us. Until a partition is claimed, its records are left out and its fetching is paused.
    """

    def __init__(
        self,
        connections: LaneConnections,
        publisher: Publisher,
        options: EngineOptions,
        *,
        halt: "Callable[[ConsumptionStopped], None]",
        forget_sent: "Callable[[], Awaitable[None]]",
    ) -> None:
        self.consumer: Consumer
        """Set by the engine, which makes the two for each other."""
        self._connections = connections
        self._publisher = publisher
        self._options = options
        self._halt = halt
        self._forget_sent = forget_sent
        self._is_closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._committed: dict[tuple[str, int], int] = {}

    # aiokafka awaits what this returns, whatever its base class says.
    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Collection[TopicPartition]
    ) -> None:
        """Finish or abandon what is in flight, and tell Kafka how far we are."""
        if not revoked:
            return
        await self.release()

    # aiokafka awaits what this returns, whatever its base class says.
    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, assigned: Collection[TopicPartition]
    ) -> None:
        """Take over, beginning now."""
        partitions = [
            AssignedPartition(topic, number, self._options, self._options.max_batch)
            for topic, number in sorted(assigned)
        ]
        self._kafka.pause(*assigned)
        self._committed = {}
        self.consumer.assign(partitions)
        self.reclaim(partitions, 0)

    async def close(self) -> None:
        """Give all partitions up and take no more."""
        self._is_closing = True
        await self.release()

    async def release(self) -> None:
        """Give all partitions up, in order: no more claims, no more batches, nothing left to send twice, a last commit."""
        await self._cancel_claims()
        await self.consumer.drain()
        await self._cancel_claims()  # of what a batch that was in flight has found superseded
        await self._forget_sent()
        await self.commit()
        for topic, number in self.consumer.partitions:
            metrics.forget_partition(topic, number)
        self.consumer.partitions = {}

    def reclaim(self, partitions: Collection[AssignedPartition], delay: float) -> None:
        """Claim these partitions after `delay` seconds."""
        if partitions and not self._is_closing:
            self._spawn(self._claim(partitions, delay))

    def check_gap(self, partition: AssignedPartition) -> None:
        """Find out why offsets are missing before what was fetched."""
        self._spawn(self._check_gap(partition))

    async def commit(self) -> None:
        """Tell Kafka the progress, for those who watch the lag. Nobody resumes from it, so a failure is no matter."""
        offsets = {
            partition.key: partition.next_offset
            for partition in self.consumer.partitions.values()
            if partition.is_claimed and self._committed.get(partition.key) != partition.next_offset
        }
        if not offsets or self.consumer.kafka is None:
            return
        try:
            async with asyncio.timeout(2):
                await self._kafka.commit({TopicPartition(*key): offset for key, offset in offsets.items()})
        except (KafkaError, TimeoutError) as error:
            log.info("progress was not committed to kafka", consumer=self.consumer.name, error=type(error).__name__)
        else:
            self._committed |= offsets

    @property
    def _kafka(self) -> "AIOKafkaConsumer":
        kafka = self.consumer.kafka
        if kafka is None:
            message = "no rebalance before the subscriber has started"
            raise RuntimeError(message)
        return kafka

    async def _cancel_claims(self) -> None:
        claims = list(self._tasks)
        for task in claims:
            task.cancel()
        if claims:
            await asyncio.wait(claims)

    def _spawn(self, work: "Coroutine[object, None, None]") -> None:
        task = asyncio.create_task(work, name=f"assignment {self.consumer.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _claim(self, partitions: Collection[AssignedPartition], delay: float) -> None:
        await asyncio.sleep(delay)
        while True:
            try:
                await self._try_to_claim(partitions)
            except ConsumptionStopped as stopped:
                self._halt(stopped)
                return
            except Exception as error:  # noqa: BLE001 - an outage: the partitions wait, and readiness says so
                await self._wait_after(error, partitions)
            else:
                return

    async def _try_to_claim(self, partitions: Collection[AssignedPartition]) -> None:
        await self._forget_sent()
        keys = [partition.key for partition in partitions]
        inputs = [TopicPartition(*key) for key in keys]
        starts = await self._kafka.beginning_offsets(inputs)
        counts = {topic: len(self._kafka.partitions_for_topic(topic) or ()) for topic, _ in keys}
        async with self._connections.seeing(()) as connection:
            await check_partition_counts(connection, counts)
            claims = await claim_partitions(connection, {key: starts[TopicPartition(*key)] for key in keys})
            outputs = [output for output, _ in await unsent_outputs(connection, keys)]
            # Asked after the claims: offsets that our predecessor has handled are in the log by then.
            ends = await self._kafka.end_offsets(inputs)
            for claim in claims:
                partition = TopicPartition(claim.topic, claim.part)
                _check_bounds(partition, starts[partition], claim.next_offset, ends[partition])
            if outputs:
                # Not before what others wrote about the same keys and may not have sent.
                for _, events in await outputs_up_to(connection, outputs):
                    await self._publisher.send(unpack(events))
                    metrics.RESENT.labels(self.consumer.name).inc()
                await forget_outputs(connection, outputs)
        by_key = {partition.key: partition for partition in partitions}
        for claim in claims:
            partition = by_key[claim.topic, claim.part]
            partition.claim(claim.epoch, claim.next_offset)
            partition.is_checking_gap = False
            partition.failing_since, partition.attempts, partition.retry_at = None, 0, 0
            self._kafka.seek(TopicPartition(*partition.key), partition.next_offset)
            self.consumer.resume(partition)
        log.info("claimed", consumer=self.consumer.name, partitions=len(claims), resent=len(outputs))

    async def _check_gap(self, partition: AssignedPartition) -> None:
        """Compaction leaves holes; retention that overtook us loses data. A stale fetch is fetched again."""
        tp = TopicPartition(*partition.key)
        while True:
            try:
                start = (await self._kafka.beginning_offsets([tp]))[tp]
                _check_bounds(tp, start, partition.fetched_to, None)
            except ConsumptionStopped as stopped:
                self._halt(stopped)
                return
            except KafkaError as error:
                await self._wait_after(error, [partition])
            else:
                break
        partition.gap_seen_at = partition.fetched_to
        partition.is_checking_gap = False
        partition.failing_since, partition.attempts, partition.retry_at = None, 0, 0
        self._kafka.seek(tp, partition.fetched_to)

    async def _wait_after(self, error: Exception, partitions: Collection[AssignedPartition]) -> None:
        now = asyncio.get_running_loop().time()
        for partition in partitions:
            partition.failed(type(error).__name__, now)
        log.warning("taking over failed", consumer=self.consumer.name, error=type(error).__name__)
        await asyncio.sleep(min(partition.retry_at for partition in partitions) - now)


def _check_bounds(partition: TopicPartition, start: int, progress: int, end: int | None) -> None:
    """Raise `ProgressLost` where the stored progress lies outside of the log."""
    name = f"{partition.topic}, partition {partition.partition}"
    if start > progress:
        message = f"retention has removed offsets {progress} to {start - 1} of {name} before they were handled"
        raise ProgressLost(message)
    if end is not None and end < progress:
        message = f"{name} ends at {end} and {progress} offsets of it were handled: the topic was made anew or cut off"
        raise ProgressLost(message)
