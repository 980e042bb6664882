"""Events in: project the history, announce what is new of it."""

from collections.abc import Callable, Mapping
from datetime import datetime

from prometheus_client import Counter

from notifier.domain.visibility import Practice, who_sees
from notifier.storage.projection import (
    Told,
    known_messages,
    known_versions,
    practices_of,
    project,
    save_settings,
)
from shared_messaging import Batch, Outgoing
from shared_schemas import ids, topics
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationActionRejectedV1, ConversationUpdatedV1, RoutedMessageV1
from shared_schemas.staff_notifications import (
    ActionRejectionAnnouncedV1,
    ConversationAnnouncedV1,
    MessageAnnouncedV1,
    Notification,
    SettingsAnnouncedV1,
    StaffEvent,
    StaffNotifiedV1,
)
from shared_schemas.values import PatientEvent

SOURCE = "/switchboard/notifier"

NOTIFICATIONS = Counter("switchboard_notifications", "People told of a message, by why.", ["because"])

History = RoutedMessageV1 | ConversationUpdatedV1 | ConversationActionRejectedV1


class Handlers:
    """The notifier's consumers. `clock` gives the time of the events that are published."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    async def on_routed_messages(self, batch: Batch) -> None:
        """Project each new event of the history and announce it; what we have already says nothing (promise 2)."""
        history = [one.event for one in batch.events(PatientEvent) if isinstance(one.event, History)]
        fresh = await _fresh(batch, history)
        practices = await practices_of(batch.connection, {one.practice_id for one in fresh})
        messages = [one for one in fresh if isinstance(one, RoutedMessageV1)]
        updates = [one for one in fresh if isinstance(one, ConversationUpdatedV1)]
        told = [one for message in messages for one in _told(message)]
        publish = [self._outgoing(announced) for one in fresh for announced in _announcements(one, practices)]
        await project(batch, messages, updates, told, publish)
        for one in told:
            NOTIFICATIONS.labels(one.notification.because).inc()

    async def on_practice_settings(self, batch: Batch) -> None:
        """Keep who is on the staff and who sees what; tell open streams that it changed."""
        settings = [one.event for one in batch.events(RoutingSettingsPublishedV1)]
        announced = [
            SettingsAnnouncedV1(
                practice_id=one.practice_id,
                version=one.version,
                deactivated=tuple(member.staff_id for member in one.members if not member.active),
            )
            for one in settings
        ]
        await save_settings(batch, settings, [self._outgoing(one) for one in announced])

    def _outgoing(self, event: StaffEvent) -> Outgoing:
        return Outgoing.of(topics.STAFF_NOTIFICATIONS.name, event, source=SOURCE, time=self._clock())


async def _fresh(batch: Batch, history: list[History]) -> list[History]:
    """What is not projected yet, each once, in order."""
    messages = {(one.practice_id, one.message_id) for one in history if isinstance(one, RoutedMessageV1)}
    updates = {(one.practice_id, one.conversation_id) for one in history if isinstance(one, ConversationUpdatedV1)}
    have = await known_messages(batch.connection, messages)
    versions = await known_versions(batch.connection, updates)
    once = {(one.practice_id, one.ce_id): one for one in reversed(history)}
    return [
        one
        for one in reversed(once.values())
        if not (
            (isinstance(one, RoutedMessageV1) and one.message_id in have)
            or (
                isinstance(one, ConversationUpdatedV1)
                and one.conversation_version <= versions.get(one.conversation_id, -1)
            )
        )
    ]


def _told(message: RoutedMessageV1) -> list[Told]:
    return [
        Told(
            message.practice_id,
            message.message_id,
            message.conversation_id,
            Notification(
                notification_id=ids.notification_id(message.message_id, person.staff_id),
                staff_id=person.staff_id,
                because=person.because,
                subscription_id=person.subscription_id,
            ),
            message.decided_at,
        )
        for person in message.audience
    ]


def _announcements(event: History, practices: Mapping[str, Practice]) -> list[StaffEvent]:
    match event:
        case RoutedMessageV1():
            return _of_message(event, practices)
        case ConversationUpdatedV1():
            return [
                ConversationAnnouncedV1(
                    practice_id=event.practice_id, visible_to=_viewers(event, practices), conversation=event
                )
            ]
        case ConversationActionRejectedV1():
            actor = () if event.actor.id is None else (event.actor.id,)
            return [ActionRejectionAnnouncedV1(practice_id=event.practice_id, visible_to=actor, rejection=event)]


def _of_message(message: RoutedMessageV1, practices: Mapping[str, Practice]) -> list[StaffEvent]:
    shown = MessageAnnouncedV1(
        practice_id=message.practice_id, visible_to=_viewers(message, practices), message=message
    )
    if not message.audience:
        return [shown]
    notified = StaffNotifiedV1(
        practice_id=message.practice_id,
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        patient_id=message.patient_id,
        received_at=message.received_at,
        notifications=tuple(one.notification for one in _told(message)),
    )
    return [shown, notified]


def _viewers(event: RoutedMessageV1 | ConversationUpdatedV1, practices: Mapping[str, Practice]) -> tuple[str, ...]:
    audience = [person.staff_id for person in event.audience]
    practice = practices.get(event.practice_id)
    if practice is None:
        return tuple(audience)
    is_unrouted = isinstance(event, RoutedMessageV1) and event.unrouted
    return who_sees(practice, event.destination.kind, event.destination.id, audience, is_unrouted=is_unrouted)
