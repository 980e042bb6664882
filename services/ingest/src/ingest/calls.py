"""Twilio's webhooks for calls: greet, ask for an extension (R6), record, take in the recording and its words.

Three callbacks tell of one recording, in any order, some of them twice, some of them never: the end of `Record`, the status
of the recording, its transcription. Whichever comes first makes the message; they all make the same one, because its id is
of the recording.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ingest.adapters.text_provider import Media
from ingest.adapters.twilio_voice import (
    Addresses,
    Recording,
    ask_for_extension,
    hang_up,
    record_message,
    recording_in,
)
from ingest.attachments import as_expected, expected
from ingest.checking import TWIML, Prompt, Signed, from_twilio
from ingest.configuration import TwilioVoice
from ingest.domain.identity import Sender
from ingest.publishing import Doors
from ingest.storage.attachments import expect_files
from ingest.storage.contacts import caller_at
from ingest.storage.patients import settings_of
from ingest.storage.practices import begin_call, call_of
from shared_schemas import ids
from shared_schemas.conversation_changes import Actor, TranscriptAddedV1
from shared_schemas.patient_messages import MessageReceivedV1
from shared_web import Problem

_MOST_ATTEMPTS = 2
"""How often a caller is asked for an extension."""
_NO_SUCH_EXTENSION = "There is no such extension. Please press another number, or wait to leave a message."
_LEAVE_MESSAGE = "Please leave a message after the tone."
_GOODBYE = "Thank you. Goodbye."
_PATH = "/hooks/twilio/voice/{channel_id}"


def routes(doors: Callable[[], Doors]) -> APIRouter:
    """The endpoints. `doors` is asked at each request: they exist only while the app runs."""
    router = APIRouter(route_class=Prompt)
    _add_instructions(router, doors)
    _add_callbacks(router, doors)
    return router


def _add_instructions(router: APIRouter, doors: Callable[[], Doors]) -> None:
    @router.post(_PATH)
    async def call(channel_id: str, request: Request) -> Response:
        """A call came in: greet, and ask for an extension where the practice has any."""
        parts = doors()
        signed, channel = await from_twilio(parts, channel_id, request, TwilioVoice)
        await begin_call(parts.pool, signed.at.practice_id, signed.get("CallSid"), signed.phone, None, parts.clock())
        to = _addresses(parts, channel_id)
        if not await _extensions(parts, signed.at.practice_id):
            return _twiml(record_message(f"{channel.greeting} {_LEAVE_MESSAGE}", to))
        return _twiml(ask_for_extension(channel.greeting, to, attempt=1))

    @router.post(_PATH + "/gather")
    async def extension(
        channel_id: str, request: Request, attempt: Annotated[int, Query(ge=1, le=_MOST_ATTEMPTS)] = 1
    ) -> Response:
        """The caller chose an extension: record. One that the practice does not have is asked for again, once."""
        parts = doors()
        signed, _ = await from_twilio(parts, channel_id, request, TwilioVoice)
        digits = signed.form.get("Digits") or None
        await begin_call(parts.pool, signed.at.practice_id, signed.get("CallSid"), signed.phone, digits, parts.clock())
        to = _addresses(parts, channel_id)
        is_known = digits is None or digits in await _extensions(parts, signed.at.practice_id)
        if not is_known and attempt < _MOST_ATTEMPTS:
            return _twiml(ask_for_extension(_NO_SUCH_EXTENSION, to, attempt=attempt + 1))
        return _twiml(record_message(_LEAVE_MESSAGE, to))


def _add_callbacks(router: APIRouter, doors: Callable[[], Doors]) -> None:
    @router.post(_PATH + "/recording")
    async def recording(channel_id: str, request: Request) -> Response:
        """A recording ended, or can be read. Only the end of `Record` listens to the answer."""
        parts = doors()
        signed, _ = await from_twilio(parts, channel_id, request, TwilioVoice)
        found = recording_in(signed.form)
        if found is not None:
            await _accept(parts, channel_id, signed, found)
        return _twiml(hang_up(_GOODBYE))

    @router.post(_PATH + "/transcription", status_code=HTTPStatus.NO_CONTENT)
    async def transcription(channel_id: str, request: Request) -> Response:
        """The words of a recording came, or will never come."""
        parts = doors()
        signed, _ = await from_twilio(parts, channel_id, request, TwilioVoice)
        found = recording_in(signed.form)
        if found is not None:
            message = await _accept(parts, channel_id, signed, found)
            if signed.form.get("TranscriptionText"):
                await parts.accept(_transcript(parts, message, signed.form["TranscriptionText"]))
        return Response(status_code=HTTPStatus.NO_CONTENT)


async def _accept(parts: Doors, channel_id: str, signed: Signed, recording: Recording) -> MessageReceivedV1:
    """The message that a recording is, once it is durable; so is the wish to copy the recording."""
    sender, extension = await _caller(parts, signed)
    message_id = ids.message_id("voicemail", signed.at.practice_id, recording.sid)
    files = expected(message_id, [Media(recording.url + ".mp3", "audio/mpeg")] if recording.url else [])
    now = parts.clock()
    if files:
        await expect_files(parts.pool, signed.at.practice_id, sender.patient_id, message_id, channel_id, files, now)
    message = MessageReceivedV1(
        message_id=message_id,
        practice_id=signed.at.practice_id,
        patient_id=sender.patient_id,
        channel="voicemail",
        provider_message_id=recording.sid,
        received_at=now,
        body="",
        attachments=tuple(map(as_expected, files)),
        extension=extension,
        identity=sender.identity,
        from_address_id=sender.address_id,
    )
    await parts.accept(message)
    return message


async def _caller(parts: Doors, signed: Signed) -> tuple[Sender, str | None]:
    """Who called, and the extension they chose. The status of a recording tells neither."""
    call = await call_of(parts.pool, signed.at.practice_id, signed.get("CallSid"))
    if call is None and "From" not in signed.form:
        raise Problem(HTTPStatus.NOT_FOUND, "There was no such call")
    phone, extension = call or (signed.phone, None)
    at, known = signed.at, signed.arrival.known
    return await caller_at(parts.pool, at.practice_id, at.contact_key, phone, known), extension


async def _extensions(parts: Doors, practice_id: str) -> set[str]:
    return {one.digits for one in (await settings_of(parts.pool, practice_id)).extensions}


def _transcript(parts: Doors, message: MessageReceivedV1, text: str) -> TranscriptAddedV1:
    return TranscriptAddedV1(
        change_id=ids.content_id("transcript", message.practice_id, message.provider_message_id),
        practice_id=message.practice_id,
        patient_id=message.patient_id,
        actor=Actor(kind="system"),
        occurred_at=parts.clock(),
        message_id=message.message_id,
        text=text,
    )


def _addresses(parts: Doors, channel_id: str) -> Addresses:
    return Addresses(f"{parts.public_url}{_PATH.format(channel_id=channel_id)}")


def _twiml(content: bytes) -> Response:
    return Response(content, media_type=TWIML)
