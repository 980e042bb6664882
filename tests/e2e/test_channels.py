"""Files, voicemails, answers and emergencies, from the provider to the staff's screen and back, through the whole system."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from httpx_sse import ServerSentEvent
from twilio.request_validator import RequestValidator

from shared_schemas.ids import message_id
from switchboard_cli.demo.stand_in_phones import MP3, PNG
from switchboard_cli.demo.stand_in_telnyx import telnyx_headers
from tests.e2e.conftest import System
from tests.e2e.test_one_message import TOLD_SECONDS, new_sid, next_about, sms_id, started
from tests.e2e.test_texts import text_and_see, texted

Message = dict[str, Any]


async def message_in(
    system: System, staff_id: str, conversation_id: object, id_: str, is_it: Callable[[Message], bool]
) -> Message:
    """A message of a thread, once it is as it is waited for."""
    async with system.client(system.token(staff_id)) as http, asyncio.timeout(TOLD_SECONDS):
        while True:
            thread = (await http.get(f"/v1/conversations/{conversation_id}")).raise_for_status().json()
            for one in thread["messages"]:
                if one["message_id"] == id_ and is_it(one):
                    return dict(one)
            await asyncio.sleep(0.1)


async def reply(system: System, staff_id: str, conversation_id: object, body: str) -> str:
    """Answer a patient; returns the answer's id."""
    async with system.client(system.token(staff_id)) as http:
        path = f"/v1/conversations/{conversation_id}/reply"
        answer = (await http.post(path, json={"body": body}, headers={"Idempotency-Key": body})).raise_for_status()
    return str(answer.json()["conversation"]["reply"]["message_id"])


async def phone_behaves(system: System, phone: str, **behaviour: object) -> None:
    provider = system.told["provider"]["outbox_url"].removesuffix("/outbox")
    async with httpx.AsyncClient() as http:
        (await http.put(f"{provider}/numbers/{phone}", json=behaviour)).raise_for_status()


async def call(system: System, path: str, **form: str) -> None:
    """A webhook of a call, signed by the provider's own SDK."""
    channel = system.told["channels"]["twilio_voice"]
    url = f"/hooks/twilio/voice/{channel['id']}{path}"
    signature = RequestValidator(channel["auth_token"]).compute_signature(channel["public_url"] + url, form)
    async with system.client() as http:
        (await http.post(url, data=form, headers={"X-Twilio-Signature": signature})).raise_for_status()


async def next_update(iterator: AsyncIterator[ServerSentEvent], id_: str, is_it: Callable[[Message], bool]) -> Message:
    """The next thing that a stream says of a message after it."""
    async with asyncio.timeout(TOLD_SECONDS):
        async for event in iterator:
            told = json.loads(event.data)
            is_update = event.event == "conversation" and told["change"] == "message_updated"
            if is_update and told["message_id"] == id_ and is_it(told):
                return dict(told)
    pytest.fail("the stream ended")


async def test_staff_see_that_their_answer_was_delivered_live_and_in_the_thread(system: System) -> None:
    routed = await text_and_see(system, system.patient("pt-037")["phone"], "A made-up question", "fay-front")
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        id_ = await reply(system, "fay-front", routed["conversation_id"], "A made-up answer that arrives")
        told = await next_update(iterator, id_, lambda update: update["delivery"]["status"] == "delivered")
    shown = await message_in(
        system, "fay-front", routed["conversation_id"], id_, lambda one: one["delivery"]["status"] == "delivered"
    )

    assert told["conversation_version"] == routed["conversation_version"] + 1  # of the answer: a report is no change
    assert shown["delivery"]["failure"] is None


async def test_a_refused_answer_says_why_and_the_stop_that_it_tells_of_is_kept(system: System) -> None:
    phone = system.patient("pt-038")["phone"]
    routed = await text_and_see(system, phone, "A made-up question", "fay-front")
    await phone_behaves(system, phone, refusal=21610)
    id_ = await reply(system, "fay-front", routed["conversation_id"], "A made-up answer that is refused")
    refused = await message_in(system, "fay-front", routed["conversation_id"], id_, lambda one: one["delivery"])
    await phone_behaves(system, phone)
    later = await reply(system, "fay-front", routed["conversation_id"], "A made-up answer after the refusal")
    unsent = await message_in(system, "fay-front", routed["conversation_id"], later, lambda one: one["delivery"])

    assert (refused["delivery"]["failure"], refused["delivery"]["provider_code"]) == ("opted_out", "21610")
    assert "STOP" in refused["delivery"]["detail"]
    assert (unsent["delivery"]["failure"], unsent["delivery"]["provider_code"]) == ("opted_out", None)

    await system.text(phone, body="START")
    async with system.client(system.token("ada-admin")) as http:
        failed = f"/v1/practices/{system.told['practice_id']}/failed-texts"
        listed = (await http.get(failed)).raise_for_status().json()
        again = await http.post(f"{failed}/{later}/send-again")
    bodies = await texted(system, phone, lambda body: "after" in body)

    assert {id_, later} <= {one["text_id"] for one in listed}
    assert "made-up answer" not in json.dumps(listed)
    assert again.status_code == HTTPStatus.ACCEPTED
    assert "A made-up answer after the refusal" in bodies  # beside the answer to START


async def test_an_answer_goes_back_through_the_provider_that_the_question_came_by(system: System) -> None:
    channel, phone, sid = system.told["channels"]["telnyx_sms"], system.patient("pt-054")["phone"], new_sid()
    payload = {"id": sid, "from": {"phone_number": phone}, "to": [{"phone_number": channel["number"]}]}
    event = {"event_type": "message.received", "payload": {**payload, "text": "A made-up question", "media": []}}
    body = json.dumps({"data": event}).encode()
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(channel["private_key"]))
    async with system.stream(system.token("fay-front")) as events, system.client() as http:
        iterator = await started(events)
        headers = telnyx_headers(key, body, datetime.now(UTC))
        (await http.post(f"/hooks/telnyx/sms/{channel['id']}", content=body, headers=headers)).raise_for_status()
        routed = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)
    id_ = await reply(system, "fay-front", routed["conversation_id"], "A made-up answer through Telnyx")
    await message_in(
        system,
        "fay-front",
        routed["conversation_id"],
        id_,
        lambda one: bool(one["delivery"]) and one["delivery"]["status"] == "delivered",
    )
    async with httpx.AsyncClient() as http:
        sent = (await http.get(system.told["provider"]["outbox_url"])).json()

    assert [text["from"] for text in sent if text["body"].endswith("through Telnyx")] == [channel["number"]]


async def test_a_picture_is_shown_with_its_text(system: System) -> None:
    phone, sid = system.patient("pt-057")["phone"], new_sid()
    media = f"https://api.twilio.com/2010-04-01/Accounts/{'AC' + '0' * 31 + '1'}/Messages/{sid}/Media/ME1"
    more = {"NumMedia": "1", "MediaUrl0": media, "MediaContentType0": "image/png"}
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(phone, sid=sid, body="A made-up rash", more=more)
        routed = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)
    shown = await message_in(
        system,
        "fay-front",
        routed["conversation_id"],
        routed["message_id"],
        lambda one: one["attachments"][0]["state"] == "ready",
    )
    (file,) = shown["attachments"]
    async with system.client(system.token("fay-front")) as http:
        content = await http.get(file["url"])
    async with system.client(system.told["other_practice"]["staff"][0]["token"]) as http:
        neighbour = await http.get(file["url"])

    assert (content.content, content.headers["content-type"], file["size"]) == (PNG, "image/png", len(PNG))
    assert neighbour.status_code == HTTPStatus.NOT_FOUND


@pytest.mark.rule("R6")
async def test_a_voicemail_is_played_and_read_whichever_callback_comes_first(system: System) -> None:
    recording, call_sid = new_sid().replace("SM", "RE"), new_sid().replace("SM", "CA")
    phone = system.patient("pt-051")["phone"]
    about = {"CallSid": call_sid, "RecordingSid": recording}
    url = f"https://api.twilio.com/2010-04-01/Accounts/{'AC' + '0' * 31 + '1'}/Recordings/{recording}"
    id_ = message_id("voicemail", system.told["practice_id"], recording)
    async with system.stream(system.token("mia-medical")) as events:
        iterator = await started(events)
        await call(system, "", CallSid=call_sid, From=phone, To="+12125550101")
        await call(system, "/gather?attempt=1", CallSid=call_sid, From=phone, To="+12125550101", Digits="2")
        await call(system, "/transcription", **about, RecordingUrl=url, TranscriptionText="A made-up transcript")
        await call(system, "/recording", **about, RecordingUrl=url, RecordingStatus="completed")
        routed = json.loads((await next_about(iterator, "message", id_)).data)
    shown = await message_in(
        system,
        "mia-medical",
        routed["conversation_id"],
        id_,
        lambda one: bool(one["transcript"]) and one["attachments"][0]["state"] == "ready",
    )
    async with system.client(system.token("mia-medical")) as http:
        part = await http.get(shown["attachments"][0]["url"], headers={"Range": "bytes=-100"})

    assert routed["reason"]["id"] == "refills"
    assert shown["transcript"] == "A made-up transcript"
    assert (part.status_code, part.content) == (HTTPStatus.PARTIAL_CONTENT, MP3[-100:])


async def test_an_emergency_is_urgent_for_everybody_who_is_told(system: System) -> None:
    phone, sid = system.patient("pt-039")["phone"], new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(phone, sid=sid, body="made-up chest pain")
        message = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)
        notification = json.loads((await next_about(iterator, "notification", sms_id(system, sid))).data)
    bodies = await texted(system, phone, lambda body: "911" in body)

    assert message["urgent"]
    assert notification["urgent"]
    assert len([body for body in bodies if "911" in body]) == 1
