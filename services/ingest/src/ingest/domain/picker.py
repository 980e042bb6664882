"""Whether a patient is asked for a reason, and which there are (rules R1 to R3, R17)."""

from dataclasses import dataclass
from datetime import datetime

from shared_schemas.practice_settings import IdsOrAll, Member, Reason, RoutingSettingsPublishedV1

OTHER = "other"
_OTHER_WORDS = {"en": "Something else", "es": "Otro motivo"}


@dataclass(frozen=True, slots=True)
class ConversationState:
    """What ingest knows of a conversation; a new one is closed."""

    is_open: bool = False
    reason_id: str | None = None
    last_message_at: datetime | None = None
    has_unread_practice_message: bool = False


def is_asked(state: ConversationState, settings: RoutingSettingsPublishedV1, now: datetime) -> bool:
    """R2: the conversation is closed, the practice's last message is read, and the patient's previous message is more
    than the window old.
    """
    previous = state.last_message_at
    return (
        settings.reason_routing
        and not state.is_open
        and not state.has_unread_practice_message
        and (previous is None or now - previous > settings.stickiness.window)
    )


def offered_reasons(settings: RoutingSettingsPublishedV1) -> list[Reason]:
    """R3: the reasons with at least one subscribed member, in the practice's order; `other` last, by the same rule."""
    reasons = [reason for reason in settings.reasons if not reason.retired]
    reasons.append(Reason(id=OTHER, label=_OTHER_WORDS))
    active = [member for member in settings.members if member.active]
    return [reason for reason in reasons if any(_is_subscribed(member, reason.id) for member in active)]


def carried_reason(state: ConversationState, settings: RoutingSettingsPublishedV1, now: datetime) -> Reason | None:
    """The reason that the patient's next message would keep, if any (R4, R12)."""
    previous = state.last_message_at
    is_sticky = previous is not None and now - previous <= settings.stickiness.window
    if state.reason_id is None or not (is_sticky or state.is_open):
        return None
    known = {reason.id: reason for reason in settings.reasons}
    return known.get(state.reason_id) or Reason(id=state.reason_id, label=_OTHER_WORDS)


def words_of(reason: Reason, language: str) -> str:
    """The practice's words in this language, else in English, else in the first language that it has."""
    return reason.label.get(language) or reason.label.get("en") or next(iter(reason.label.values()), reason.id)


def _is_subscribed(member: Member, reason_id: str) -> bool:
    return any(_includes(subscription.reasons, reason_id) for subscription in member.subscriptions)


def _includes(chosen: IdsOrAll, reason_id: str) -> bool:
    return chosen == "all" or reason_id in chosen
