"""Handing what came in to Kafka, or to the spool. A door answers 2xx only after this (promise 1)."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

from ingest.domain.answers import is_emergency
from ingest.spooling import Spool, SpoolFull
from ingest.storage.channels import Arrivals
from ingest.storage.practices import profile_of
from shared_database import practice_scope
from shared_database.sealing import Sealer
from shared_messaging import Outgoing, current_trace
from shared_schemas import topics
from shared_schemas.conversation_changes import ConversationChange
from shared_schemas.patient_messages import MessageReceivedV1
from shared_web import Problem

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

SOURCE = "/switchboard/ingest"

RECEIVED = Counter("switchboard_messages_received", "Messages accepted, by channel.", ["channel"])
ACCEPT_SECONDS = Histogram(
    "switchboard_accept_seconds",
    "From having checked an event to its being durable, in Kafka or in PostgreSQL.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
NOT_STORED = Counter("switchboard_not_stored", "Events that nothing durable took: answered 503, to be sent again.")


@dataclass(frozen=True, slots=True)
class Doors:
    """What every way in works with."""

    pool: "Pool"
    spool: Spool
    clock: Callable[[], datetime]
    public_url: str
    arrivals: Arrivals
    sealer: Sealer | None = None
    """Of channels' secrets."""

    @asynccontextmanager
    async def together(self, practice_id: str) -> AsyncGenerator["Together"]:
        """A transaction of a practice in which rows and events are written together, or not at all.

        Raises a 503 problem when the spool is full.
        """
        try:
            async with practice_scope(self.pool, practice_id) as connection:
                yield Together(self, connection)
        except SpoolFull:
            raise not_stored() from None
        self.spool.notice()

    async def accept(
        self,
        event: MessageReceivedV1 | ConversationChange,
        *,
        is_weighed: bool = False,
        is_spool_empty: bool = False,
    ) -> None:
        """Return once the event is durable. Raises a 503 problem when neither Kafka nor the spool takes it.

        A message with one of the practice's emergency words is urgent, by whichever door it comes; `is_weighed`: the door
        has looked already. `is_spool_empty`: so it was when the door asked.
        """
        if isinstance(event, MessageReceivedV1) and event.body and not is_weighed:
            profile = await profile_of(self.pool, event.practice_id)
            if profile is not None and is_emergency(event.body, profile.emergency_words):
                event = event.model_copy(update={"urgent": True})
        try:
            with ACCEPT_SECONDS.time():
                await self.spool.take(event.practice_id, self.outgoing(event), is_empty=is_spool_empty)
        except SpoolFull:
            raise not_stored() from None
        if isinstance(event, MessageReceivedV1):
            RECEIVED.labels(event.channel).inc()

    def outgoing(self, event: MessageReceivedV1 | ConversationChange) -> Outgoing:
        """The event for its topic."""
        is_message = isinstance(event, MessageReceivedV1)
        topic = topics.PATIENT_MESSAGES if is_message else topics.CONVERSATION_CHANGES
        return Outgoing.of(topic.name, event, source=SOURCE, time=self.clock(), trace=current_trace())


@dataclass(frozen=True, slots=True)
class Together:
    """A transaction under way: rows are written by its connection."""

    doors: Doors
    connection: "Connection"

    async def publish(self, event: ConversationChange) -> None:
        """Publish this once the transaction is committed."""
        await self.doors.spool.keep(self.connection, event.practice_id, self.doors.outgoing(event))


def not_stored() -> Problem:
    """Nothing durable took it: the sender is to try again."""
    NOT_STORED.inc()
    title = "This could not be stored: send it again"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, title, headers={"Retry-After": "5"})
