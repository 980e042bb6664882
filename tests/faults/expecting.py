"""Who is to be told, by the naive reading of the rules: each conversation is played again with what was known then.

What router knew of appointments is in its decision records; it must be what the PM system had said up to some moment, and
that moment never goes back.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared_schemas.conversation_changes import (
    ConversationAssignedV1,
    ConversationChange,
    ConversationClosedV1,
    ConversationMovedV1,
    LabelCorrectedV1,
    NewTopicStartedV1,
    RerouteRequestedV1,
)
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_management import AppointmentSyncedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationActionRejectedV1, ConversationUpdatedV1, RoutedMessageV1
from tests.faults.checker import Violation
from tests.faults.reading import Found
from tests.oracle.happenings import NINE, Did, Happening, Listed, Said, Saved, Synced
from tests.oracle.rules import ROUTABLE, Oracle

Applied = RoutedMessageV1 | ConversationUpdatedV1
REFUSED = ["nobody: this is to be refused"]
_DURATIONS = {"P1D": "PT24H"}


def expected_audiences(found: Found, practices: Sequence[str]) -> tuple[dict[str, list[str]], list[Violation]]:
    """By the id of a message or change, whom the rules name; and where router knew what it cannot have known."""
    audiences: dict[str, list[str]] = {}
    violations: list[Violation] = []
    conversations: dict[tuple[str, str], dict[str, Applied]] = defaultdict(dict)
    for event in found.routed:
        if not isinstance(event, ConversationActionRejectedV1) and event.practice_id in practices:
            conversations[event.practice_id, event.patient_id].setdefault(_id(event), event)
    for (practice, patient), events in conversations.items():
        played = _Played(found, practice, patient)
        for event in sorted(events.values(), key=lambda one: one.conversation_version):
            played.happens(event)
        audiences |= played.audiences()
        violations += played.violations
    return audiences, violations


class _Played:
    """One patient's conversation."""

    def __init__(self, found: Found, practice: str, patient: str) -> None:
        self._found = found
        self._practice = practice
        self._syncs = [one for one in found.synced if (one.practice_id, one.patient_id) == (practice, patient)]
        self._known = 0
        self._version = 0
        self._history: list[Happening] = [Listed(frozenset(), NINE)]
        self._asked: dict[int, str] = {}
        self.violations: list[Violation] = []

    def happens(self, event: Applied) -> None:
        if event.settings_version != self._version:
            self._version = event.settings_version
            self._history.append(Saved(_settings(self._found.settings[self._practice, self._version])))
        if isinstance(event, RoutedMessageV1):
            self._learn(event)
            self._history.append(_said(self._found.said[event.message_id], event))
        else:
            self._history.append(_did(self._found.wanted[event.change_id]))
        self._asked[len(self._history) - 1] = _id(event)

    def audiences(self) -> Mapping[str, list[str]]:
        oracle = Oracle(self._history)
        return {id_: _audience(oracle, index) for index, id_ in self._asked.items()}

    def _learn(self, event: RoutedMessageV1) -> None:
        record = self._found.records.get(event.message_id)
        if record is None:  # a zombie's write: the checker names it
            return
        knew = [(one["appointment_id"], _instant(one["start"])) for one in record["inputs"]["appointments"]]
        for count in range(self._known, len(self._syncs) + 1):
            if _upcoming(self._syncs[:count]) == knew:
                self._history += [_synced(one) for one in self._syncs[self._known : count]]
                self._known = count
                return
        detail = "was decided by appointments that the PM system has not told of, or no longer"
        self.violations.append(Violation("wrong-audience", self._practice, event.message_id, detail))


def _audience(oracle: Oracle, index: int) -> list[str]:
    if isinstance(oracle.happened(index), Said):
        return [staff for staff, _, _ in oracle.verdict(index).audience]
    outcome = oracle.outcome(index)
    return REFUSED if outcome.rejected is not None else [staff for staff, _, _ in outcome.audience]


def _upcoming(syncs: Sequence[AppointmentSyncedV1]) -> list[tuple[str, datetime]]:
    newest: dict[str, AppointmentSyncedV1] = {}
    for one in syncs:
        if one.appointment_id not in newest or newest[one.appointment_id].as_of <= one.as_of:
            newest[one.appointment_id] = one
    found = [(one.start, one.appointment_id) for one in newest.values() if one.status in ROUTABLE]
    return [(id_, start) for start, id_ in sorted(found)]


def _id(event: Applied) -> str:
    return event.message_id if isinstance(event, RoutedMessageV1) else event.change_id


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _settings(settings: RoutingSettingsPublishedV1) -> dict[str, Any]:
    """In the words of the oracle, which reads durations by name."""
    content = settings.model_dump(mode="json")
    content["freshness_limit"] = _named(content["freshness_limit"])
    content["stickiness"]["window"] = _named(content["stickiness"]["window"])
    content["extensions"] = [
        {name: value for name, value in one.items() if value is not None} for one in content["extensions"]
    ]
    return content


def _named(duration: str) -> str:
    return _DURATIONS.get(duration, duration)


def _said(message: MessageReceivedV1, routed: RoutedMessageV1) -> Said:
    """With the time that router went by: a repeated webhook is received at another."""
    return Said(
        message.patient_id,
        message.message_id,
        message.channel,
        routed.received_at,
        message.requested_reason_id,
        message.extension,
    )


def _synced(event: AppointmentSyncedV1) -> Synced:
    return Synced(
        event.patient_id,
        event.appointment_id,
        event.status,
        event.start,
        event.location_id,
        event.provider_id,
        event.as_of,
    )


def _did(change: ConversationChange) -> Did:  # noqa: PLR0911 - one for each
    about = (change.patient_id, change.change_id)
    match change:
        case ConversationAssignedV1():
            return Did(*about, "assign", change.to, None, change.expected_version)
        case ConversationMovedV1():
            return Did(*about, "move", change.to)
        case ConversationClosedV1():
            return Did(*about, "close")
        case LabelCorrectedV1():
            return Did(*about, "label", change.reason_id, change.location_id)
        case NewTopicStartedV1():
            return Did(*about, "topic")
        case RerouteRequestedV1():
            return Did(*about, "reroute")
        case _:
            return Did(*about, "reply")
