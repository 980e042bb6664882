"""What comes in by text and by phone becomes the right events, whatever providers do: the real service, from outside."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared_schemas.conversation_changes import ConsentChangedV1, ContactLinkedV1, MessageAmendedV1, TranscriptAddedV1
from shared_schemas.ids import message_id
from shared_schemas.patient_messages import MessageReceivedV1
from switchboard_cli.demo.stand_in_phones import MP3, PNG
from switchboard_cli.demo.stand_in_telnyx import telnyx_headers
from tests.integration.ingest.lines import (
    API,
    PRACTICE,
    TELNYX_KEY,
    VOICE,
    Lines,
    lines,
    new_number,
    new_sid,
    patient_of,
)

__all__ = ["lines"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = "A made-up transcript"
Callback = tuple[str, dict[str, str]]


def callbacks_of(call: str, recording: str) -> list[Callback]:
    """All that Twilio may tell of one recording: that its `Record` ended, its status, its words or that there are none."""
    url = {"CallSid": call, "RecordingSid": recording, "RecordingUrl": f"{API}/Recordings/{recording}"}
    return [
        ("/recording", {"CallSid": call, "RecordingUrl": url["RecordingUrl"], "RecordingDuration": "4", "Digits": "#"}),
        ("/recording", {**url, "RecordingStatus": "completed", "RecordingDuration": "4"}),
        ("/transcription", {**url, "TranscriptionStatus": "completed", "TranscriptionText": WORDS}),
        ("/transcription", {**url, "TranscriptionStatus": "failed", "TranscriptionText": ""}),
        ("/recording", {**url, "RecordingStatus": "in-progress"}),
    ]


any_order = settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(order=st.lists(st.sampled_from(range(5)), min_size=1, max_size=7))
@any_order
async def test_callbacks_in_any_order_some_twice_some_never_are_one_voicemail_with_its_words(
    lines: Lines, order: list[int]
) -> None:
    call, recording = new_sid("CA"), new_sid("RE")
    callbacks = callbacks_of(call, recording)
    await lines.post(VOICE, CallSid=call, From="+13125550160", To="+12125550100")
    for which in order:
        path, form = callbacks[which]
        assert (await lines.post(VOICE + path, **form)).is_success
    id_ = message_id("voicemail", PRACTICE, recording)

    messages = await lines.about(MessageReceivedV1, id_)
    transcripts = await lines.about(TranscriptAddedV1, id_)
    assert len(messages) == any(which < 4 for which in order)
    if not messages:
        return
    (message,) = messages
    (file,) = message.attachments
    assert {one.text for one in transcripts} == ({WORDS} if 2 in order else set())
    assert len({one.change_id for one in transcripts}) == (2 in order)
    settled = (await lines.settled(id_)).attachment
    assert settled is not None
    assert (settled.id, settled.content_type, settled.size) == (file.id, "audio/mpeg", len(MP3))


RANKS = {"sent": 1, "failed": 2, "delivered": 3}


@given(provider=st.sampled_from(["twilio", "telnyx"]), reports=st.lists(st.sampled_from(sorted(RANKS)), max_size=6))
@any_order
async def test_reports_in_any_order_some_twice_some_never_tell_staff_no_more_than_the_news(
    lines: Lines, provider: str, reports: list[str]
) -> None:
    phone = f"+1312555{new_number() % 10_000:04}"
    await lines.behaves(phone, fate="silent")
    answer_id = await lines.answer(phone, provider)
    for status in reports:
        await lines.report(provider, answer_id, status)
    told = [one.delivery for one in await lines.about(MessageAmendedV1, answer_id)]

    news = ["sent"]
    for status in reports:
        if RANKS[status] > RANKS[news[-1]]:
            news.append(status)
    assert [one.status for one in told if one is not None] == news
    assert [one.failure for one in told if one is not None and one.failure] == ["not_reachable"] * ("failed" in news)


async def test_a_recording_is_played_in_parts_by_staff_of_the_practice(lines: Lines) -> None:
    call, recording = new_sid("CA"), new_sid("RE")
    await lines.post(VOICE, CallSid=call, From="+13125550161", To="+12125550100")
    path, form = callbacks_of(call, recording)[1]
    await lines.post(VOICE + path, **form)
    file = (await lines.settled(message_id("voicemail", PRACTICE, recording))).attachment
    assert file is not None
    part = await lines.http.get(file.url, headers={**lines.staff, "Range": "bytes=10-109"})

    assert (part.status_code, part.content) == (206, MP3[10:110])


@pytest.mark.parametrize(
    "form",
    [
        {"RecordingStatus": "absent", "RecordingSid": "RE0"},
        {"RecordingUrl": f"{API}/Recordings/RE0", "RecordingDuration": "0", "Digits": "hangup"},
    ],
    ids=["absent", "hung up at once"],
)
async def test_an_empty_recording_is_no_message(lines: Lines, form: dict[str, str]) -> None:
    call, phone = new_sid("CA"), f"+1312555017{new_number() % 10}"
    await lines.post(VOICE, CallSid=call, From=phone, To="+12125550100")
    answer = await lines.post(f"{VOICE}/recording", CallSid=call, **form)

    assert answer.is_success
    assert await lines.about(MessageReceivedV1, message_id("voicemail", PRACTICE, "RE0")) == []


async def test_a_practice_without_extensions_asks_for_none(lines: Lines) -> None:
    answer = await lines.post(VOICE, CallSid=new_sid("CA"), From="+13125550162", To="+12125550100")

    assert b"<Gather" not in answer.content
    assert b"<Record" in answer.content


async def test_a_picture_follows_its_text_and_is_what_its_bytes_say(lines: Lines) -> None:
    sid = new_sid("SM")
    media = {"NumMedia": "1", "MediaUrl0": f"{API}/Messages/{sid}/Media/ME1", "MediaContentType0": "image/jpeg"}
    id_ = await lines.text("+13125550163", "", sid=sid, **media)
    assert await lines.text("+13125550163", "", sid=sid, **media) == id_
    (message,) = await lines.about(MessageReceivedV1, id_)
    settled = (await lines.settled(id_)).attachment
    assert settled is not None
    content = await lines.http.get(settled.url, headers=lines.staff)

    (file,) = message.attachments
    assert (file.state, file.size, file.url) == ("pending", 0, settled.url)
    assert (settled.state, settled.content_type, settled.size) == ("ready", "image/png", len(PNG))
    assert content.content == PNG


async def test_a_file_that_is_not_at_a_provider_is_never_fetched(lines: Lines) -> None:
    own = f"{lines.http.base_url}/health/live"
    id_ = await lines.text("+13125550164", "Look", NumMedia="1", MediaUrl0=own, MediaContentType0="image/png")
    settled = (await lines.settled(id_)).attachment
    assert settled is not None
    answer = await lines.http.get(settled.url, headers=lines.staff)

    assert settled.state == "failed"
    assert answer.status_code == 410


async def test_stop_is_answered_once_and_is_the_end_and_start_is_the_beginning(lines: Lines) -> None:
    phone = "+13125550165"
    for body in ("STOP", " stop ", "chest pain"):
        await lines.text(phone, body)
    assert len(await lines.texted(phone)) == 1
    await lines.text(phone, "START")
    answers = [body.partition(": ")[2] for body in await lines.texted(phone)]

    assert [answer.split(".")[0] for answer in answers] == [
        "you will get no more texts from us",
        "you will get texts from us again",
    ]
    patient_id = await patient_of(lines, phone)
    assert [one.opted_in for one in await lines.about(ConsentChangedV1, patient_id)] == [False, True]
    assert [one.body for one in await lines.about(MessageReceivedV1, patient_id)] == ["chest pain"]


async def test_help_is_answered_and_yes_is_an_answer_to_the_practice(lines: Lines) -> None:
    phone = "+13125550166"
    await lines.text(phone, "Help")
    id_ = await lines.text(phone, "Yes")
    (answer,) = await lines.texted(phone)

    assert answer.startswith("Channel Practice: ")
    assert [one.body for one in await lines.about(MessageReceivedV1, id_)] == ["Yes"]


async def test_a_reserved_word_that_the_provider_answered_is_not_answered_again(lines: Lines) -> None:
    phone = "+13125550167"
    await lines.text(phone, "HELP", OptOutType="HELP")

    assert await lines.texted(phone) == []


async def test_an_emergency_is_answered_at_once_and_marked_for_everybody(lines: Lines) -> None:
    phone, sid = "+13125550168", new_sid("SM")
    id_ = await lines.text(phone, "I have CHEST pain", sid=sid)
    await lines.text(phone, "I have CHEST pain", sid=sid)
    calm = await lines.text(phone, "My chest is fine")

    assert [body[:45] for body in await lines.texted(phone)] == ["If this is an emergency, call 911 now. Nobody"]
    assert [one.urgent for one in await lines.about(MessageReceivedV1, id_)] == [True]
    assert [one.urgent for one in await lines.about(MessageReceivedV1, calm)] == [False]


async def test_an_emergency_is_urgent_by_whichever_door_it_comes(lines: Lines) -> None:
    id_ = await lines.adapt("Chest pain!", datetime.now(UTC))

    assert [one.urgent for one in await lines.about(MessageReceivedV1, id_)] == [True]


async def test_what_an_adapter_says_is_from_the_future_is_from_now_and_the_past_stays(lines: Lines) -> None:
    now = datetime.now(UTC)
    future, past = [await lines.adapt("A made-up question", now + timedelta(days=days)) for days in (1, -1)]
    (late,) = await lines.about(MessageReceivedV1, past)
    (early,) = await lines.about(MessageReceivedV1, future)

    assert late.received_at == now - timedelta(days=1)
    assert now <= early.received_at <= datetime.now(UTC)


@pytest.mark.parametrize(("key", "status"), [(TELNYX_KEY, 400), (Ed25519PrivateKey.generate(), 403)])
async def test_whoever_does_not_sign_is_not_told_what_is_wrong_with_a_body(
    lines: Lines, key: Ed25519PrivateKey, status: int
) -> None:
    body = b"no webhook"
    answer = await lines.http.post(
        "/hooks/telnyx/sms/telnyx", content=body, headers=telnyx_headers(key, body, datetime.now(UTC))
    )

    assert answer.status_code == status


async def test_a_phone_that_changed_hands_and_a_record_that_was_merged_are_followed(lines: Lines) -> None:
    phone, other = "+13125550180", "+13125550181"
    await lines.know("moving-1", phone)
    first = await lines.text(phone, "A made-up question")
    await lines.know("moving-1", other)
    await lines.know("moving-2", phone)
    second = await lines.text(phone, "A made-up question")
    await lines.know("moving-3", other)
    await lines.know("moving-2", phone, merged_into="moving-3")
    third = await lines.text(phone, "A made-up question")

    messages = [one for id_ in (first, second, third) for one in await lines.about(MessageReceivedV1, id_)]
    assert [one.patient_id for one in messages] == ["moving-1", "moving-2", "moving-3"]
    assert {one.identity for one in messages} == {"matched"}
    assert [one.to_patient_id for one in await lines.about(ContactLinkedV1, "moving-2")] == ["moving-3"]


async def test_a_phone_of_twins_is_nobodys_until_staff_say_whose(lines: Lines) -> None:
    phone = "+13125550182"
    await lines.know("twin-1", phone)
    await lines.know("twin-2", phone)
    (message,) = await lines.about(MessageReceivedV1, await lines.text(phone, "A made-up question"))
    contact = await lines.http.get(f"/v1/practices/{PRACTICE}/contacts/{message.patient_id}", headers=lines.staff)

    assert message.identity == "ambiguous"
    assert contact.json()["candidates"] == ["twin-1", "twin-2"]


async def test_texts_of_a_patient_that_come_at_once_are_in_the_log_in_the_order_of_their_times(lines: Lines) -> None:
    phone = "+13125550183"
    await asyncio.gather(*(lines.text(phone, "A made-up question") for _ in range(30)))
    messages = await lines.about(MessageReceivedV1, await patient_of(lines, phone))

    instants = [one.received_at for one in messages]
    assert len(instants) == 30
    assert instants == sorted(instants)
