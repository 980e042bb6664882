"""Which reason a message carries (rules R1 to R16)."""

from typing import Literal

from msgspec import Struct

from router.domain.facts import OTHER, Conversation, Message, ReasonId
from router.domain.policy import Policy, ToReason

ReasonSource = Literal["picked", "sticky", "extension", "menu", "carried", "none"]


class DecidedReason(Struct, frozen=True):
    """The reason, where it came from, and the rules that said so. `reason_id` None is the `other` bucket (R8)."""

    reason_id: ReasonId | None
    source: ReasonSource
    rules: tuple[str, ...]


def decide_reason(message: Message, conversation: Conversation, policy: Policy) -> DecidedReason:
    """The reason of a message that is not late."""
    if not policy.reason_routing:
        return DecidedReason(None, "none", ("R7",))
    match message.channel:
        case "voicemail":
            return _of_voicemail(message, conversation, policy)
        case "sms" if answers_menu(message, conversation, policy):
            return _picked_or_none(message, policy, "R16", source="menu")
        case "sms":
            return _of_breaking("R5", conversation, message, policy)
        case "web":
            return _of_web(message, conversation, policy)


def is_sticky(message: Message, conversation: Conversation, policy: Policy) -> bool:
    """R4: a message at most the window after the patient's previous one keeps its reason.

    The window slides: it is counted from the patient's previous message, by any channel. Exactly at its end is still
    within it (R9); a window of zero is off (R15).
    """
    previous = conversation.last_message_at
    return previous is not None and bool(policy.window) and message.received_at - previous <= policy.window


def answers_menu(message: Message, conversation: Conversation, policy: Policy) -> bool:
    """R16: a text that chooses from the reason menu, at most the window after the menu was offered."""
    return message.requested_reason_id is not None and _menu_is_open(message, conversation, policy)


def offers_menu(message: Message, conversation: Conversation, reason: DecidedReason, policy: Policy) -> bool:
    """R16: a text that left the conversation without a reason is answered with the menu, once in a window."""
    return (
        policy.sms_reason_menu
        and bool(policy.window)
        and message.channel == "sms"
        and "R5" in reason.rules
        and not _menu_is_open(message, conversation, policy)
    )


def _menu_is_open(message: Message, conversation: Conversation, policy: Policy) -> bool:
    offered = conversation.menu_offered_at
    is_recent = offered is not None and message.received_at - offered <= policy.window
    return policy.sms_reason_menu and bool(policy.window) and is_recent


def _of_web(message: Message, conversation: Conversation, policy: Policy) -> DecidedReason:
    if "web" in policy.broken_by:
        return _picked_or_none(message, policy, "R15")
    if is_sticky(message, conversation, policy):
        if conversation.reason_id is not None:
            wins = ("R4", "R11") if message.requested_reason_id else ("R4",)
            return DecidedReason(conversation.reason_id, "sticky", wins)
        return _picked_or_none(message, policy, "R11" if message.requested_reason_id else "R10")
    if message.requested_reason_id is not None:
        return _picked_or_none(message, policy, "R1")
    if conversation.is_open and conversation.reason_id is not None:
        return DecidedReason(conversation.reason_id, "carried", ("R12",))
    return DecidedReason(None, "none", ("R12", "R8"))


def _of_voicemail(message: Message, conversation: Conversation, policy: Policy) -> DecidedReason:
    target = policy.extensions.get(message.extension or "")
    if isinstance(target, ToReason):
        if policy.takes(target.reason_id):
            return DecidedReason(target.reason_id, "extension", ("R6",))
        return DecidedReason(OTHER, "extension", ("R6", "R14"))
    if target is not None:
        return DecidedReason(None, "none", ("R6",))
    return _of_breaking("R5", conversation, message, policy)


def _of_breaking(rule: str, conversation: Conversation, message: Message, policy: Policy) -> DecidedReason:
    """A channel that removes the reason at once; a practice may say that it does not (R15)."""
    if message.channel in policy.broken_by:
        return DecidedReason(None, "none", (rule, "R8"))
    if conversation.reason_id is not None and (conversation.is_open or is_sticky(message, conversation, policy)):
        return DecidedReason(conversation.reason_id, "sticky", ("R15", "R4"))
    return DecidedReason(None, "none", ("R15", "R8"))


def _picked_or_none(message: Message, policy: Policy, rule: str, source: ReasonSource = "picked") -> DecidedReason:
    requested = message.requested_reason_id
    if requested is None:
        return DecidedReason(None, "none", (rule, "R8"))
    if requested == OTHER or policy.takes(requested):
        return DecidedReason(requested, source, (rule,))
    return DecidedReason(OTHER, source, (rule, "R14"))
