"""How far a text has come, and what staff are told of it."""

from shared_schemas.conversation_changes import Delivery, DeliveryFailure

_RANK = {"sent": 1, "failed": 2, "delivered": 3}
_WORDS: dict[DeliveryFailure, str] = {
    "opted_out": "The patient has said STOP: no texts reach this phone until it sends START.",
    "invalid_number": "This is no number that takes texts.",
    "not_reachable": "The phone could not be reached, or takes no texts.",
    "not_allowed": "The practice's number may not text to this country.",
    "refused": "The carrier refused the text.",
    "no_channel": "The practice has no number to text this patient from.",
    "given_up": "The text could not be sent for hours, and is given up.",
}


def is_news(before: str | None, now: str) -> bool:
    """Whether a status says more than the one before: callbacks come twice, and in any order. What was delivered stays
    delivered.
    """
    return _RANK[now] > _RANK.get(before or "", 0)


def failed(failure: DeliveryFailure, provider_code: str | None) -> Delivery:
    """It will not reach the patient."""
    return Delivery(status="failed", failure=failure, provider_code=provider_code, detail=_WORDS[failure])
