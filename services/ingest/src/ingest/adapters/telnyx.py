"""Telnyx: webhooks signed with Ed25519: https://developers.telnyx.com/development/api-fundamentals/webhooks/receiving-webhooks"""

import base64
import binascii
from datetime import datetime, timedelta
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field

TOLERANCE = timedelta(seconds=300)
"""How old, or how far ahead, a signed timestamp may be."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class _Phone(_Part):
    phone_number: str


class ReceivedText(_Part):
    """A text that a patient sent."""

    id: str
    sender: Annotated[_Phone, Field(alias="from")]
    text: str = ""


class _ReceivedEvent(_Part):
    event_type: Literal["message.received"]
    payload: ReceivedText


class _OtherEvent(_Part):
    event_type: str


class _Webhook(_Part):
    data: _ReceivedEvent | _OtherEvent


def is_signed(public_key: str, body: bytes, timestamp: str, signature: str, now: datetime) -> bool:
    """Whether Telnyx signed `timestamp|body` with this key (base64), and recently."""
    try:
        if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
            return False
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
        key.verify(base64.b64decode(signature), timestamp.encode() + b"|" + body)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def received_text(body: bytes) -> ReceivedText | None:
    """The text that a webhook tells of; None when it tells of something else. Raises pydantic's ValidationError."""
    event = _Webhook.model_validate_json(body).data
    return event.payload if isinstance(event, _ReceivedEvent) else None
