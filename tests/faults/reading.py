"""What the logs and tables hold when everything has come to rest, as entries of the history."""

import hashlib
import json
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared_messaging import KafkaConnection, Record, UnreadableMessage, partition_counts
from shared_messaging.records import read_event
from shared_schemas import topics
from shared_schemas.conversation_changes import ConversationChange
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_management import AppointmentSyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationActionRejectedV1, ConversationUpdatedV1, RoutedMessageV1
from shared_schemas.staff_notifications import (
    ActionRejectionAnnouncedV1,
    ConversationAnnouncedV1,
    ListedEvent,
    MessageAnnouncedV1,
    SettingsAnnouncedV1,
    StaffNotifiedV1,
)
from shared_schemas.topics import Topic
from shared_schemas.values import Event
from tests.faults.history import History, of
from tests.faults.parts import Parts, plain_http
from tests.faults.practices import ADMINISTRATOR, StaffedPractice

E = TypeVar("E", bound=Event)
Routed = RoutedMessageV1 | ConversationUpdatedV1 | ConversationActionRejectedV1
READ_SECONDS = 20.0
"""For a thread; much more than it takes."""


@dataclass
class Found:
    """What the oracle is told: the wishes and facts as they came in, the answers in the order of the log."""

    said: dict[str, MessageReceivedV1] = field(default_factory=dict)
    wanted: dict[str, ConversationChange] = field(default_factory=dict)
    synced: list[AppointmentSyncedV1] = field(default_factory=list)
    routed: list[Routed] = field(default_factory=list)
    settings: dict[tuple[str, int], RoutingSettingsPublishedV1] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The decision record of each message."""
    dead_letters: int = 0


async def read_all(parts: Parts, history: History, practices: Collection[str]) -> Found:
    """Note what is in `routed-messages`, `staff-notifications` and the tables; return what the oracle needs."""
    found = Found()
    async for _, event in _events(parts, topics.PATIENT_MESSAGES, MessageReceivedV1):
        found.said.setdefault(event.message_id, event)
    async for _, event in _events(parts, topics.CONVERSATION_CHANGES, ConversationChange):
        found.wanted.setdefault(event.change_id, event)
    async for _, event in _events(parts, topics.APPOINTMENTS, AppointmentSyncedV1):
        found.synced.append(event)
        history.note("ok", "synced", "log", practice=event.practice_id, id=event.ce_id)
    async for record, event in _events(parts, topics.ROUTED_MESSAGES, *get_args(Routed)):
        found.routed.append(event)
        history.note("ok", "routed", "log", position=record.offset, **_routed(record, event))
    async for record, event in _events(parts, topics.STAFF_NOTIFICATIONS, Event):
        made_by = {"settings": event.settings_version} if isinstance(event, ListedEvent) else {}
        for name, id_, seen_by in _announced(event):
            about = {"practice": event.practice_id, "event": name, "id": id_, "seen_by": seen_by, **made_by}
            history.note("ok", "announced", "log", position=record.offset, **about)
    for topic in topics.CATALOGUE:
        found.dead_letters += len([one async for one in records_of(parts, topic.dead_letters)])
    await _read_tables(parts, history, found, practices)
    return found


async def read_threads(parts: Parts, history: History, practices: Sequence[StaffedPractice]) -> None:
    """Note the patients' messages in the threads of all conversations that router has told of, as staff read them."""
    conversations = {(one["practice"], one["conversation"]) for one in of(history.entries, "routed")}
    (server, *_), known = parts.instances("notifier"), {practice.id: practice for practice in practices}
    async with plain_http(timeout=READ_SECONDS) as http:
        for practice, conversation in sorted(conversations):
            headers = known[practice].headers(ADMINISTRATOR)
            answer = await http.get(f"{server.url}/v1/conversations/{conversation}", headers=headers)
            for message in answer.raise_for_status().json()["messages"]:
                if message["sender"] == "patient":
                    history.note("ok", "thread", ADMINISTRATOR, practice=practice, id=message["message_id"])


async def _read_tables(parts: Parts, history: History, found: Found, practices: Collection[str]) -> None:
    for row in await parts.query("SELECT practice_id, message_id, record FROM router.decision"):
        history.note("ok", "decided", "table", practice=row["practice_id"], id=row["message_id"])
        found.records[row["message_id"]] = json.loads(row["record"])
    for row in await parts.query("SELECT practice_id, message_id, staff_id FROM notifier.notification"):
        history.note(
            "ok", "notified", "table", practice=row["practice_id"], id=row["message_id"], staff=row["staff_id"]
        )
    for row in await parts.query("SELECT practice_id, version, body FROM router.routing_settings"):
        if row["practice_id"] in practices:
            settings = RoutingSettingsPublishedV1.model_validate_json(row["body"])
            found.settings[row["practice_id"], row["version"]] = settings


def _routed(record: Record, event: Routed) -> dict[str, Any]:
    about: dict[str, Any] = {
        "practice": event.practice_id,
        "conversation": event.conversation_id,
        "version": event.conversation_version,
        "digest": hashlib.sha256(record.value or b"").hexdigest()[:16],
    }
    match event:
        case RoutedMessageV1():
            who = {"event": "message", "id": event.message_id}
        case ConversationUpdatedV1():
            who = {"event": "change", "id": event.change_id}
        case ConversationActionRejectedV1():
            return about | {"event": "rejection", "id": event.change_id, "audience": []}
    settings = {"settings": event.settings_version}
    return about | who | settings | {"audience": [person.staff_id for person in event.audience]}


def _announced(event: Event) -> Iterator[tuple[str, str, list[str] | None]]:
    match event:
        case MessageAnnouncedV1():
            yield "message", event.message.message_id, list(event.visible_to)
        case StaffNotifiedV1():
            yield "notification", event.message_id, [one.staff_id for one in event.notifications]
        case ConversationAnnouncedV1():
            yield "conversation", event.conversation.change_id, list(event.visible_to)
        case ActionRejectionAnnouncedV1():
            yield "action-rejected", event.rejection.change_id, list(event.visible_to)
        case SettingsAnnouncedV1():
            yield "settings", str(event.version), None
        case _:
            return


async def _events(parts: Parts, topic: Topic, *kinds: type[E]) -> AsyncGenerator[tuple[Record, E]]:
    async for record in records_of(parts, topic.name):
        try:
            event = read_event(record)
        except UnreadableMessage:
            continue
        if isinstance(event, kinds):
            yield record, event


async def records_of(parts: Parts, topic: str) -> AsyncGenerator[Record]:
    """All of a topic, one partition after the other."""
    count = (await partition_counts(KafkaConnection(parts.kafka_bootstrap_servers, "reader"), [topic]))[topic]
    consumer = AIOKafkaConsumer(bootstrap_servers=parts.kafka_bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        for number in range(count):
            partition = TopicPartition(topic, number)
            consumer.assign([partition])
            end = (await consumer.end_offsets([partition]))[partition]
            await consumer.seek_to_beginning(partition)
            while await consumer.position(partition) < end:
                for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, []):
                    headers = tuple(record.headers)
                    yield Record(topic, number, record.offset, record.key, record.value, headers, record.timestamp)
    finally:
        await consumer.stop()
