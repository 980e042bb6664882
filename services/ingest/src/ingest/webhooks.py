"""Providers' webhooks and other people's adapters: check who calls, say who wrote, publish."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

import phonenumbers
from fastapi import APIRouter, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError

from ingest.adapters import telnyx, twilio
from ingest.configuration import TelnyxSms, TwilioSms, TwilioVoice
from ingest.domain.identity import Sender, sender_of
from ingest.domain.keywords import Keyword, keyword_in
from ingest.domain.menu import chosen_reason, is_number
from ingest.publishing import Doors
from ingest.storage.owners import digest, practice_of
from ingest.storage.patients import patients_with_phone
from ingest.storage.practices import PlacedChannel, begin_call, call_of, channel_of
from ingest.storage.texts import menu_of, save_address, save_consent
from shared_schemas import ids
from shared_schemas.cloudevents import UnreadableEvent, decode
from shared_schemas.conversation_changes import Actor, ConsentChangedV1, ConversationChange, TranscriptAddedV1
from shared_schemas.patient_messages import MessageReceivedV1
from shared_web import Problem, bounded_body

MOST_BYTES = 256 * 1024
LONGEST_SECONDS = 10.0
TWIML = "application/xml"

C = TypeVar("C", TwilioSms, TwilioVoice, TelnyxSms)


@dataclass(frozen=True, slots=True)
class _Signed:
    """A Twilio request whose signature was checked."""

    practice_id: str
    country: str
    form: dict[str, str]

    def get(self, name: str) -> str:
        """A parameter that Twilio always sends. Raises a 400 problem when it is missing all the same."""
        if name not in self.form:
            raise Problem(HTTPStatus.BAD_REQUEST, f"The parameter {name} is missing")
        return self.form[name]


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that came in through a channel whose provider was checked. `phone` is E.164 where it can be."""

    practice_id: str
    channel_id: str
    phone: str
    provider_id: str
    body: str


class _Prompt(APIRoute):
    """Gives up in time for the answer to be heard: Twilio listens for fifteen seconds."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_in_time(request: Request) -> Response:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await handle(request)

        return handle_in_time


def routes(doors: Callable[[], Doors]) -> APIRouter:
    """The endpoints. `doors` is asked at each request: they exist only while the app runs."""
    router = APIRouter(route_class=_Prompt)
    _add_twilio_sms(router, doors)
    _add_twilio_voice(router, doors)
    _add_telnyx(router, doors)
    _add_adapters(router, doors)
    return router


def _add_twilio_sms(router: APIRouter, doors: Callable[[], Doors]) -> None:
    @router.post("/hooks/twilio/sms/{channel_id}")
    async def text(channel_id: str, request: Request) -> Response:
        """A text came in: https://www.twilio.com/docs/messaging/guides/webhook-request"""
        parts = doors()
        signed, _ = await _from_twilio(parts, channel_id, request, TwilioSms)
        phone = _phone(signed)
        came = _Text(signed.practice_id, channel_id, phone, signed.get("MessageSid"), signed.form.get("Body", ""))
        await _accept_text(parts, came)
        return Response(twilio.EMPTY_ANSWER, media_type=TWIML)


def _add_twilio_voice(router: APIRouter, doors: Callable[[], Doors]) -> None:
    path = "/hooks/twilio/voice/{channel_id}"

    @router.post(path)
    async def call(channel_id: str, request: Request) -> Response:
        """A call came in: greet, and ask for an extension."""
        parts = doors()
        signed, channel = await _from_twilio(parts, channel_id, request, TwilioVoice)
        await begin_call(parts.pool, signed.practice_id, signed.get("CallSid"), _phone(signed), None, parts.clock())
        base = f"{parts.public_url}/hooks/twilio/voice/{channel_id}"
        answer = twilio.ask_for_extension(channel.greeting, f"{base}/gather", f"{base}/recording")
        return Response(answer, media_type=TWIML)

    @router.post(path + "/gather")
    async def extension(channel_id: str, request: Request) -> Response:
        """The caller chose an extension: record."""
        parts = doors()
        signed, _ = await _from_twilio(parts, channel_id, request, TwilioVoice)
        digits = signed.form.get("Digits") or None
        await begin_call(parts.pool, signed.practice_id, signed.get("CallSid"), _phone(signed), digits, parts.clock())
        answer = twilio.record_message(f"{parts.public_url}/hooks/twilio/voice/{channel_id}/recording")
        return Response(answer, media_type=TWIML)

    @router.post(path + "/recording")
    async def recording(channel_id: str, request: Request) -> Response:
        """The recording is there: this is the message."""
        parts = doors()
        signed, _ = await _from_twilio(parts, channel_id, request, TwilioVoice)
        if signed.form.get("RecordingStatus", "completed") == "completed":
            sender, chosen = await _caller(parts, signed)
            await parts.accept(_voicemail(parts, signed, sender, chosen))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.post(path + "/transcription")
    async def transcription(channel_id: str, request: Request) -> Response:
        """The words of a recording came."""
        parts = doors()
        signed, _ = await _from_twilio(parts, channel_id, request, TwilioVoice)
        if signed.form.get("TranscriptionText"):
            sender, _ = await _caller(parts, signed)
            await parts.accept(_transcript(parts, signed, sender))
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_telnyx(router: APIRouter, doors: Callable[[], Doors]) -> None:
    @router.post("/hooks/telnyx/sms/{channel_id}")
    async def text(
        channel_id: str,
        request: Request,
        telnyx_timestamp: Annotated[str, Header()] = "",
        telnyx_signature_ed25519: Annotated[str, Header()] = "",
    ) -> Response:
        """Something happened to a text; we care for those that came in."""
        parts = doors()
        practice_id, placed, channel = await _channel(parts, channel_id, TelnyxSms)
        body = await bounded_body(request, MOST_BYTES)
        if not telnyx.is_signed(channel.public_key, body, telnyx_timestamp, telnyx_signature_ed25519, parts.clock()):
            raise _not_signed()
        try:
            received = telnyx.received_text(body)
        except ValidationError:
            raise Problem(HTTPStatus.BAD_REQUEST, "This is no webhook of Telnyx") from None
        if received is not None:
            phone = e164(received.sender.phone_number, placed.country)
            await _accept_text(parts, _Text(practice_id, channel_id, phone, received.id, received.text))
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_adapters(router: APIRouter, doors: Callable[[], Doors]) -> None:
    @router.post("/v1/messages", status_code=HTTPStatus.ACCEPTED)
    async def message(request: Request, authorization: Annotated[str, Header()] = "") -> dict[str, str]:
        """A CloudEvent `switchboard.MessageReceived.v1`, binary or structured, from somebody else's channel adapter."""
        parts = doors()
        practice_id = await practice_of(parts.pool, "adapter", digest(authorization.removeprefix("Bearer ").strip()))
        if practice_id is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED, "A channel adapter's token is needed", headers={"WWW-Authenticate": "Bearer"}
            )
        event = _cloud_event(request, await bounded_body(request, MOST_BYTES))
        if event.practice_id != practice_id:
            raise Problem(HTTPStatus.FORBIDDEN, "This token is for another practice")
        if event.message_id != ids.message_id(event.channel, practice_id, event.provider_message_id):
            title = "message_id is not the one of this channel, practice and provider_message_id"
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                title,
                extensions={"errors": [{"pointer": "#/message_id", "detail": "wrong"}]},
            )
        await parts.accept(event)
        return {"message_id": event.message_id}


async def _accept_text(parts: Doors, text: _Text) -> None:
    practice_id = text.practice_id
    sender = sender_of(practice_id, text.phone, await patients_with_phone(parts.pool, practice_id, text.phone))
    keyword = keyword_in(text.body)
    if keyword is not None:
        if keyword != "help":
            is_given = keyword == "opt_in"
            await save_consent(parts.pool, practice_id, text.phone, is_given=is_given, at=parts.clock())
            await parts.accept(_consent(parts, practice_id, sender, text.provider_id, keyword))
        return
    await save_address(parts.pool, practice_id, sender.patient_id, text.phone, text.channel_id)
    await parts.accept(
        MessageReceivedV1(
            message_id=ids.message_id("sms", practice_id, text.provider_id),
            practice_id=practice_id,
            patient_id=sender.patient_id,
            channel="sms",
            provider_message_id=text.provider_id,
            received_at=parts.clock(),
            body=text.body,
            requested_reason_id=await _chosen(parts, practice_id, sender, text.body),
            identity=sender.identity,
            from_address_id=ids.contact_id(practice_id, text.phone),
        )
    )


async def _chosen(parts: Doors, practice_id: str, sender: Sender, body: str) -> str | None:
    """The reason that a number chooses from the menu that the patient was texted (R16); whether in time, says router."""
    if not is_number(body):
        return None
    return chosen_reason(body, await menu_of(parts.pool, practice_id, sender.patient_id))


def _consent(parts: Doors, practice_id: str, sender: Sender, provider_id: str, keyword: Keyword) -> ConversationChange:
    return ConsentChangedV1(
        change_id=ids.content_id("consent", practice_id, provider_id),
        practice_id=practice_id,
        patient_id=sender.patient_id,
        actor=Actor(kind="patient", id=sender.patient_id),
        occurred_at=parts.clock(),
        channel="sms",
        opted_in=keyword == "opt_in",
    )


def _voicemail(parts: Doors, signed: _Signed, sender: Sender, extension: str | None) -> MessageReceivedV1:
    """Keyed by the recording: its callback may come twice."""
    recording = signed.get("RecordingSid")
    return MessageReceivedV1(
        message_id=ids.message_id("voicemail", signed.practice_id, recording),
        practice_id=signed.practice_id,
        patient_id=sender.patient_id,
        channel="voicemail",
        provider_message_id=recording,
        received_at=parts.clock(),
        body="",
        extension=extension,
        identity=sender.identity,
    )


def _transcript(parts: Doors, signed: _Signed, sender: Sender) -> TranscriptAddedV1:
    recording = signed.get("RecordingSid")
    return TranscriptAddedV1(
        change_id=ids.content_id("transcript", signed.practice_id, recording),
        practice_id=signed.practice_id,
        patient_id=sender.patient_id,
        actor=Actor(kind="system"),
        occurred_at=parts.clock(),
        message_id=ids.message_id("voicemail", signed.practice_id, recording),
        text=signed.get("TranscriptionText"),
    )


async def _caller(parts: Doors, signed: _Signed) -> tuple[Sender, str | None]:
    """Who called, and the extension they chose."""
    call = await call_of(parts.pool, signed.practice_id, signed.get("CallSid"))
    if call is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There was no such call")
    phone, extension = call
    return sender_of(
        signed.practice_id, phone, await patients_with_phone(parts.pool, signed.practice_id, phone)
    ), extension


async def _from_twilio(parts: Doors, channel_id: str, request: Request, kind: type[C]) -> tuple[_Signed, C]:
    """The parameters of a request that Twilio signed for this channel. Raises a 403 problem for any other."""
    practice_id, placed, channel = await _channel(parts, channel_id, kind)
    body = await bounded_body(request, MOST_BYTES)
    try:
        form = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body))
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "This is no form") from None
    query = f"?{request.url.query}" if request.url.query else ""
    url = f"{parts.public_url}{request.url.path}{query}"
    token = getattr(channel, "auth_token", "")
    if not twilio.is_signed(token, url, form, request.headers.get("x-twilio-signature", "")):
        raise _not_signed()
    return _Signed(practice_id, placed.country, dict(form)), channel


async def _channel(parts: Doors, channel_id: str, kind: type[C]) -> tuple[str, PlacedChannel, C]:
    practice_id = await practice_of(parts.pool, "channel", channel_id)
    placed = practice_id and await channel_of(parts.pool, practice_id, channel_id)
    if not practice_id or not placed or not isinstance(placed.channel, kind):
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such channel")
    return practice_id, placed, placed.channel


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


def e164(phone: str, country: str) -> str:
    """A phone in the form that patients are known by; what is none (a short code, a hidden one) stays as it is."""
    try:
        number = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return phone
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _phone(signed: _Signed) -> str:
    return e164(signed.get("From"), signed.country)


def _not_signed() -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "The signature is not the provider's")
