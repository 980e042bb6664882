"""Twilio: signed webhooks, texts and what becomes of them. Its instructions for calls are in `twilio_voice`."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

import httpx
from pydantic import BaseModel, ConfigDict

from ingest.adapters.refusals import read_answer, refusal
from ingest.adapters.text_provider import Media, StatusReport
from ingest.configuration import TwilioSms
from shared_schemas.conversation_changes import DeliveryFailure

API_URL = "https://api.twilio.com"
EMPTY_ANSWER = b'<?xml version="1.0" encoding="UTF-8"?>\n<Response />'
"""Nothing to send back."""

_FAILURES: Mapping[int, DeliveryFailure] = {
    21211: "invalid_number",
    21214: "invalid_number",
    21217: "invalid_number",
    21408: "not_allowed",
    21610: "opted_out",
    21612: "not_reachable",
    21614: "invalid_number",
    30003: "not_reachable",
    30004: "refused",
    30005: "invalid_number",
    30006: "not_reachable",
    30007: "refused",
}
"""What no other attempt would change: https://www.twilio.com/docs/api/errors"""
_STATUSES: Mapping[str, Literal["sent", "delivered", "failed"]] = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
}
_MOST_MEDIA = 10
"""https://www.twilio.com/docs/messaging/guides/accepted-mime-types"""


def is_signed(auth_token: str, url: str, form: Sequence[tuple[str, str]], signature: str) -> bool:
    """Whether Twilio signed this request: https://www.twilio.com/docs/usage/security#validating-requests

    `url` is the public one, with its query. Every parameter that came is signed, whatever it is, each distinct value once.
    """
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return hmac.compare_digest(base64.b64encode(digest).decode(), signature)


def media_of(form: Mapping[str, str]) -> list[Media]:
    """The files of a text: https://www.twilio.com/docs/messaging/guides/webhook-request#media-related-parameters"""
    count = int(form["NumMedia"]) if form.get("NumMedia", "").isdecimal() else 0
    return [
        Media(form[f"MediaUrl{index}"], form.get(f"MediaContentType{index}", "application/octet-stream"))
        for index in range(min(count, _MOST_MEDIA))
        if form.get(f"MediaUrl{index}")
    ]


def status_report(form: Mapping[str, str]) -> StatusReport | None:
    """What became of a text; None for a status on the way: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status"""
    status = _STATUSES.get(form.get("MessageStatus", ""))
    if status is None or not form.get("MessageSid"):
        return None
    code = form.get("ErrorCode") or None
    failure = _FAILURES.get(int(code) if code and code.isdecimal() else 0, "refused") if status == "failed" else None
    return StatusReport(form["MessageSid"], status, failure, code)


class _Answer(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)
    sid: str | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class TwilioTexts:
    """Sends through Twilio: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource"""

    http: httpx.AsyncClient
    api_url: str
    channel: TwilioSms

    async def send(self, to: str, body: str, *, text_id: str, status_url: str) -> str | None:
        """See `TextProvider`."""
        del text_id  # Twilio has nothing to recognise a repetition by
        answer = await self.http.post(
            f"{self.api_url}/2010-04-01/Accounts/{self.channel.account_sid}/Messages.json",
            data={"To": to, "From": self.channel.number, "Body": body, "StatusCallback": status_url},
            auth=(self.channel.account_sid, self.channel.auth_token),
        )
        said = read_answer(_Answer, answer)
        if answer.status_code != HTTPStatus.CREATED:
            raise refusal(answer, said.code, _FAILURES)
        return said.sid
