"""Handing what came in to Kafka, or to the spool. A door answers 2xx only after this (promise 1)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from prometheus_client import Counter

from ingest.spooling import Spool, SpoolFull
from shared_messaging import Outgoing
from shared_schemas import topics
from shared_schemas.conversation_changes import ConversationChange
from shared_schemas.patient_messages import MessageReceivedV1
from shared_web import Problem

if TYPE_CHECKING:
    from shared_database.pools import Pool

SOURCE = "/switchboard/ingest"

RECEIVED = Counter("switchboard_messages_received", "Messages accepted, by channel.", ["channel"])


@dataclass(frozen=True, slots=True)
class Doors:
    """What every way in works with."""

    pool: "Pool"
    spool: Spool
    clock: Callable[[], datetime]
    public_url: str

    async def accept(self, event: MessageReceivedV1 | ConversationChange) -> None:
        """Return once the event is durable. Raises a 503 problem when neither Kafka nor the spool takes it."""
        is_message = isinstance(event, MessageReceivedV1)
        topic = topics.PATIENT_MESSAGES if is_message else topics.CONVERSATION_CHANGES
        outgoing = Outgoing.of(topic.name, event, source=SOURCE, time=self.clock())
        try:
            await self.spool.take(event.practice_id, outgoing)
        except SpoolFull:
            raise not_stored() from None
        if isinstance(event, MessageReceivedV1):
            RECEIVED.labels(event.channel).inc()


def not_stored() -> Problem:
    """Nothing durable took it: the sender is to try again."""
    title = "This could not be stored: send it again"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, title, headers={"Retry-After": "5"})
