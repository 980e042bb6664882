"""Events in: project the history, announce what is new of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from prometheus_client import Counter

from notifier.domain.announcing import Announcing, History
from notifier.domain.visibility import Practice, whose_view_changed
from notifier.notifying.queueing import queue_telling
from notifier.storage.duty import rung_now
from notifier.storage.patients import forget_patients, save_patients
from notifier.storage.practices import Practices, practice_from, save_directories, save_settings
from notifier.storage.projection import Asked, Known, known_details, known_of, project
from shared_database.sealing import Sealer
from shared_messaging import Batch, Outgoing, first_of_each
from shared_schemas import ids, topics
from shared_schemas.cloudevents import Headers
from shared_schemas.practice_management import DirectorySyncedV1, PatientSyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import (
    ConversationActionRejectedV1,
    ConversationUpdatedV1,
    MessageUpdatedV1,
    RoutedMessageV1,
)
from shared_schemas.staff_notifications import PatientAnnouncedV1, PatientName, SettingsAnnouncedV1, StaffEvent
from shared_schemas.values import PatientEvent

SOURCE = "/switchboard/notifier"

NOTIFICATIONS = Counter("switchboard_notifications", "People told of a message, by why.", ["because"])

Conversation = tuple[str, str]


class Handlers:
    """The notifier's consumers. `clock` gives the time of the events that are published.

    `on_queued` is called when webhooks are to be sent; without a `sealer` there are none.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        practices: Practices | None = None,
        sealer: Sealer | None = None,
        on_queued: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._practices = practices if practices is not None else Practices()
        self._sealer = sealer
        self._on_queued = on_queued

    async def on_routed_messages(self, batch: Batch) -> None:
        """Project each new event of the history and announce it; what we have already says nothing (promise 2)."""
        received = batch.events(PatientEvent)
        history = [one.event for one in received if isinstance(one.event, History)]
        records = {one.event.ce_id: one.record for one in received}
        known = await known_of(batch.connection, {_asked_of(one) for one in history})
        fresh = await _fresh(batch, history, known)
        announcing = Announcing(
            await self._practices.of_versions(batch.connection, known.settings_versions),
            {conversation: one.listing for conversation, one in known.conversations.items()},
            known.names,
            rung_now(known.arrangements, self._clock()),
        )
        publish = [
            self._outgoing(announced, batch.trace_of(records[one.ce_id]))
            for one in fresh
            for announced in announcing.announce(one)
        ]
        await project(batch, fresh, publish)
        for one in fresh:
            if isinstance(one, RoutedMessageV1):
                for person in one.audience:
                    NOTIFICATIONS.labels(person.because).inc()

    async def on_practice_settings(self, batch: Batch) -> None:
        """Keep who is on the staff and who sees what; tell open streams that it changed, and whose view it changes."""
        settings = [one.event for one in batch.events(RoutingSettingsPublishedV1)]
        before = await self._practices.of(batch.connection, {one.practice_id for one in settings})
        announced = [self._outgoing(one) for one in _settings_announced(settings, before)]
        await save_settings(batch, settings, announced)

    async def on_patients(self, batch: Batch) -> None:
        """Keep what patients are called, and tell those who see a patient's conversation when it changes.

        A tombstone takes the name away: the patient was erased.
        """
        gone = [(one.practice_id, one.patient_id or "") for one in batch.tombstones()]
        await forget_patients(batch.connection, gone)
        patients = [one.event for one in batch.events(PatientSyncedV1)]
        known = await known_of(batch.connection, {(*_conversation_of(one), one.patient_id, None) for one in patients})
        renamed = [one for one in patients if known.names.get((one.practice_id, one.patient_id)) != _name(one)]
        listings = {conversation: one.listing for conversation, one in known.conversations.items()}
        practices = await self._practices.of_versions(batch.connection, known.settings_versions)
        announcing = Announcing(practices, listings, {})
        publish = [
            self._outgoing(_patient_announced(one, announcing)) for one in renamed if _conversation_of(one) in listings
        ]
        await save_patients(batch, patients, publish)

    async def on_practice_directory(self, batch: Batch) -> None:
        """Keep which locations and providers there are: staff apps filter by them."""
        await save_directories(batch, [one.event for one in batch.events(DirectorySyncedV1)])

    async def on_staff_notifications(self, batch: Batch) -> None:
        """Note what webhook endpoints are owed, and which people have to be told who are not looking."""
        if await queue_telling(batch, self._sealer, self._clock()):
            self._on_queued()

    def _outgoing(self, event: StaffEvent, trace: Headers = ()) -> Outgoing:
        return Outgoing.of(topics.STAFF_NOTIFICATIONS.name, event, source=SOURCE, time=self._clock(), trace=trace)


async def _fresh(batch: Batch, history: Sequence[History], known: Known) -> list[History]:
    """What is not projected yet, each once, in order."""
    details = await known_details(batch.connection, [one for one in history if isinstance(one, MessageUpdatedV1)])

    def is_new(one: History) -> bool:
        match one:
            case RoutedMessageV1():
                return (one.practice_id, one.message_id) not in known.messages
            case ConversationUpdatedV1():
                before = known.conversations.get((one.practice_id, one.conversation_id))
                return before is None or one.conversation_version > before.version
            case MessageUpdatedV1():
                return one.change_id not in details
            case ConversationActionRejectedV1():
                return True

    return [one for one in first_of_each(history, lambda one: (one.practice_id, one.ce_id)) if is_new(one)]


def _asked_of(one: History) -> Asked:
    message_id = one.message_id if isinstance(one, RoutedMessageV1) else None
    return one.practice_id, one.conversation_id, one.patient_id, message_id


def _settings_announced(
    settings: Iterable[RoutingSettingsPublishedV1], practices: Mapping[str, Practice]
) -> Iterable[SettingsAnnouncedV1]:
    newest = dict(practices)
    for one in settings:
        before, after = newest.get(one.practice_id), practice_from(one)
        newest[one.practice_id] = after
        yield SettingsAnnouncedV1(
            practice_id=one.practice_id,
            version=one.version,
            deactivated=tuple(member.staff_id for member in after.members if not member.is_active),
            affected=whose_view_changed(before, after) if before is not None else (),
        )


def _patient_announced(patient: PatientSyncedV1, announcing: Announcing) -> PatientAnnouncedV1:
    conversation = _conversation_of(patient)
    return PatientAnnouncedV1(
        practice_id=patient.practice_id,
        visible_to=announcing.viewers(patient.practice_id, announcing.listings[conversation]),
        conversation_id=conversation[1],
        patient_id=patient.patient_id,
        patient=_name(patient),
        as_of=patient.as_of,
    )


def _conversation_of(patient: PatientSyncedV1) -> Conversation:
    return patient.practice_id, ids.conversation_id(patient.practice_id, patient.patient_id)


def _name(patient: PatientSyncedV1) -> PatientName:
    return PatientName(given_name=patient.given_name, family_name=patient.family_name)
