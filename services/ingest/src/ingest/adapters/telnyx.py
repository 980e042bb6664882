"""Telnyx: webhooks signed with Ed25519, texts and what becomes of them.

https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field

from ingest.adapters.refusals import read_answer, refusal
from ingest.adapters.text_provider import Media, StatusReport
from ingest.configuration import TelnyxSms
from shared_schemas.conversation_changes import DeliveryFailure
from shared_schemas.values import Text

_FAILURES: Mapping[int, DeliveryFailure] = {
    40001: "not_reachable",
    40002: "refused",
    40003: "refused",
    40004: "refused",
    40006: "not_reachable",
    40008: "not_reachable",
    40012: "invalid_number",
    40300: "opted_out",
    40310: "invalid_number",
}
"""What no other attempt would change: https://developers.telnyx.com/docs/messaging/messages/error-codes"""
_STATUSES: Mapping[str, Literal["sent", "delivered", "failed"]] = {
    "sent": "sent",
    "delivered": "delivered",
    "delivery_unconfirmed": "sent",
    "sending_failed": "failed",
    "delivery_failed": "failed",
    "expired": "failed",
}
TOLERANCE = timedelta(seconds=300)
"""How old, or how far ahead, a signed timestamp may be."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class _Phone(_Part):
    phone_number: Text


class _Media(_Part):
    url: Text
    content_type: Text = "application/octet-stream"


class ReceivedText(_Part):
    """A text that a patient sent."""

    id: Text
    sender: Annotated[_Phone, Field(alias="from")]
    text: Text = ""
    media: tuple[_Media, ...] = ()

    @property
    def files(self) -> list[Media]:
        """Its files, as the port calls them."""
        return [Media(one.url, one.content_type) for one in self.media]


class _ReceivedEvent(_Part):
    event_type: Literal["message.received"]
    payload: ReceivedText


class _Receiver(_Part):
    status: str


class _Error(_Part):
    code: Text

    @property
    def number(self) -> int:
        """0 for a code that is none."""
        return int(self.code) if self.code.isdecimal() else 0


class _SentText(_Part):
    id: Text
    to: Annotated[tuple[_Receiver, ...], Field(min_length=1)]
    errors: tuple[_Error, ...] = ()


class _StatusEvent(_Part):
    event_type: Literal["message.sent", "message.finalized"]
    payload: _SentText


class _OtherEvent(_Part):
    event_type: str


class _Webhook(_Part):
    data: _ReceivedEvent | _StatusEvent | _OtherEvent


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


def read_webhook(body: bytes) -> ReceivedText | StatusReport | None:
    """What a webhook tells: a text that came in, what became of one that we sent, or nothing that we care for.

    Raises pydantic's ValidationError.
    """
    match _Webhook.model_validate_json(body).data:
        case _ReceivedEvent(payload=payload):
            return payload
        case _StatusEvent(payload=payload):
            return _report(payload)
        case _:
            return None


def _report(text: _SentText) -> StatusReport | None:
    status = _STATUSES.get(text.to[0].status)
    if status is None:
        return None
    error = text.errors[0] if text.errors else None
    failure = _FAILURES.get(error.number if error else 0, "refused") if status == "failed" else None
    return StatusReport(text.id, status, failure, error.code if error else None)


class _Accepted(_Part):
    id: str


class _Answer(_Part):
    data: _Accepted | None = None
    errors: tuple[_Error, ...] = ()


@dataclass(frozen=True, slots=True)
class TelnyxTexts:
    """Sends through Telnyx: https://developers.telnyx.com/api-reference/messages/send-a-message"""

    http: httpx.AsyncClient
    api_url: str
    channel: TelnyxSms

    async def send(self, to: str, body: str, *, text_id: str, status_url: str) -> str | None:
        """See `TextProvider`."""
        del text_id  # Telnyx has nothing to recognise a repetition by
        answer = await self.http.post(
            f"{self.api_url}/v2/messages",
            json={"from": self.channel.number, "to": to, "text": body, "webhook_url": status_url},
            headers={"Authorization": f"Bearer {self.channel.api_key}"},
        )
        said = read_answer(_Answer, answer)
        if answer.status_code != HTTPStatus.OK:
            raise refusal(answer, next((one.number for one in said.errors if one.number), None), _FAILURES)
        return said.data.id if said.data else None
