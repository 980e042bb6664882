"""Telnyx's part of the stand-in providers.

Held to https://developers.telnyx.com/api-reference/messages/send-a-message and
https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks.
"""

import base64
import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from shared_schemas.ids import content_id
from switchboard_cli.demo.stand_in_phones import PNG, Behaviour, Outbox

_WORDS = {40300: "Blocked due to STOP message", 40310: "Invalid 'to' address"}


class NewMessage(BaseModel):
    """The body of `POST /v2/messages`."""

    to: str
    from_: Annotated[str, Field(alias="from")]
    text: str
    webhook_url: str = ""


def telnyx_headers(key: Ed25519PrivateKey, body: bytes, at: datetime) -> dict[str, str]:
    """Sign as Telnyx does: `timestamp|body`, with Ed25519."""
    timestamp = str(int(at.timestamp()))
    signature = base64.b64encode(key.sign(timestamp.encode() + b"|" + body)).decode()
    return {"Telnyx-Timestamp": timestamp, "Telnyx-Signature-Ed25519": signature, "Content-Type": "application/json"}


def routes(outbox: Outbox, key: Ed25519PrivateKey) -> APIRouter:
    """Texts and media."""
    router = APIRouter()

    @router.post("/v2/messages")
    async def send(body: NewMessage, authorization: Annotated[str, Header()] = "") -> JSONResponse:
        if not authorization.startswith("Bearer "):
            return _error(HTTPStatus.UNAUTHORIZED, 10009, "Authentication failed")
        behaviour = outbox.behaviour(body.to)
        if behaviour.refusal is not None:
            words = _WORDS.get(behaviour.refusal, "The text was refused")
            return _error(HTTPStatus.BAD_REQUEST, behaviour.refusal, words)
        id_ = content_id("telnyx", str(outbox.add(body.to, body.from_, body.text)))
        if body.webhook_url and behaviour.fate != "silent":
            outbox.tell(lambda http: _tell(http, key, id_, body, behaviour))
        return JSONResponse({"data": _message(id_, body, "queued", [])})

    @router.get("/telnyx-files/{name}")
    async def file(name: str) -> Response:
        del name
        return Response(PNG, media_type="image/png")

    return router


async def _tell(
    http: httpx.AsyncClient, key: Ed25519PrivateKey, id_: str, text: NewMessage, behaviour: Behaviour
) -> None:
    errors = [{"code": str(behaviour.fate_code), "title": "Undeliverable"}] if behaviour.fate_code else []
    end = "delivered" if behaviour.fate == "delivered" else "delivery_failed"
    for event_type, status, wrong in (("message.sent", "sent", []), ("message.finalized", end, errors)):
        now = datetime.now(UTC)
        event = {
            "record_type": "event",
            "event_type": event_type,
            "id": content_id("telnyx-event", id_, status),
            "occurred_at": now.isoformat(),
            "payload": _message(id_, text, status, wrong),
        }
        body = json.dumps({"data": event, "meta": {"attempt": 1, "delivered_to": text.webhook_url}}).encode()
        await http.post(text.webhook_url, content=body, headers=telnyx_headers(key, body, now))


def _message(id_: str, text: NewMessage, status: str, errors: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "record_type": "message",
        "direction": "outbound",
        "id": id_,
        "type": "SMS",
        "from": {"phone_number": text.from_, "carrier": "", "line_type": ""},
        "to": [{"phone_number": text.to, "status": status, "carrier": "", "line_type": ""}],
        "text": text.text,
        "media": [],
        "webhook_url": text.webhook_url,
        "encoding": "GSM-7",
        "parts": 1,
        "errors": errors,
    }


def _error(status: HTTPStatus, code: int, title: str) -> JSONResponse:
    return JSONResponse({"errors": [{"code": str(code), "title": title, "detail": title}]}, status)
