"""How many conversations are in each inbox, and how many of them are unread: kept by triggers (ADR 0030)."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from notifier.domain.inboxes import ASSIGNED, MINE, key_for
from notifier.domain.visibility import Practice
from notifier.views import Counts, PersonCounts

if TYPE_CHECKING:
    from shared_database.pools import Pool


async def counts_of(
    pool: "Pool", practice_id: str, practice: Practice | None, staff_ids: Collection[str]
) -> dict[str, PersonCounts]:
    """The counts of these people, for the inboxes that each of them sees."""
    inboxes = {staff_id: inboxes_seen_by(practice, staff_id) for staff_id in staff_ids}
    keys = {key_for(inbox, staff_id) for staff_id, seen in inboxes.items() for inbox in seen}
    rows = await pool.fetch("SELECT * FROM counts_at($1, $2, $3)", practice_id, list(keys), list(staff_ids))
    by_key = {row["inbox"]: Counts(open=row["open"], unread=row["unread"]) for row in rows if row["inbox"] is not None}
    by_person = {row["staff_id"]: row["unseen"] for row in rows if row["staff_id"] is not None}
    return {
        staff_id: PersonCounts(
            unseen=by_person.get(staff_id, 0),
            inboxes={inbox: by_key.get(key_for(inbox, staff_id), Counts()) for inbox in seen},
        )
        for staff_id, seen in inboxes.items()
    }


def inboxes_seen_by(practice: Practice | None, staff_id: str) -> list[str]:
    """The inboxes that a person sees, as the person names them: Unassigned first, then My Inbox, then the others."""
    found = [MINE, ASSIGNED]
    if practice is None:
        return found
    member = practice.by_id.get(staff_id)
    if member is not None and member.sees_unassigned:
        found.insert(0, "unassigned")
    shared = (inbox_id for inbox_id in practice.shared_inboxes if staff_id in practice.people_of(inbox_id))
    return found + [f"shared:{inbox_id}" for inbox_id in shared]
