"""One message end to end, and what must not happen to it, seen from outside."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from httpx_sse import EventSource, ServerSentEvent

from shared_messaging import KafkaConnection, partition_counts
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
    servers = system.told["kafka_bootstrap_servers"]
    count = (await partition_counts(KafkaConnection(servers, "test"), [topic]))[topic]
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        return sum((await consumer.end_offsets([TopicPartition(topic, part) for part in range(count)])).values())
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
    await system.text(system.patient(ELM_PATIENT)["phone"])
    before = await end_of(system, "patient-messages")

    (answer,) = await system.text(system.patient(ELM_PATIENT)["phone"], signed_with="not-the-token")

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert 0 < before == await end_of(system, "patient-messages")


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


async def test_a_silent_stream_says_that_it_lives_and_no_client_takes_that_for_an_event(system: System) -> None:
    """A comment followed by an empty line is an event without data to some clients."""
    (stranger,) = system.told["other_practice"]["staff"]
    headers = {"Authorization": f"Bearer {stranger['token']}"}
    comments = 0
    async with system.client() as http, http.stream("GET", "/v1/stream", headers=headers) as answer:
        async with asyncio.timeout(TOLD_SECONDS):
            async for line in answer.aiter_lines():
                comments += line.startswith(":")
                assert line or not comments
                if comments == 2:
                    return
    pytest.fail("the stream ended")


async def test_another_practice_sees_nothing_of_a_message(system: System) -> None:
    (stranger,) = system.told["other_practice"]["staff"]
    sid = new_sid()
    async with system.stream(stranger["token"]) as neighbour, system.stream(system.token("fay-front")) as own:
        theirs, ours = await started(neighbour), await started(own)
        assert (await anext(theirs)).event == "counts"
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


async def test_nothing_of_a_patient_is_in_logs_metrics_errors_or_keys(system: System) -> None:
    """Words, phones, names and birth dates of everybody, after messages, refusals and dead letters went through."""
    sid, phone = new_sid(), system.patient(ELM_PATIENT)["phone"]
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        refused = await system.text(phone, signed_with="not-the-token")
        await system.text(phone, sid=sid)
        await next_about(iterator, "notification", sms_id(system, sid))
    async with system.client() as http:
        failed_login = await http.post(
            "/v1/messenger/login", json={"practice_slug": "maple-street", "phone": 7, "extra": phone}
        )
        metrics = await http.get("/metrics")
    names = ("services.log", "kafka/kafka.log", "postgres/postgres.log", "output.txt")
    logs = "".join((system.directory / name).read_text("utf-8", errors="replace") for name in names)
    everything = logs + metrics.text + failed_login.text + "".join(answer.text for answer in refused)

    assert "claimed" in logs
    assert "switchboard_" in metrics.text
    secrets = [patient[what] for patient in system.told["patients"] for what in ("phone", "date_of_birth")]
    found = [secret for secret in [*secrets, "A made-up question", "McSample", "Testy"] if secret in everything]
    assert found == []


@pytest.mark.rule("L5")
async def test_a_cancelled_appointment_is_none(system: System) -> None:
    sid = new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(system.patient("pt-044")["phone"], sid=sid)
        message = await next_about(iterator, "message", sms_id(system, sid))

    assert json.loads(message.data)["location"]["id"] is None


@pytest.mark.rule("X1")
async def test_a_decision_says_what_it_was_made_from_and_which_rules_fired(system: System) -> None:
    sid = new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(system.patient(ELM_PATIENT)["phone"], sid=sid)
        await next_about(iterator, "message", sms_id(system, sid))
    async with system.client(system.token("ada-admin")) as http:
        path = f"/v1/practices/{system.told['practice_id']}/decisions/{sms_id(system, sid)}"
        record = (await http.get(path, params={"staff_id": "bo-billing"})).raise_for_status().json()

    assert "A text carries no reason, and takes an earlier one away (R5, R8)." in record["explanation"]
    assert record["member"]["subscriptions"] == [{"id": "bo-billing-1", "differs_in": ["reason"]}]
    assert {"R5", "L1", "M1"} <= set(record["result"]["rules"])
    assert record["inputs"]["appointments"][0]["location_id"] == "elm"
    assert "body" not in record["result"]


@pytest.mark.rule("V1")
async def test_a_conversation_in_a_shared_inbox_shows_no_labels_and_its_history_does(system: System) -> None:
    sid = new_sid()
    fay = system.token("fay-front")
    async with system.stream(fay) as events:
        iterator = await started(events)
        await system.text(system.patient("pt-009")["phone"], sid=sid)
        conversation_id = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)[
            "conversation_id"
        ]
    async with system.client(fay) as http:
        before = (await http.get(f"/v1/conversations/{conversation_id}")).raise_for_status().json()
        moved = await http.post(f"/v1/conversations/{conversation_id}/move", json={"to": "shared_inbox:nurse-line"})
        after = (await http.get(f"/v1/conversations/{conversation_id}")).raise_for_status().json()

    assert moved.status_code == HTTPStatus.OK
    assert before["location"]["id"] == "elm"
    assert (after["reason"], after["location"], after["destination"]["id"]) == (None, None, "nurse-line")
    assert after["messages"][-1]["reason"] is not None


@pytest.mark.rule("V3")
async def test_only_administrators_change_routing_settings(system: System) -> None:
    path = f"/v1/practices/{system.told['practice_id']}/routing-settings"
    async with system.client(system.token("ada-admin")) as http:
        current = await http.get(path)
    async with system.client(system.token("fay-front")) as http:
        refused = await http.put(path, content=current.content, headers={"If-Match": current.headers["etag"]})

    assert refused.status_code == HTTPStatus.FORBIDDEN


@pytest.mark.rule("X3")
async def test_a_change_that_leaves_a_reason_to_nobody_is_warned_of_before_it_is_saved(system: System) -> None:
    path = f"/v1/practices/{system.told['practice_id']}"
    async with system.client(system.token("ada-admin")) as http:
        covered = (await http.get(f"{path}/coverage")).raise_for_status().json()
        current = await http.get(f"{path}/routing-settings")
        changed = current.json()
        changed["members"] = [one for one in changed["members"] if one["staff_id"] != "bo-billing"]
        headers = {"If-Match": current.headers["etag"]}
        previewed = await http.put(f"{path}/routing-settings?dry_run=true", json=changed, headers=headers)
        afterwards = await http.get(f"{path}/routing-settings")

    assert {cell["reason_id"] for cell in covered["empty"]} == {"records"}
    assert {cell["reason_id"] for cell in previewed.json()["warnings"]} == {"billing"}
    assert afterwards.headers["etag"] == current.headers["etag"]


async def test_of_two_who_take_a_conversation_one_is_told_who_was_faster(system: System) -> None:
    sid = new_sid()
    async with system.stream(system.token("finn-front")) as events:
        iterator = await started(events)
        await system.text(system.patient(RIVER_PATIENT)["phone"], sid=sid)
        routed = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)
    path = f"/v1/conversations/{routed['conversation_id']}/assign"
    version = routed["conversation_version"]
    async with system.client(system.token("finn-front")) as finn, system.client(system.token("fay-front")) as fay:
        first = await finn.post(path, json={"to": "finn-front", "expected_version": version})
        second = await fay.post(path, json={"to": "fay-front", "expected_version": version})
        given_back = await finn.post(path, json={"to": None})

    assert (first.status_code, second.status_code) == (HTTPStatus.OK, HTTPStatus.CONFLICT)
    assert second.json()["destination"] == {"kind": "member", "id": "finn-front"}
    assert given_back.status_code == HTTPStatus.OK


async def test_a_settings_change_applies_to_the_next_message(system: System) -> None:
    path = f"/v1/practices/{system.told['practice_id']}/routing-settings"
    sid = new_sid()
    async with system.client(system.token("ada-admin")) as http:
        current = await http.get(path)
        changed = current.json()
        for member in changed["members"]:
            if member["staff_id"] == "bo-billing":
                member["subscriptions"].append({"id": "extra", "reasons": ["other"], "locations": ["north"]})
        saved = await http.put(path, json=changed, headers={"If-Match": current.headers["etag"]})
        stale = await http.put(path, json=changed, headers={"If-Match": current.headers["etag"]})
        async with system.stream(system.token("bo-billing")) as events:
            iterator = await started(events)
            await system.text(system.patient("pt-005")["phone"], sid=sid)
            routed = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)
        await http.put(path, content=current.content, headers={"If-Match": saved.headers["etag"]})

    assert (saved.status_code, stale.status_code) == (HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED)
    assert routed["settings_version"] == saved.json()["version"]
    assert {person["staff_id"] for person in routed["audience"]} == {"finn-front", "bo-billing"}
