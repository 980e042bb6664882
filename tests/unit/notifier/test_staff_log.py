"""What is in memory of the log: what comes after a cursor, and what a stream carries of an event.

That goes by the newer of two settings: those it was made by, and those we know of.
"""

import gc
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from notifier.cursors import Cursor
from notifier.domain.visibility import Member, Practice
from notifier.staff_log import PartitionLog, new_entries
from shared_messaging import Outgoing, Record
from shared_schemas import topics
from shared_schemas.staff_notifications import MessageAnnouncedV1, SettingsAnnouncedV1
from shared_schemas.values import Event

EXAMPLE = Path("shared/schemas/examples/MessageAnnounced.v1.json")
NEWCOMER = "staff-di"
IN_UNASSIGNED = {"kind": "unassigned", "id": None}


def record(offset: int, event: Event) -> Record:
    out = Outgoing.of(topics.STAFF_NOTIFICATIONS.name, event, source="/test", time=datetime(2026, 11, 29, tzinfo=UTC))
    return Record(out.topic, 0, offset, out.key, out.value, out.headers, 0)


def log_of(versions: Sequence[int], sharing: int = 1) -> tuple[PartitionLog, list[Cursor]]:
    """A log of one settings event for each of these, and the cursor after each."""
    log, cursors = PartitionLog(0, sharing=sharing), []
    for offset, version in enumerate(versions):
        log.append(record(offset, SettingsAnnouncedV1(practice_id="a-practice", version=version)))
        cursors.append(Cursor.after(0, offset, log.last_id))
    return log, cursors


def test_what_comes_after_a_repetition_is_found_in_memory() -> None:
    log, cursors = log_of([1, 2, 1, 2, 3])
    found = {cursor.offset: log.after(cursor) for cursor in cursors}
    offsets = {offset: [entry.offset for entry in entries or []] for offset, entries in found.items()}
    assert offsets == {0: [1, 4], 1: [4], 2: [4], 3: [4], 4: []}
    assert log.after(Cursor.after(0, 2, "another record's")) is None


@pytest.mark.parametrize("sharing", [1, 24])
def test_what_came_after_a_record_is_not_found_once_some_of_it_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, sharing: int
) -> None:
    monkeypatch.setattr("notifier.staff_log.RING_BYTES", 1_000 * sharing)
    log, cursors = log_of(range(50), sharing)
    first = log.entries[0].offset
    assert first > 0
    assert [cursor.offset for cursor in cursors if log.after(cursor) is not None] == list(range(first, 50))


def test_of_a_message_little_is_kept_that_the_collector_of_garbage_looks_at() -> None:
    told = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    log, count = PartitionLog(0), 500

    def take_in(first: int) -> int:
        for offset in range(first, first + count):
            message = told["message"] | {"message_id": f"message-{offset}"}
            log.append(record(offset, MessageAnnouncedV1.model_validate(told | {"message": message})))
        gc.collect()
        return len(gc.get_objects())

    before = take_in(0)
    after = take_in(count)

    assert len(log.entries) == 2 * count
    assert (after - before) / count < 4


@pytest.mark.parametrize(
    ("made_by", "known", "is_shown"),
    [
        (4, 3, True),  # they were let in by version 4, of which we have not heard yet
        (4, 4, True),
        (4, 5, False),  # and they were shut out by version 5
        (0, 3, False),  # nobody knows by which: an event of before
    ],
)
def test_only_newer_settings_hide_an_event(made_by: int, known: int, is_shown: bool) -> None:  # noqa: FBT001 - a table
    told = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    told |= {"visible_to": [NEWCOMER], "was": None, "settings_version": made_by}
    told["message"] |= {"destination": IN_UNASSIGNED, "audience": []}
    (entry,) = new_entries([record(7, MessageAnnouncedV1.model_validate(told))], set())
    outside = Practice(known, (Member(NEWCOMER, is_active=True, is_administrator=False, sees_unassigned=False),), {})
    assert (entry.frame_for(NEWCOMER, outside) is not None) is is_shown
