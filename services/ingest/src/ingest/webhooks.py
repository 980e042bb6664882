"""Providers' webhooks for texts, and other people's adapters: check who calls, say who wrote, publish."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import ValidationError

from ingest.adapters import telnyx, twilio
from ingest.adapters.text_provider import StatusReport
from ingest.checking import MOST_BYTES, TWIML, Prompt, channel_for, from_twilio, not_signed
from ingest.configuration import TelnyxSms, TwilioSms
from ingest.domain.phones import e164
from ingest.incoming import IncomingText, accept_text
from ingest.publishing import Doors
from ingest.sending import note_report
from ingest.storage.channels import NOTED_EVERY, note_use
from ingest.storage.owners import digest, practice_of
from shared_schemas import ids
from shared_schemas.cloudevents import UnreadableEvent, decode
from shared_schemas.patient_messages import MessageReceivedV1
from shared_web import Pace, Problem, bounded_body
from shared_web.pace import MOST_KEYS

TextId = Annotated[str, Query(max_length=64)]


def routes(doors: Callable[[], Doors]) -> APIRouter:
    """The endpoints. `doors` is asked at each request: they exist only while the app runs."""
    router = APIRouter(route_class=Prompt)
    _add_twilio_sms(router, doors)
    _add_telnyx(router, doors)
    _add_adapters(router, doors)
    return router


def _add_twilio_sms(router: APIRouter, doors: Callable[[], Doors]) -> None:
    @router.post("/hooks/twilio/sms/{channel_id}")
    async def text(channel_id: str, request: Request) -> Response:
        """A text came in: https://www.twilio.com/docs/messaging/guides/webhook-request"""
        parts = doors()
        signed, channel = await from_twilio(parts, channel_id, request, TwilioSms)
        came = IncomingText(
            signed.arrival,
            signed.phone,
            signed.get("MessageSid"),
            signed.form.get("Body", ""),
            twilio.media_of(signed.form),
            is_answered="OptOutType" in signed.form,
        )
        await accept_text(parts, came, channel)
        return Response(twilio.EMPTY_ANSWER, media_type=TWIML)

    @router.post("/hooks/twilio/sms/{channel_id}/status", status_code=HTTPStatus.NO_CONTENT)
    async def status(channel_id: str, request: Request, text_id: TextId = "") -> Response:
        """Something became of a text that we sent."""
        parts = doors()
        signed, _ = await from_twilio(parts, channel_id, request, TwilioSms)
        report = twilio.status_report(signed.form)
        if report is not None:
            await note_report(parts, signed.at.practice_id, text_id, report)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_telnyx(router: APIRouter, doors: Callable[[], Doors]) -> None:
    @router.post("/hooks/telnyx/sms/{channel_id}", status_code=HTTPStatus.NO_CONTENT)
    async def text(
        channel_id: str,
        request: Request,
        telnyx_timestamp: Annotated[str, Header()] = "",
        telnyx_signature_ed25519: Annotated[str, Header()] = "",
        text_id: TextId = "",
    ) -> Response:
        """A text came in, or something became of one that we sent."""
        parts = doors()
        body = await bounded_body(request, MOST_BYTES)
        try:
            told, is_readable = telnyx.read_webhook(body), True
        except ValidationError:  # whoever does not sign is not told
            told, is_readable = None, False
        phone = told.sender.phone_number if isinstance(told, telnyx.ReceivedText) else ""
        arrival, channel = await channel_for(parts, channel_id, TelnyxSms, phone)
        if not telnyx.is_signed(channel.public_key, body, telnyx_timestamp, telnyx_signature_ed25519, parts.clock()):
            raise not_signed()
        if not is_readable:
            raise Problem(HTTPStatus.BAD_REQUEST, "This is no webhook of Telnyx")
        if isinstance(told, StatusReport):
            await note_report(parts, arrival.at.practice_id, text_id, told)
        elif told is not None:
            spelled = e164(phone, arrival.at.country)
            await accept_text(parts, IncomingText(arrival, spelled, told.id, told.text, told.files), channel)
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_adapters(router: APIRouter, doors: Callable[[], Doors]) -> None:
    noted = _Uses()

    @router.post("/v1/messages", status_code=HTTPStatus.ACCEPTED)
    async def message(request: Request, authorization: Annotated[str, Header()] = "") -> dict[str, str]:
        """A CloudEvent `switchboard.MessageReceived.v1`, binary or structured, from somebody else's channel adapter."""
        parts = doors()
        token = digest(authorization.removeprefix("Bearer ").strip())
        practice_id = await practice_of(parts.pool, "adapter", token)
        if practice_id is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED, "A channel adapter's token is needed", headers={"WWW-Authenticate": "Bearer"}
            )
        pace: Pace = request.app.state.adapter_pace
        pace.check(token)
        event = _cloud_event(request, await bounded_body(request, MOST_BYTES))
        if event.practice_id != practice_id:
            raise Problem(HTTPStatus.FORBIDDEN, "This token is for another practice")
        await noted(parts, practice_id, token)
        if event.message_id != ids.message_id(event.channel, practice_id, event.provider_message_id):
            title = "message_id is not the one of this channel, practice and provider_message_id"
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                title,
                extensions={"errors": [{"pointer": "#/message_id", "detail": "wrong"}]},
            )
        # A message from the future would be the patient's previous one for as long: an hour's stickiness would last a day.
        await parts.accept(event.model_copy(update={"received_at": min(event.received_at, parts.clock())}))
        return {"message_id": event.message_id}


class _Uses:
    """Notes that tokens are used, each once in a while: not one more statement for each message."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}

    async def __call__(self, parts: Doors, practice_id: str, token: str) -> None:
        now = parts.clock()
        if now - self._at.get(token, datetime.min.replace(tzinfo=UTC)) < NOTED_EVERY:
            return
        if len(self._at) >= MOST_KEYS:
            self._at.clear()
        self._at[token] = now
        await note_use(parts.pool, practice_id, token, now)


def _cloud_event(request: Request, body: bytes) -> MessageReceivedV1:
    """The HTTP binding's headers are `ce-…`, Kafka's `ce_…`; the rest is the same."""
    headers = {
        name.replace("-", "_") if name.startswith("ce-") else name: value.encode()
        for name, value in request.headers.items()
    }
    try:
        event = decode(headers, body)
    except UnreadableEvent as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "This is no event that we know", detail=str(error)) from None
    if not isinstance(event, MessageReceivedV1):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Only MessageReceived comes in here")
    return event
