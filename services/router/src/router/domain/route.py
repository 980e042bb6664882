"""The business rule: what becomes of a patient's message.

`route` is pure and total: the same facts, policy and message always give the same decision (promise 4). Time comes only
from the message's `received_at`.
"""

from msgspec import Struct
from msgspec.structs import replace

from router.domain.audience import Buckets, decide_audience, decide_destination
from router.domain.facts import Conversation, Destination, Facts, Message, Unassigned
from router.domain.place import DecidedPlace, decide_place, next_appointment
from router.domain.policy import Policy, Recipient
from router.domain.reason import DecidedReason, decide_reason, offers_menu


class Decision(Struct, frozen=True):
    """What becomes of a message, and of its conversation."""

    conversation: Conversation
    """How the conversation is afterwards."""
    reason: DecidedReason
    location: DecidedPlace
    provider: DecidedPlace
    destination: Destination
    audience: tuple[Recipient, ...]
    is_unrouted: bool
    """Nobody could be told: it waits in Unassigned and is shown to administrators at once (M4)."""
    is_late: bool
    """A newer message was routed before: this one changes no label and no destination (R13)."""
    offers_menu: bool
    """The patient is to be texted the reason menu (R16)."""
    rules: tuple[str, ...]
    """The ids of the rules that fired, in order, each once."""


def route(message: Message, facts: Facts, policy: Policy) -> Decision:
    """Decide one message: its reason, its location and provider, its inbox, and who is told."""
    before, now = facts.conversation, message.received_at
    is_late = before.last_message_at is not None and now < before.last_message_at

    if is_late:
        reason = DecidedReason(before.reason_id, "carried" if before.reason_id else "none", ("R13",))
        appointment = None
    else:
        reason = decide_reason(message, before, policy)
        appointment = next_appointment(facts.appointments, now)
    location = decide_place("location", before.location, appointment, facts.directory, policy, now)
    provider = decide_place("provider", before.provider, appointment, facts.directory, policy, now)

    destination, destination_rules = decide_destination(message, before, policy, is_late=is_late)
    is_menu_due = not is_late and isinstance(destination, Unassigned) and offers_menu(message, before, reason, policy)
    buckets = Buckets(reason.reason_id, location.bucket, provider.bucket)
    audience, audience_rules = decide_audience(destination, buckets, policy)

    return Decision(
        conversation=_after(
            before, message, reason, location, provider, destination, is_late=is_late, is_menu_due=is_menu_due
        ),
        reason=reason,
        location=location,
        provider=provider,
        destination=destination,
        audience=audience,
        is_unrouted=not audience,
        is_late=is_late,
        offers_menu=is_menu_due,
        rules=tuple(
            dict.fromkeys(
                (
                    *reason.rules,
                    *(("R16",) if is_menu_due else ()),
                    *location.rules,
                    *provider.rules,
                    *destination_rules,
                    *audience_rules,
                )
            )
        ),
    )


def _after(  # noqa: PLR0913 - what was decided
    before: Conversation,
    message: Message,
    reason: DecidedReason,
    location: DecidedPlace,
    provider: DecidedPlace,
    destination: Destination,
    *,
    is_late: bool,
    is_menu_due: bool,
) -> Conversation:
    """The conversation with this message in it: open, labelled, and with the window starting anew."""
    if is_late:
        return replace(before, is_open=True, destination=destination, version=before.version + 1)
    return Conversation(
        is_open=True,
        destination=destination,
        reason_id=reason.reason_id,
        location=location.carried or before.location,
        provider=provider.carried or before.provider,
        last_message_at=message.received_at,
        unread_practice_message_id=before.unread_practice_message_id,
        menu_offered_at=message.received_at if is_menu_due else before.menu_offered_at,
        version=before.version + 1,
    )
