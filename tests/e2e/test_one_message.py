"""One message end to end, and what must not happen to it, seen from outside."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from httpx_sse import EventSource, ServerSentEvent

from shared_schemas import ids
from tests.e2e.conftest import System

TOLD_SECONDS = 15
ELM_PATIENT, RIVER_PATIENT = "pt-003", "pt-004"


async def events_until(events: EventSource, wanted: str, message_id: str) -> list[ServerSentEvent]:
    """Read a stream up to the event `wanted` about one message; everything that came, that one last."""
    seen: list[ServerSentEvent] = []
    async with asyncio.timeout(TOLD_SECONDS):
        async for event in events.aiter_sse():
            seen.append(event)
            if event.event == wanted and json.loads(event.data)["message_id"] == message_id:
                return seen
    pytest.fail("the stream ended")


async def started(events: EventSource) -> AsyncIterator[ServerSentEvent]:
    """The stream's events, once it has said where it starts."""
    iterator = events.aiter_sse()
    first = await anext(iterator)
    assert first.event == "snapshot"
    return iterator


async def next_about(iterator: AsyncIterator[ServerSentEvent], wanted: str, message_id: str) -> ServerSentEvent:
    """The next event of this kind about this message."""
    async with asyncio.timeout(TOLD_SECONDS):
        async for event in iterator:
            if event.event == wanted and json.loads(event.data)["message_id"] == message_id:
                return event
    pytest.fail("the stream ended")


def sms_id(system: System, sid: str) -> str:
    return ids.message_id("sms", system.told["practice_id"], sid)


def new_sid() -> str:
    return "SM" + uuid.uuid4().hex


async def end_of(system: System, topic: str) -> int:
    """How many records a topic has had so far."""
    consumer = AIOKafkaConsumer(bootstrap_servers=system.told["kafka_bootstrap_servers"])
    await consumer.start()
    try:
        await consumer.topics()
        parts = consumer.partitions_for_topic(topic) or set()
        return sum((await consumer.end_offsets([TopicPartition(topic, part) for part in parts])).values())
    finally:
        await consumer.stop()


@pytest.mark.rule("L1", "M1", "M2")
async def test_a_signed_text_reaches_the_staff_of_the_next_appointments_location(system: System) -> None:
    sid = new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        (answer,) = await system.text(system.patient(ELM_PATIENT)["phone"], sid=sid)
        message = await next_about(iterator, "message", sms_id(system, sid))

    assert answer.status_code == HTTPStatus.OK
    routed = json.loads(message.data)
    assert routed["location"]["id"] == system.patient(ELM_PATIENT)["next_appointment"]["location_id"]
    assert [person["staff_id"] for person in routed["audience"]] == ["fay-front"]


async def test_a_webhook_that_comes_three_times_is_one_message_and_one_notification(system: System) -> None:
    sid, after = new_sid(), new_sid()
    phone = system.patient(ELM_PATIENT)["phone"]
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        answers = await system.text(phone, sid=sid, times=3)
        await system.text(phone, sid=after)
        seen: list[str] = []
        async with asyncio.timeout(TOLD_SECONDS):
            async for event in iterator:
                if event.event == "notification":
                    seen.append(json.loads(event.data)["message_id"])
                    if seen[-1] == sms_id(system, after):
                        break

    assert [answer.status_code for answer in answers] == [HTTPStatus.OK] * 3
    assert seen.count(sms_id(system, sid)) == 1


async def test_a_bad_signature_is_refused_and_publishes_nothing(system: System) -> None:
    before = await end_of(system, "patient-messages")

    (answer,) = await system.text(system.patient(ELM_PATIENT)["phone"], signed_with="not-the-token")

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert await end_of(system, "patient-messages") == before


async def test_a_record_that_cannot_be_read_becomes_a_dead_letter_and_the_partition_goes_on(system: System) -> None:
    """The unreadable record and the good message have the same key, so the same partition."""
    sid, original = new_sid(), b"\xff not an event"
    letters = await end_of(system, "patient-messages-dlq")
    key = f"{system.told['practice_id']}/{RIVER_PATIENT}".encode()
    producer = AIOKafkaProducer(bootstrap_servers=system.told["kafka_bootstrap_servers"])
    await producer.start()
    try:
        headers = [("ce_specversion", b"1.0"), ("ce_type", b"switchboard.MessageReceived.v1")]
        await producer.send_and_wait("patient-messages", original, key=key, headers=headers)
    finally:
        await producer.stop()
    async with system.stream(system.token("finn-front")) as events:
        iterator = await started(events)
        await system.text(system.patient(RIVER_PATIENT)["phone"], sid=sid)
        await next_about(iterator, "notification", sms_id(system, sid))

    consumer = AIOKafkaConsumer(
        "patient-messages-dlq",
        bootstrap_servers=system.told["kafka_bootstrap_servers"],
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        async with asyncio.timeout(TOLD_SECONDS):
            record = [await consumer.getone() for _ in range(letters + 1)][-1]
    finally:
        await consumer.stop()
    told = dict(record.headers)
    assert (record.key, record.value) == (key, original)
    assert told["dlq_topic"] == b"patient-messages"
    assert b"not an event" not in told["dlq_error"] + told["dlq_reason"]


async def test_a_stream_resumed_at_a_cursor_has_everything_that_came_meanwhile(system: System) -> None:
    phone = system.patient(ELM_PATIENT)["phone"]
    token = system.token("fay-front")
    first, missed, last = new_sid(), new_sid(), new_sid()
    async with system.stream(token) as events:
        iterator = await started(events)
        await system.text(phone, sid=first)
        cursor = (await next_about(iterator, "notification", sms_id(system, first))).id
    await system.text(phone, sid=missed)

    async with system.stream(token, after=cursor) as events:
        await system.text(phone, sid=last)
        seen = await events_until(events, "notification", sms_id(system, last))

    told = [json.loads(event.data)["message_id"] for event in seen if event.event == "notification"]
    assert told == [sms_id(system, missed), sms_id(system, last)]


async def test_a_cursor_that_means_nothing_is_answered_with_a_reset(system: System) -> None:
    async with system.stream(system.token("fay-front"), after="bm90LWEtY3Vyc29y") as events:
        first = await anext(events.aiter_sse())

    assert first.event == "reset"


async def test_another_practice_sees_nothing_of_a_message(system: System) -> None:
    (stranger,) = system.told["other_practice"]["staff"]
    sid = new_sid()
    async with system.stream(stranger["token"]) as neighbour, system.stream(system.token("fay-front")) as own:
        theirs, ours = await started(neighbour), await started(own)
        await system.text(system.patient(ELM_PATIENT)["phone"], sid=sid)
        message = await next_about(ours, "message", sms_id(system, sid))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(theirs)
    conversation_id = json.loads(message.data)["conversation_id"]
    async with system.client(stranger["token"]) as http:
        conversation = await http.get(f"/v1/conversations/{conversation_id}")
        settings = await http.get(f"/v1/practices/{system.told['practice_id']}/routing-settings")

    assert conversation.status_code == HTTPStatus.NOT_FOUND
    assert settings.status_code == HTTPStatus.NOT_FOUND


def test_nothing_of_a_patient_is_in_the_metrics(system: System) -> None:
    metrics = httpx.get(f"{system.base_url}/metrics").text

    assert "switchboard_" in metrics
    assert all(patient["phone"] not in metrics for patient in system.told["patients"])
