"""Telnyx: webhooks signed with Ed25519: https://developers.telnyx.com/development/api-fundamentals/webhooks/receiving-webhooks"""

import base64
import binascii
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field

from ingest.adapters.refusals import refusal
from ingest.configuration import TelnyxSms

_FINAL = frozenset({40300, 40310, 40001, 40008})
"""STOP was said, not a number, not routable, not deliverable: https://developers.telnyx.com/docs/overview/errors"""
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


async def send_text(http: httpx.AsyncClient, api_url: str, channel: TelnyxSms, to: str, body: str) -> str:
    """Send a text; returns Telnyx's id of it. https://developers.telnyx.com/api-reference/messages/send-a-message

    Raises `SendFailed` for a refusal, httpx's errors when Telnyx cannot be reached.
    """
    answer = await http.post(
        f"{api_url}/v2/messages",
        json={"from": channel.number, "to": to, "text": body},
        headers={"Authorization": f"Bearer {channel.api_key}"},
    )
    content: dict[str, Any] = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if answer.status_code != HTTPStatus.OK:
        codes = [int(one["code"]) for one in content.get("errors", ()) if str(one.get("code", "")).isdigit()]
        raise refusal(answer, codes[0] if codes else None, _FINAL)
    return str(content["data"]["id"])
