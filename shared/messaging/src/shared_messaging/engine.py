"""The engine: a service's consumers, started and stopped together."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from time import time
from typing import TYPE_CHECKING, Self

import structlog
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from shared_messaging import metrics
from shared_messaging.assignment import Assignment
from shared_messaging.connection import KafkaConnection, partition_counts
from shared_messaging.consumer import Consumer
from shared_messaging.failures import ConsumptionStopped
from shared_messaging.health import EngineHealth
from shared_messaging.lane_connections import LaneConnections
from shared_messaging.lanes import Lanes
from shared_messaging.options import EngineOptions
from shared_messaging.publisher import Publisher
from shared_messaging.runner import BatchRunner
from shared_messaging.sent_outputs import SentOutputs
from shared_messaging.subscription import Subscription, connect, create_broker, declare
from shared_schemas.topics import COMPACTION_LAG, DEAD_LETTER_SUFFIX

if TYPE_CHECKING:
    from shared_database.pools import Pool

log = structlog.get_logger()

_HOUSEKEEPING_SECONDS = 1.0


class Engine:
    """Consumes subscriptions in fenced batches (architecture, section 5). An asynchronous context manager.

    `service` names the consumer groups (`switchboard-<service>-<title>`). `on_stopped` is called once, with the reason,
    when going on would lose data: the process should then end with an error. `group_instance_id` makes the group
    membership static: it must be unique and stable for each instance, like a StatefulSet's host name.
    """

    def __init__(
        self,
        service: str,
        subscriptions: Sequence[Subscription],
        *,
        kafka: KafkaConnection,
        pool: "Pool",
        publisher: Publisher,
        on_stopped: Callable[[str], None],
        publishes: Sequence[str] = (),
        options: EngineOptions | None = None,
        group_instance_id: str | None = None,
    ) -> None:
        self._kafka = kafka
        self._publishes = publishes
        self._options = options or EngineOptions()
        self._on_stopped = on_stopped
        self._stopped = ""
        self._broker = create_broker(kafka)
        self._lanes = Lanes(self._options.lanes)
        self._connections = LaneConnections(pool, self._options.lanes)
        self._sent = SentOutputs()
        self._housekeeping: asyncio.Task[None] | None = None
        topics = [topic for subscription in subscriptions for topic in subscription.topics]
        self._kept = {topic.name: (topic.retention or COMPACTION_LAG).total_seconds() for topic in topics}
        self._inputs = [topic.name for topic in topics]
        if len(self._inputs) != len(set(self._inputs)):
            message = "a service consumes a topic in one subscription only"
            raise ValueError(message)
        self._parts: list[tuple[Consumer, Assignment]] = []
        for subscription in subscriptions:
            assignment = Assignment(
                self._connections, publisher, self._options, halt=self._halt, forget_sent=self._forget_sent
            )
            runner = BatchRunner(subscription.handler, self._connections, publisher, self._sent, self._options)
            consumer = Consumer(
                subscription.title,
                runner,
                self._lanes,
                self._options,
                reclaim=assignment.reclaim,
                check_gap=assignment.check_gap,
                halt=self._halt,
            )
            assignment.consumer = consumer
            self._lanes.on_free(consumer.dispatch)
            subscriber = declare(
                self._broker,
                subscription,
                consumer.receive,
                group_id=f"switchboard-{service}-{subscription.title}",
                group_instance_id=group_instance_id and f"{group_instance_id}-{subscription.title}",
                listener=assignment,
                options=self._options,
            )
            consumer.kafka_consumer = partial(getattr, subscriber, "consumer")
            self._parts.append((consumer, assignment))

    async def __aenter__(self) -> Self:
        """Start. Raises `MissingTopics`, or aiokafka's error when Kafka cannot be reached; then nothing is left running."""
        dead_letters = [name + DEAD_LETTER_SUFFIX for name in self._inputs]
        await partition_counts(self._kafka, {*self._inputs, *dead_letters, *self._publishes})
        try:
            await connect(self._broker, self._kafka)
            await self._broker.start()
        except BaseException:
            await self._stop()  # consumers start one after the other: the first of them are at work already
            raise
        self._housekeeping = asyncio.create_task(self._keep_house(), name="engine housekeeping")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Drain: no new records, finish the batches in flight, commit, forget what was sent, leave the groups."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.wait([self._housekeeping])
        await self._stop()

    async def _stop(self) -> None:
        await asyncio.gather(*(assignment.close() for _, assignment in self._parts))
        try:
            async with asyncio.timeout(self._options.drain.total_seconds()):
                await self._broker.stop()
        except (KafkaError, TimeoutError) as error:
            log.warning("kafka did not let go in time", error=type(error).__name__)
        await self._connections.close()

    @property
    def broker(self) -> KafkaBroker:
        """FastStream's broker with the subscribers: AsyncAPI documents are made from it. Do not start it."""
        return self._broker

    @property
    def health(self) -> EngineHealth:
        """How it goes, at this moment."""
        now = asyncio.get_running_loop().time()
        polls = [getattr(consumer.kafka, "polled_at", None) for consumer, _ in self._parts]
        known = [poll for poll in polls if poll is not None]
        age = timedelta(seconds=now - min(known)) if known and len(known) == len(polls) else None
        reason = self._stopped or self._trouble(now, age)
        return EngineHealth(not reason, reason, age)

    def _trouble(self, now: float, poll_age: timedelta | None) -> str:
        if poll_age is None:
            return "not every consumer has polled Kafka yet"
        if poll_age > self._options.poll_silence:
            return f"no poll of Kafka for {poll_age.total_seconds():.0f} s"
        for consumer, _ in self._parts:
            for partition in consumer.partitions.values():
                failing_since = partition.failing_since
                if failing_since is not None and now - failing_since > self._options.unready_after.total_seconds():
                    return f"{partition.topic}, partition {partition.number}: {partition.error}, still trying"
        return ""

    def _halt(self, stopped: ConsumptionStopped) -> None:
        """Handle nothing more, and say why: once."""
        if self._stopped:
            return
        page = f" (docs/runbooks/{stopped.runbook}.md)" if stopped.runbook else ""
        self._stopped = f"{type(stopped).__name__}: {stopped}{page}"
        for consumer, _ in self._parts:
            consumer.halt()
        log.error("consumption stopped", reason=self._stopped)
        self._on_stopped(self._stopped)

    async def _keep_house(self) -> None:
        while True:
            for consumer, assignment in self._parts:
                self._measure(consumer)
                await assignment.commit()
            await self._forget_sent()
            self._lanes.wake()
            await asyncio.sleep(_HOUSEKEEPING_SECONDS)

    async def _forget_sent(self) -> None:
        await self._sent.forget(self._connections)

    def _measure(self, consumer: Consumer) -> None:
        now = time()
        for partition in consumer.partitions.values():
            labels = partition.topic, str(partition.number)
            oldest = max(0.0, now - partition.waiting[0].timestamp / 1000) if partition.waiting else 0.0
            metrics.OLDEST_WAITING.labels(*labels).set(oldest)
            metrics.UNHANDLED.labels(*labels).set(consumer.unhandled(partition))
            metrics.TIME_TO_RETENTION.labels(*labels).set(self._kept[partition.topic] - oldest)
            metrics.PARTITION_TROUBLED.labels(*labels).set(partition.attempts > 0)
