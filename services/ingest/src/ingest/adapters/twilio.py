"""Twilio: signed webhooks, voice instructions, sending texts."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from xml.etree.ElementTree import Element, SubElement, tostring

import httpx

from ingest.adapters.refusals import refusal
from ingest.configuration import TwilioSms

EMPTY_ANSWER = b'<?xml version="1.0" encoding="UTF-8"?>\n<Response />'
"""Nothing to send back."""

_FINAL = frozenset({21211, 21408, 21610, 21612, 21614})
"""Not a number, a region we may not text, STOP was said, not reachable, no mobile number:
https://www.twilio.com/docs/api/errors"""
_GATHER_SECONDS = 6
_LONGEST_RECORDING_SECONDS = 180


def is_signed(auth_token: str, url: str, form: Sequence[tuple[str, str]], signature: str) -> bool:
    """Whether Twilio signed this request: https://www.twilio.com/docs/usage/security#validating-requests

    `url` is the public one, with its query. Every parameter that came is signed, whatever it is, each distinct value once.
    """
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return hmac.compare_digest(base64.b64encode(digest).decode(), signature)


def ask_for_extension(greeting: str, gather_url: str, recording_url: str) -> bytes:
    """TwiML: say the greeting, take digits; without any, record at once."""
    response = Element("Response")
    gather = SubElement(
        response,
        "Gather",
        {"input": "dtmf", "method": "POST", "action": gather_url, "timeout": str(_GATHER_SECONDS), "finishOnKey": "#"},
    )
    SubElement(gather, "Say").text = greeting
    _record(response, recording_url)
    return _xml(response)


def record_message(recording_url: str) -> bytes:
    """TwiML: record a message and tell `recording_url` when it is there."""
    response = Element("Response")
    SubElement(response, "Say").text = "Please leave a message after the tone."
    _record(response, recording_url)
    return _xml(response)


async def send_text(http: httpx.AsyncClient, api_url: str, channel: TwilioSms, to: str, body: str) -> str:
    """Send a text; returns Twilio's id of it. https://www.twilio.com/docs/messaging/api/message-resource

    Raises `SendFailed` for a refusal, httpx's errors when Twilio cannot be reached.
    """
    answer = await http.post(
        f"{api_url}/2010-04-01/Accounts/{channel.account_sid}/Messages.json",
        data={"To": to, "From": channel.number, "Body": body},
        auth=(channel.account_sid, channel.auth_token),
    )
    if answer.status_code != HTTPStatus.CREATED:
        content: Mapping[str, object] = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        raise refusal(answer, int(str(content["code"])) if content.get("code") else None, _FINAL)
    return str(answer.json()["sid"])


def _record(response: Element, recording_url: str) -> None:
    SubElement(
        response,
        "Record",
        {
            "maxLength": str(_LONGEST_RECORDING_SECONDS),
            "recordingStatusCallback": recording_url,
            "recordingStatusCallbackMethod": "POST",
            "transcribe": "true",
            "transcribeCallback": recording_url.removesuffix("/recording") + "/transcription",
        },
    )


def _xml(response: Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(response)
