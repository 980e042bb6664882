"""Fenced batches over Kafka and PostgreSQL, publishing, dead letters.

At least once in, exactly once in effect: `Engine` runs handlers of `Batch`es; `Publisher` sends; `FencedSource` is for
those who write and publish without consuming.
"""

from shared_messaging.batch import Batch
from shared_messaging.connection import KafkaConnection, partition_counts
from shared_messaging.engine import Engine
from shared_messaging.failures import (
    Conflict,
    ConsumptionStopped,
    Fenced,
    MissingTopics,
    PartitionsChanged,
    PermanentFailure,
    ProgressLost,
    PublishFailed,
    TooManyDeadLetters,
    UnreadableMessage,
)
from shared_messaging.health import EngineHealth
from shared_messaging.options import EngineOptions
from shared_messaging.outgoing import Outgoing
from shared_messaging.publisher import Publisher
from shared_messaging.records import Received, Record, first_of_each
from shared_messaging.source import FencedSource, Sources
from shared_messaging.subscription import Subscription
from shared_messaging.tracing import current_trace, note_delivery

__all__ = [
    "Batch",
    "Conflict",
    "ConsumptionStopped",
    "Engine",
    "EngineHealth",
    "EngineOptions",
    "Fenced",
    "FencedSource",
    "KafkaConnection",
    "MissingTopics",
    "Outgoing",
    "PartitionsChanged",
    "PermanentFailure",
    "ProgressLost",
    "PublishFailed",
    "Publisher",
    "Received",
    "Record",
    "Sources",
    "Subscription",
    "TooManyDeadLetters",
    "UnreadableMessage",
    "current_trace",
    "first_of_each",
    "note_delivery",
    "partition_counts",
]
