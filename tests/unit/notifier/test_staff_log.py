"""What a stream carries of an event goes by the newer of two settings: those it was made by, and those we know of."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from notifier.domain.visibility import Member, Practice
from notifier.staff_log import entry_of
from shared_messaging import Outgoing, Record
from shared_schemas import topics
from shared_schemas.staff_notifications import MessageAnnouncedV1

EXAMPLE = Path("shared/schemas/examples/MessageAnnounced.v1.json")
NEWCOMER = "staff-di"
IN_UNASSIGNED = {"kind": "unassigned", "id": None}


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
    event = MessageAnnouncedV1.model_validate(told)
    out = Outgoing.of(topics.STAFF_NOTIFICATIONS.name, event, source="/test", time=datetime(2026, 11, 29, tzinfo=UTC))
    entry = entry_of(Record(out.topic, 0, 7, out.key, out.value, out.headers, 0))
    assert entry is not None
    outside = Practice(known, (Member(NEWCOMER, is_active=True, is_administrator=False, sees_unassigned=False),), {})
    assert (entry.frame_for(NEWCOMER, outside) is not None) is is_shown
