"""Past traffic decided again: by its own settings, to prove the record (X2), or by a draft, to see what would change."""

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from router.domain.facts import Conversation, Facts, Message
from router.domain.policy import Policy
from router.domain.route import Decision, route


class Told(Struct, frozen=True):
    """What was decided, as far as anybody notices it."""

    reason_id: str | None
    reason_source: str
    location_id: str | None
    provider_id: str | None
    destination: str
    """`unassigned`, `member:<id>` or `shared_inbox:<id>`."""
    audience: tuple[tuple[str, str, str | None], ...]
    """Staff id, why, and by which subscription."""
    is_unrouted: bool
    is_late: bool
    rules: tuple[str, ...]

    @property
    def people(self) -> frozenset[str]:
        """Who was told."""
        return frozenset(staff_id for staff_id, _, _ in self.audience)

    @classmethod
    def of(cls, decision: Decision) -> "Told":
        """From a decision just made."""
        location, provider = decision.location.carried, decision.provider.carried
        return cls(
            decision.reason.reason_id,
            decision.reason.source,
            location.id if location else None,
            provider.id if provider else None,
            str(decision.destination),
            tuple((one.staff_id, one.because, one.subscription_id) for one in decision.audience),
            decision.is_unrouted,
            decision.is_late,
            decision.rules,
        )


class PastDecision(Struct, frozen=True):
    """A message that was decided: what was known then, by which settings, and what came of it."""

    patient_id: str
    message: Message
    facts: Facts
    settings_version: int
    told: Told


class Replayed(Struct, frozen=True):
    """A past decision made again."""

    past: PastDecision
    is_reproduced: bool
    """Its own settings gave the same result again (X2)."""
    under_draft: Told
    """What the draft would have made of it."""

    @property
    def differs(self) -> bool:
        """Whether anybody would have noticed the draft."""
        was, would_be = self.past.told, self.under_draft
        return (was.reason_id, was.location_id, was.provider_id, was.destination, was.people) != (
            would_be.reason_id, would_be.location_id, would_be.provider_id, would_be.destination, would_be.people,
        )  # fmt: skip


def replay(history: Iterable[tuple[PastDecision, Policy]], draft: Policy | None = None) -> Iterator[Replayed]:
    """Decide one patient's messages again, in their order, each with the settings that were used; and by `draft`.

    The draft has a history of its own: what an earlier message left behind under it (a reason, a label, an inbox) is what
    the next one finds. What staff did in between stays as it happened.
    """
    left_then: Conversation | None = None
    left_by_draft: Conversation | None = None
    for past, policy in history:
        again = route(past.message, past.facts, policy)
        told = Told.of(again)
        drafted = again
        if draft is not None:
            found = _as_left(past.facts.conversation, left_then, left_by_draft)
            drafted = route(past.message, replace(past.facts, conversation=found), draft)
        left_then, left_by_draft = again.conversation, drafted.conversation
        yield Replayed(past, told == past.told, Told.of(drafted) if draft is not None else told)


def _as_left(found: Conversation, left_then: Conversation | None, left_by_draft: Conversation | None) -> Conversation:
    """The conversation as the draft would have found it: changed where the messages, and not the staff, made it so."""
    if left_then is None or left_by_draft is None:
        return found
    return Conversation(
        is_open=left_by_draft.is_open if found.is_open == left_then.is_open else found.is_open,
        destination=left_by_draft.destination if found.destination == left_then.destination else found.destination,
        reason_id=left_by_draft.reason_id if found.reason_id == left_then.reason_id else found.reason_id,
        location=left_by_draft.location if found.location == left_then.location else found.location,
        provider=left_by_draft.provider if found.provider == left_then.provider else found.provider,
        last_message_at=found.last_message_at,
        unread_practice_message_id=found.unread_practice_message_id,
        menu_offered_at=left_by_draft.menu_offered_at,
        version=found.version,
    )
