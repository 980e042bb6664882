"""Writing what was decided: conversations, decision records and applied changes, in one fenced statement."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, assert_never

from router.domain.facts import AssignedTo, CarriedPlace, Conversation, Destination, InSharedInbox, Unassigned
from router.storage.facts import Key
from shared_database import columns
from shared_messaging import Batch, Outgoing

_SAVE = """
saved AS (
    INSERT INTO conversation SELECT * FROM unnest(
        $1::text[], $2::text[], $3::boolean[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::timestamptz[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::int[],
        $16::timestamptz[], $17::boolean[], $18::boolean[]
    )
    ON CONFLICT (practice_id, patient_id) DO UPDATE SET
        is_open = excluded.is_open, destination_kind = excluded.destination_kind,
        destination_id = excluded.destination_id, reason_id = excluded.reason_id, location_id = excluded.location_id,
        location_appointment_id = excluded.location_appointment_id, location_as_of = excluded.location_as_of,
        provider_id = excluded.provider_id, provider_appointment_id = excluded.provider_appointment_id,
        provider_as_of = excluded.provider_as_of, last_message_at = excluded.last_message_at,
        unread_practice_message_id = excluded.unread_practice_message_id, version = excluded.version,
        menu_offered_at = excluded.menu_offered_at, location_outdated = excluded.location_outdated,
        provider_outdated = excluded.provider_outdated
    WHERE (conversation.practice_id, conversation.patient_id, conversation.version) IN (
        SELECT * FROM unnest($1::text[], $2::text[], $19::int[])
    )
    RETURNING 1
)"""

_WITH_DECISIONS = (
    _SAVE
    + """, recorded AS (
    INSERT INTO decision SELECT * FROM unnest(
        $20::text[], $21::text[], $22::text[], $23::timestamptz[], $24::boolean[], $25::json[], $26::int[]
    ) RETURNING 1
)"""
)

_WITH_CHANGES = (
    _SAVE
    + """, noted AS (
    INSERT INTO applied_change SELECT * FROM unnest($20::text[], $21::text[], $22::timestamptz[], $23::jsonb[])
    RETURNING 1
)"""
)


class DecisionRecord(NamedTuple):
    """What is kept of one decision, in the order of the table's columns. `record` is JSON."""

    practice_id: str
    message_id: str
    patient_id: str
    received_at: datetime
    is_unrouted: bool
    record: str
    conversation_version: int
    """Of the conversation that was decided on: the order of a patient's decisions."""


class AppliedChange(NamedTuple):
    """A change that was applied or rejected: the same one again is not looked at. In the order of the table's columns."""

    practice_id: str
    change_id: str
    at: datetime
    record: str
    """JSON: who wanted what when, how the conversation was before, and what came of it."""


async def record_decisions(
    batch: Batch,
    before: Mapping[Key, int],
    after: Mapping[Key, Conversation],
    records: Sequence[DecisionRecord],
    publish: Sequence[Outgoing],
) -> None:
    """Write a batch of decisions. `before` has the version of each conversation that was decided on.

    Raises `Conflict` when a conversation has another version by now: the batch is decided again.
    """
    arguments = [*_conversation_columns(before, after), *columns(records, len(DecisionRecord._fields))]
    expecting = {"saved": len(after), "recorded": len(records)}
    await batch.write(_WITH_DECISIONS, *arguments, publish=publish, expecting=expecting)


async def record_changes(
    batch: Batch,
    before: Mapping[Key, int],
    after: Mapping[Key, Conversation],
    changes: Sequence[AppliedChange],
    publish: Sequence[Outgoing],
) -> None:
    """Write a batch of applied and rejected changes; see `record_decisions`."""
    arguments = [*_conversation_columns(before, after), *columns(changes, len(AppliedChange._fields))]
    expecting = {"saved": len(after), "noted": len(changes)}
    await batch.write(_WITH_CHANGES, *arguments, publish=publish, expecting=expecting)


def _conversation_columns(before: Mapping[Key, int], after: Mapping[Key, Conversation]) -> list[list[object]]:
    """The columns of the statement's first nineteen parameters, sorted by key: two writers must not deadlock."""
    rows = [
        (
            *key,
            conversation.is_open,
            *_destination(conversation.destination),
            conversation.reason_id,
            *_label(conversation.location),
            *_label(conversation.provider),
            conversation.last_message_at,
            conversation.unread_practice_message_id,
            conversation.version,
            conversation.menu_offered_at,
            *(label is not None and label.is_outdated for label in (conversation.location, conversation.provider)),
            before[key],
        )
        for key, conversation in sorted(after.items())
    ]
    return columns(rows, 19)


def _destination(destination: Destination) -> tuple[str, str | None]:
    match destination:
        case Unassigned():
            return "unassigned", None
        case AssignedTo(staff_id):
            return "member", staff_id
        case InSharedInbox(inbox_id):
            return "shared_inbox", inbox_id
        case _:
            assert_never(destination)


def _label(label: CarriedPlace | None) -> tuple[str | None, str | None, datetime | None]:
    return (None, None, None) if label is None else (label.id, label.appointment_id, label.as_of)
