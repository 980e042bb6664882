"""Which inboxes list a conversation, and under which key each is counted (rules V1, M3, D2, D3)."""

from dataclasses import dataclass
from typing import assert_never

from shared_schemas.routed_messages import ConversationUpdatedV1, MessageUpdatedV1, RoutedMessageV1
from shared_schemas.staff_notifications import Listing

UNASSIGNED = "unassigned"
MINE = "mine"
ASSIGNED = "assigned"
CLOSED = "closed"
SHARED = "shared:"


@dataclass(frozen=True, slots=True)
class StreamFilter:
    """What a stream is limited to. None does not limit; the words are those of `GET /v1/conversations`."""

    inbox: str | None = None
    reason: str | None = None
    location: str | None = None

    def matches(self, listing: Listing, staff_id: str) -> bool:
        """Whether a conversation that is listed like this is in what the stream is limited to."""
        return (
            (self.inbox is None or _is_in(self.inbox, listing, staff_id))
            and (self.reason is None or self.reason == (listing.reason_id or "other"))
            and (self.location is None or self.location == (listing.location_id or "unknown"))
        )


def listing_of(event: RoutedMessageV1 | ConversationUpdatedV1 | MessageUpdatedV1) -> Listing:
    """Where a conversation is listed once `event` has happened."""
    reason, location = (None, None) if isinstance(event, MessageUpdatedV1) else (event.reason.id, event.location.id)
    return Listing(
        status="open" if isinstance(event, RoutedMessageV1) else event.status,
        destination=event.destination,
        reason_id=reason,
        location_id=location,
        audience=tuple(person.staff_id for person in event.audience),
    )


def inboxes_of(listing: Listing) -> tuple[str, ...]:
    """The keys of the inboxes that list it: the one it is in, and My Inbox of each person of the audience."""
    if listing.status == "closed":
        return ()
    mine = (key_for(MINE, staff_id) for staff_id in listing.audience)
    return (_inbox_key(listing), *mine)


def key_for(inbox: str, staff_id: str) -> str:
    """The key of an inbox as one person names it: `mine` and `assigned` are another inbox for everybody."""
    return f"{inbox}:{staff_id}" if inbox in {MINE, ASSIGNED} else inbox


def _inbox_key(listing: Listing) -> str:
    kind = listing.destination.kind
    match kind:
        case "unassigned":
            return UNASSIGNED
        case "member":
            return key_for(ASSIGNED, listing.destination.id or "")
        case "shared_inbox":
            return SHARED + (listing.destination.id or "")
        case _:
            assert_never(kind)


def _is_in(inbox: str, listing: Listing, staff_id: str) -> bool:
    if listing.status == "closed":
        return inbox == CLOSED
    if inbox == MINE:
        return staff_id in listing.audience
    return key_for(inbox, staff_id) == _inbox_key(listing)
