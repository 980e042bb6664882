"""Sending: acknowledged, in order, bounded."""

import asyncio
from datetime import timedelta

import pytest

from shared_messaging import KafkaConnection, Outgoing, Publisher, PublishFailed

from .conftest import Stage

pytestmark = pytest.mark.asyncio


def numbered(topic: str, key: bytes, numbers: range) -> list[Outgoing]:
    return [Outgoing(topic, key, b"%05d" % n, (("n", b"%d" % n),)) for n in numbers]


async def test_what_is_acknowledged_is_in_the_log_in_the_order_of_each_call(stage: Stage) -> None:
    async with Publisher(stage.kafka) as publisher:
        await asyncio.gather(
            *(publisher.send(numbered(stage.output, b"key-%d" % key, range(3_000))) for key in range(10))
        )
        records = await stage.read(stage.output)
    assert len(records) == 30_000
    for key in range(10):
        values = [record.value for record in records if record.key == b"key-%d" % key]
        assert values == [b"%05d" % n for n in range(3_000)]


async def test_keys_go_to_the_partitions_that_kafkas_own_clients_choose(stage: Stage) -> None:
    keys = [f"practice-{n}/patient-{n}".encode() for n in range(50)]
    for key in keys:
        await stage.producer.send(stage.topic.name, b"", key=key)
    await stage.producer.flush()
    async with Publisher(stage.kafka) as publisher:
        await publisher.send([Outgoing(stage.output, key, b"", ()) for key in keys])
    theirs = {record.key: record.partition for record in await stage.read(stage.topic.name)}
    ours = {record.key: record.partition for record in await stage.read(stage.output)}
    assert ours == theirs


async def test_without_kafka_sending_fails_in_bounded_time(unused_tcp_port: int) -> None:
    kafka = KafkaConnection(f"127.0.0.1:{unused_tcp_port}", "test")
    async with Publisher(kafka, delivery_timeout=timedelta(seconds=1)) as publisher, asyncio.timeout(10):
        with pytest.raises(PublishFailed):
            await publisher.send([Outgoing("topic", b"k", b"v", ())], timeout=timedelta(seconds=0.2))
        with pytest.raises(PublishFailed):
            await publisher.send([Outgoing("topic", b"k", b"v", ())])


async def test_a_topic_that_does_not_exist_fails_its_caller_only_once_and_others_go_on(stage: Stage) -> None:
    async with Publisher(stage.kafka, delivery_timeout=timedelta(seconds=1)) as publisher:
        with pytest.raises(PublishFailed):
            await publisher.send([Outgoing("no-such-topic", b"k", b"v", ())])
        await publisher.send([Outgoing(stage.output, b"k", b"v", ())])
    assert await stage.outputs() == [b"v"]


async def test_an_oversized_record_fails_and_the_next_one_arrives(stage: Stage) -> None:
    async with Publisher(stage.kafka, delivery_timeout=timedelta(seconds=3)) as publisher:
        with pytest.raises(PublishFailed):
            await publisher.send([Outgoing(stage.output, b"k", b"x" * 2_000_000, ())])
        await publisher.send([Outgoing(stage.output, b"k", b"v", ())])
    assert await stage.outputs() == [b"v"]


async def test_what_follows_in_a_call_is_not_sent_when_kafka_did_not_take_what_comes_before(stage: Stage) -> None:
    """Two batches of a new producer: Kafka refuses the first and would take the second."""
    async with Publisher(stage.kafka) as publisher:
        with pytest.raises(PublishFailed):
            await publisher.send([Outgoing(stage.output, b"k", value, ()) for value in (b"x" * 2_000_000, b"v")])
    assert await stage.outputs() == []


async def test_a_producer_whose_tasks_have_died_is_replaced(stage: Stage) -> None:
    """Without them it answers nobody: who waits must not wait for ever, and the next one has another producer."""
    async with Publisher(stage.kafka, delivery_timeout=timedelta(seconds=1)) as publisher, asyncio.timeout(30):
        await publisher.send([Outgoing(stage.topic.name, b"k", b"v", ())])
        before = asyncio.all_tasks()
        for task in before:
            if task.get_coro().__qualname__ in {"AIOKafkaClient._md_synchronizer", "Sender._sender_routine"}:
                task.cancel()
        with pytest.raises(PublishFailed):
            await publisher.send([Outgoing(stage.output, b"k", b"v", ())])
        await publisher.send([Outgoing(stage.output, b"k", b"v", ())])
    assert await stage.outputs() == [b"v"]
