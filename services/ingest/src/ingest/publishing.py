"""Handing what came in to Kafka. A door answers 2xx only after this (promise 1)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from prometheus_client import Counter

from shared_messaging import Outgoing, Publisher, PublishFailed
from shared_schemas import topics
from shared_schemas.conversation_changes import ConversationChange
from shared_schemas.patient_messages import MessageReceivedV1
from shared_web import Problem

if TYPE_CHECKING:
    from shared_database.pools import Pool

SOURCE = "/switchboard/ingest"
PATIENCE = timedelta(seconds=8)
"""For Kafka's acknowledgement. Twilio waits for 15 seconds in all, and sends a text no second time."""

RECEIVED = Counter("switchboard_messages_received", "Messages accepted, by channel.", ["channel"])


@dataclass(frozen=True, slots=True)
class Doors:
    """What every way in works with."""

    pool: "Pool"
    publisher: Publisher
    clock: Callable[[], datetime]
    public_url: str

    async def accept(self, event: MessageReceivedV1 | ConversationChange) -> None:
        """Return once the event is durable. Raises a 503 problem when Kafka does not take it in time."""
        is_message = isinstance(event, MessageReceivedV1)
        topic = topics.PATIENT_MESSAGES if is_message else topics.CONVERSATION_CHANGES
        outgoing = Outgoing.of(topic.name, event, source=SOURCE, time=self.clock())
        try:
            await self.publisher.send([outgoing], timeout=PATIENCE)
        except PublishFailed:
            title = "This could not be stored: send it again"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, title, headers={"Retry-After": "5"}) from None
        if isinstance(event, MessageReceivedV1):
            RECEIVED.labels(event.channel).inc()
