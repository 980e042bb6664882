"""How to reach Kafka, and the check that all topics are there."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import wraps
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared_messaging.failures import MissingTopics

OUTAGES: tuple[type[Exception], ...] = (KafkaError, OSError)
"""What is raised because Kafka is away or cannot be reached (a timeout is an OSError)."""


def _closed_is_broken(send: Callable[..., Any]) -> Callable[..., Any]:
    """On uvloop a write to a connection that was reset in this very moment raises a RuntimeError. aiokafka knows only the
    OSError of other loops (https://github.com/aio-libs/aiokafka/issues/1038): its tasks would end for good, and with them
    all that a process consumes or sends.
    """

    @wraps(send)
    def sending(connection: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - aiokafka's own
        try:
            return send(connection, *args, **options)
        except RuntimeError as error:
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            message = "the connection was reset"
            raise KafkaConnectionError(message) from error

    return sending


for _name in ("send", "_send_sasl_token"):
    setattr(AIOKafkaConnection, _name, _closed_is_broken(getattr(AIOKafkaConnection, _name)))


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Bootstrap servers (`host:port,host:port`), our name, and aiokafka's security options, which are never printed."""

    bootstrap_servers: str
    client_id: str
    security: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)

    @property
    def options(self) -> dict[str, Any]:
        """What every client of aiokafka is given."""
        return {"bootstrap_servers": self.bootstrap_servers, "client_id": self.client_id, **self.security}


async def partition_counts(
    kafka: KafkaConnection, topics: Collection[str], *, patience: timedelta = timedelta(seconds=30)
) -> dict[str, int]:
    """How many partitions each of these topics has.

    Waits for a broker that is not up yet, and for topics that are being created, as long as `patience`. Raises
    `MissingTopics` with their names, or aiokafka's error when there is no broker. To be asked before consuming: a
    consumer of a topic that does not exist spins and says so thousands of times.
    """
    deadline = asyncio.get_running_loop().time() + patience.total_seconds()
    while True:
        is_last = asyncio.get_running_loop().time() > deadline
        try:
            found = await _describe(kafka, topics)
        except (KafkaError, OSError):
            if is_last:
                raise
        else:
            missing = sorted(set(topics) - set(found))
            if not missing:
                return found
            if is_last:
                message = f"topics are missing: {', '.join(missing)} (create them with `switchboard topics apply`)"
                raise MissingTopics(message)
        await asyncio.sleep(0.5)


async def _describe(kafka: KafkaConnection, topics: Collection[str]) -> dict[str, int]:
    admin = AIOKafkaAdminClient(**kafka.options)
    try:
        await admin.start()
        described = await admin.describe_topics(list(topics))
    finally:
        await admin.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in described if topic["error_code"] == 0}
