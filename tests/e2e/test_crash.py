"""Crashes and repetitions, seen from outside: accepted means kept, and told once."""

import asyncio
import json
import os
import signal

import httpx
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared_messaging import KafkaConnection, partition_counts
from shared_messaging.publisher import partition_of
from tests.e2e.conftest import System
from tests.e2e.test_one_message import ELM_PATIENT, new_sid, next_about, sms_id, started

MESSAGES = 60
KILLED_AFTER = (15, 35)
RECOVERED_SECONDS = 120
"""A bound: a busy machine takes a while to start the services."""


def services_process(system: System) -> psutil.Process:
    """The process that runs the four services of this system."""
    port = system.base_url.rsplit(":", 1)[1]
    for process in psutil.process_iter(["cmdline"]):
        if {"serve", "all", port} <= set(process.info["cmdline"] or ()):
            return process
    raise LookupError


async def accepted(system: System, phone: str, sid: str, body: str = "A made-up question of a test") -> None:
    """Send a webhook as a provider does: again, until it is answered 2xx."""
    async with asyncio.timeout(RECOVERED_SECONDS):
        while True:
            try:
                (answer,) = await system.text(phone, sid=sid, body=body)
            except httpx.TransportError:
                continue
            if answer.is_success:
                return


async def test_every_accepted_message_is_told_exactly_once_though_the_services_are_killed_twice(system: System) -> None:
    fay, phone = system.token("fay-front"), system.patient(ELM_PATIENT)["phone"]
    async with system.stream(fay) as events:
        cursor = (await anext(events.aiter_sse())).id
    sids = [new_sid() for _ in range(MESSAGES)]
    for number, sid in enumerate(sids):
        if number in KILLED_AFTER:
            os.kill(services_process(system).pid, signal.SIGKILL)
        await accepted(system, phone, sid)

    told: list[str] = []
    wanted = [sms_id(system, sid) for sid in sids]
    async with asyncio.timeout(RECOVERED_SECONDS):
        while not set(wanted) <= set(told):
            async with system.stream(fay, after=cursor) as events:
                async for event in events.aiter_sse():
                    assert event.event != "reset"
                    cursor = event.id or cursor
                    if event.event == "notification":
                        told.append(json.loads(event.data)["message_id"])
                    if set(wanted) <= set(told):
                        break

    assert [message_id for message_id in told if message_id in wanted] == wanted


async def test_a_history_that_is_sent_again_notifies_nobody_again(system: System) -> None:
    """The router repeats a batch after a crash: same ids, same bytes."""
    first, after = new_sid(), new_sid()
    phone, fay = system.patient(ELM_PATIENT)["phone"], system.token("fay-front")
    async with system.stream(fay) as events:
        iterator = await started(events)
        await system.text(phone, sid=first)
        await next_about(iterator, "notification", sms_id(system, first))
        await repeat_newest_record(system, "routed-messages", system.told["practice_id"])
        await system.text(phone, sid=after)
        told: list[str] = []
        async with asyncio.timeout(RECOVERED_SECONDS):
            async for event in iterator:
                if event.event in {"message", "notification"}:
                    told.append(json.loads(event.data)["message_id"])
                    if told.count(sms_id(system, after)) == len({"message", "notification"}):
                        break

    assert sms_id(system, first) not in told


async def repeat_newest_record(system: System, topic: str, key: str) -> None:
    servers = system.told["kafka_bootstrap_servers"]
    count = (await partition_counts(KafkaConnection(servers, "test"), [topic]))[topic]
    partition = TopicPartition(topic, partition_of(key.encode(), count))
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await consumer.start()
    await producer.start()
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, end - 1)
        record = await consumer.getone(partition)
        await producer.send_and_wait(topic, record.value, key=record.key, headers=list(record.headers))
    finally:
        await producer.stop()
        await consumer.stop()
