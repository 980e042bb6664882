"""Events in: load the facts, decide, store, publish."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from prometheus_client import Counter

from router.changes import action_of, answer, change_record
from router.compiling import compile_policy
from router.domain.actions import apply
from router.domain.facts import Conversation, Directory, Facts, Message, ReasonId
from router.domain.policy import Policy
from router.domain.route import route
from router.outdating import appointment_changes
from router.presenting import decided, decision_record, routed_message
from router.storage.decisions import AppliedChange, DecisionRecord, record_changes, record_decisions
from router.storage.facts import Handled, Key, KnownPatient, KnownPractice, known_of, labels_from
from router.storage.practice_management import (
    forget_patients,
    newest_appointments,
    save_appointments,
    save_directories,
)
from shared_messaging import Batch, Outgoing, Received, first_of_each
from shared_schemas import topics
from shared_schemas.cloudevents import Headers, attributes
from shared_schemas.conversation_changes import ConversationChange
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_management import AppointmentSyncedV1, DirectorySyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import RoutedMessageV1
from shared_schemas.values import PatientEvent

SOURCE = "/switchboard/router"
E = TypeVar("E", bound=PatientEvent)

DECISIONS = Counter("switchboard_decisions", "Messages decided, by channel and outcome.", ["channel", "outcome"])


class Practice(NamedTuple):
    """How a practice wants its messages routed, and its locations and providers."""

    policy: Policy
    directory: Directory


class Practices:
    """What is read with a batch is always current; settings are compiled once for each version."""

    def __init__(self) -> None:
        self._compiled: dict[str, Policy] = {}

    def versions(self, practices: Iterable[str]) -> Mapping[str, int]:
        """Of the settings that are compiled; -1 for none."""
        return {id_: self._compiled[id_].version if id_ in self._compiled else -1 for id_ in practices}

    def now(self, known: Mapping[str, KnownPractice]) -> Mapping[str, Practice]:
        """Each practice as it was just read; one that never saved settings has the defaults, version 0."""
        for id_, practice in known.items():
            if practice.newer_settings is not None:
                self._compiled[id_] = compile_policy(practice.newer_settings)
        return {
            id_: Practice(
                self._compiled.get(id_) or compile_policy(RoutingSettingsPublishedV1(practice_id=id_)),
                practice.directory,
            )
            for id_, practice in known.items()
        }


class Handlers:
    """The router's consumers. `clock` gives `decided_at`; no rule reads it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._practices = Practices()

    async def on_patient_messages(self, batch: Batch) -> None:
        """Decide each message in log order; one that was decided before changes nothing (promise 2)."""
        received = batch.events(MessageReceivedV1)
        if not received:
            return
        instants = {one.event.received_at for one in received}
        fresh, known, practices = await self._known(batch, received, min(instants), "decision", instants)
        if not fresh:
            return
        now = self._clock()
        before = {key: patient.conversation.version for key, patient in known.items()}
        after: dict[Key, Conversation] = {}
        records: list[DecisionRecord] = []
        publish: list[Outgoing] = []
        outcomes: Tally[tuple[str, str]] = Tally()
        for record, event in fresh:
            key = event.practice_id, event.patient_id
            policy, directory = practices[event.practice_id]
            facts = Facts(after.get(key, known[key].conversation), known[key].appointments, directory)
            decision = route(_message(event), facts, policy)
            result = decided(event, decision, facts, policy, now)
            after[key] = decision.conversation
            records.append(_record(event, facts, result, is_unrouted=decision.is_unrouted))
            publish.append(_outgoing(event, result, now, batch.trace_of(record)))
            outcomes[event.channel, "unrouted" if decision.is_unrouted else "routed"] += 1
        await record_decisions(batch, before, after, records, publish)
        for labels, count in outcomes.items():
            DECISIONS.labels(*labels).inc(count)

    async def on_conversation_changes(self, batch: Batch) -> None:
        """Apply each change, or reject it with a reason; one that was looked at before changes nothing."""
        received = batch.events(ConversationChange)
        if not received:
            return
        now, since = self._clock(), min(one.event.occurred_at for one in received)
        fresh, known, practices = await self._known(batch, received, since, "applied_change", {now})
        if not fresh:
            return
        before = {key: patient.conversation.version for key, patient in known.items()}
        after: dict[Key, Conversation] = {}
        changes: list[AppliedChange] = []
        publish: list[Outgoing] = []
        for record, event in fresh:
            key = event.practice_id, event.patient_id
            policy, directory = practices[event.practice_id]
            conversation = after.get(key, known[key].conversation)
            outcome = apply(action_of(event), conversation, policy, directory)
            told = answer(event, outcome, conversation, policy, directory)
            after[key] = getattr(outcome, "conversation", conversation)
            changes.append(
                AppliedChange(event.practice_id, event.change_id, now, change_record(event, conversation, told))
            )
            publish.append(
                Outgoing.of(topics.ROUTED_MESSAGES.name, told, source=SOURCE, time=now, trace=batch.trace_of(record))
            )
        changed = {key: conversation for key, conversation in after.items() if conversation.version != before[key]}
        await record_changes(batch, before, changed, changes, publish)

    async def on_appointments(self, batch: Batch) -> None:
        """Keep our copy of the appointments, and ask for labels that came from a changed one to be compared with it (L3).

        A tombstone takes all of a patient's.
        """
        await forget_patients(batch.connection, [(one.practice_id, one.patient_id or "") for one in batch.tombstones()])
        newest = newest_appointments(one.event for one in batch.events(AppointmentSyncedV1))
        if not newest:
            return
        labels = await labels_from(batch.connection, newest)
        now = self._clock()
        publish = [
            Outgoing.of(topics.CONVERSATION_CHANGES.name, change, source=SOURCE, time=now)
            for change in appointment_changes(newest, labels, now)
        ]
        await save_appointments(batch, newest, publish)

    async def on_practice_directory(self, batch: Batch) -> None:
        """Keep our copy of the locations and providers, and of when the PM system was last asked (L9)."""
        await save_directories(batch, [one.event for one in batch.events(DirectorySyncedV1)])

    async def _known(
        self,
        batch: Batch,
        received: Sequence[Received[E]],
        since: datetime,
        handled: Handled,
        handled_at: set[datetime],
    ) -> tuple[list[Received[E]], Mapping[Key, KnownPatient], Mapping[str, Practice]]:
        """The events that were not handled before, each once, and what is known of their patients and practices."""
        events = [(one.event.practice_id, one.event.patient_id, one.event.ce_id) for one in received]
        versions = self._practices.versions(one.event.practice_id for one in received)
        known = await known_of(batch.connection, events, versions, since=since, handled=handled, handled_at=handled_at)
        first = first_of_each(received, lambda one: (one.event.practice_id, one.event.ce_id))
        fresh = [one for one in first if (one.event.practice_id, one.event.ce_id) not in known.handled]
        return fresh, known.patients, self._practices.now(known.practices)


def _message(event: MessageReceivedV1) -> Message:
    requested = ReasonId(event.requested_reason_id) if event.requested_reason_id else None
    return Message(event.message_id, event.channel, event.received_at, requested, event.extension)


def _outgoing(event: MessageReceivedV1, result: bytes, now: datetime, trace: Headers) -> Outgoing:
    key, ce_id = event.practice_id, RoutedMessageV1.id_of(event.message_id)
    headers = attributes(RoutedMessageV1.ce_type, ce_id, key, SOURCE, now)
    return Outgoing(topics.ROUTED_MESSAGES.name, key.encode(), routed_message(event, result), (*headers, *trace))


def _record(event: MessageReceivedV1, facts: Facts, result: bytes, *, is_unrouted: bool) -> DecisionRecord:
    record = decision_record(event, facts, result)
    return DecisionRecord(
        event.practice_id, event.message_id, event.patient_id, event.received_at, is_unrouted, record,
        facts.conversation.version,
    )  # fmt: skip
