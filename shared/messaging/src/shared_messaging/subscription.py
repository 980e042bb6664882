"""FastStream's part: it declares what is consumed (AsyncAPI is made from it), polls, and hands records over as bytes.

Read `evidence.md` of the design, or ADR 0003, before changing anything here: most of FastStream's defaults lose data.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from shared_messaging.connection import KafkaConnection
from shared_messaging.options import EngineOptions
from shared_messaging.runner import Handler
from shared_schemas.topics import Topic

_POLL_MILLISECONDS = 200

_FETCH_WAIT_MILLISECONDS = 100
"""How long the broker may hold a fetch for which it has nothing. Every poll takes all that was fetched, so a fetch always
asks for all partitions and its answer comes with the first record: a short wait makes nothing faster, and 5 ms costs an
idle consumer 5 % of a core where this costs 1 %. It bounds how long a partition that is resumed waits for its turn."""

_GATHERED_BYTES = 64 * 1024
"""Of what nobody waits for, Kafka answers once there is so much."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Topics that one handler consumes. Batches may mix their partitions, never the order inside one.

    A service consumes a topic in one subscription only: its progress is kept by topic and partition.
    """

    topics: tuple[Topic, ...]
    handler: Handler
    title: str
    """Names the consumer in AsyncAPI, metrics and the consumer group."""
    description: str = ""
    is_hurried: bool = True
    """Somebody waits for what comes of it. What nobody waits for gathers for `_FETCH_WAIT_MILLISECONDS`."""


class PatientConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer whose poll waits for records as long as it takes, and knows when it polled.

    FastStream sleeps for its poll timeout after each empty poll, so that must be short (1 ms), and then it would poll
    hundreds of times a second. Waiting here costs no latency: a poll returns as soon as there are records.
    """

    polled_at: float | None = None

    async def getmany(self, *partitions: Any, timeout_ms: int = 0, max_records: int | None = None) -> Any:
        """See `AIOKafkaConsumer.getmany`."""
        waiting = max(timeout_ms, _POLL_MILLISECONDS)
        records = await super().getmany(*partitions, timeout_ms=waiting, max_records=max_records)
        self.polled_at = asyncio.get_running_loop().time()
        return records


def create_broker(kafka: KafkaConnection) -> KafkaBroker:
    """A broker that only consumes: topics are made by `switchboard topics apply`, and `Publisher` publishes."""
    return KafkaBroker(
        bootstrap_servers=kafka.bootstrap_servers,
        client_id=kafka.client_id,
        consumer_only=True,
        apply_types=False,
        logger=logging.getLogger("shared_messaging.faststream"),
        log_level=logging.DEBUG,  # its "Received" and "Processed" for each poll; errors keep their own level
    )


async def connect(broker: KafkaBroker, kafka: KafkaConnection) -> None:
    """Connect, and let its subscribers use our consumer, with the login that FastStream has other words for."""
    builder = await broker.connect()
    broker.config.broker_config.builder = partial(PatientConsumer, **builder.keywords | kafka.security)  # type: ignore[attr-defined]  # it is a partial


def declare(
    broker: KafkaBroker,
    subscription: Subscription,
    receive: "Callable[[Sequence[ConsumerRecord[bytes, bytes]]], None]",
    *,
    group_id: str,
    group_instance_id: str | None,
    listener: ConsumerRebalanceListener,
    options: EngineOptions,
) -> Any:
    """Make the subscriber. `receive` gets each poll's records at once, and must neither wait nor raise."""
    subscriber = broker.subscriber(
        *(topic.name for topic in subscription.topics),
        batch=True,
        batch_timeout_ms=1,
        fetch_max_wait_ms=_FETCH_WAIT_MILLISECONDS,
        fetch_min_bytes=1 if subscription.is_hurried else _GATHERED_BYTES,
        group_id=group_id,
        group_instance_id=group_instance_id,
        # Only a fallback until the engine has sought to the stored progress: never `latest`, which skips.
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        partition_assignment_strategy=(StickyPartitionAssignor,),
        session_timeout_ms=round(options.session_timeout.total_seconds() * 1000),
        heartbeat_interval_ms=round(options.heartbeat.total_seconds() * 1000),
        listener=listener,
        parser=_envelope,
        decoder=_raw_records,
        title=subscription.title,
        description=subscription.description or None,
    )
    subscriber(_consume_function(subscription, receive))
    return subscriber


def _consume_function(
    subscription: Subscription, receive: "Callable[[Sequence[ConsumerRecord[bytes, bytes]]], None]"
) -> Callable[..., Awaitable[None]]:
    async def consume(records: Any) -> None:
        receive(records)

    events = tuple(event for topic in subscription.topics for event in topic.events)
    payload: Any = events[0]
    for event in events[1:]:
        payload = payload | event
    consume.__annotations__["records"] = payload
    consume.__name__ = subscription.title.replace("-", "_")
    return consume


async def _envelope(records: "tuple[ConsumerRecord[bytes, bytes], ...]") -> KafkaMessage:
    """FastStream's envelope, without looking into the records: its own parser fails a whole poll on one odd header."""
    return KafkaMessage(raw_message=records, body=b"", consumer=None)  # type: ignore[arg-type]


async def _raw_records(message: KafkaMessage) -> object:
    """The records as they are, for a function of exactly one parameter: for any other FastStream unpacks them."""
    return message.raw_message
