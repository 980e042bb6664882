"""Which reasons a patient may pick in the messenger, and whether they are asked at all (rules R1 to R3, R17)."""

from datetime import datetime

from router.domain.facts import OTHER, Conversation, ReasonId
from router.domain.policy import Policy


def picker(conversation: Conversation, policy: Policy, now: datetime) -> tuple[ReasonId, ...] | None:
    """The reasons to choose from, in the practice's order and `other` last; None: do not ask (R2)."""
    previous = conversation.last_message_at
    is_shown = (
        policy.reason_routing
        and not conversation.is_open
        and conversation.unread_practice_message_id is None
        and (previous is None or now - previous > policy.window)
    )
    if not is_shown:
        return None
    offered = (*(reason_id for reason_id in policy.reasons if policy.takes(reason_id)), OTHER)
    return tuple(reason_id for reason_id in offered if _has_subscriber(reason_id, policy))


def _has_subscriber(reason_id: ReasonId, policy: Policy) -> bool:
    """R3: somebody on the staff is subscribed to this reason, somewhere."""
    return any(
        subscription.reasons is None or reason_id in subscription.reasons
        for member in policy.active_members()
        for subscription in member.subscriptions
    )
