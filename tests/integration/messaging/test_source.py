"""One writer at a time under a name, without a topic to read."""

from datetime import timedelta

import pytest

from shared_messaging import Fenced, FencedSource, KafkaConnection, Outgoing, Publisher, PublishFailed, Sources

from .conftest import WRITE_EFFECTS, Stage

pytestmark = pytest.mark.asyncio


def source(stage: Stage, sources: Sources) -> FencedSource:
    return FencedSource(f"sync:{stage.topic.name}", stage.practice, sources)


async def write(stage: Stage, writer: FencedSource, name: str) -> None:
    event = Outgoing(stage.output, b"k", name.encode(), ())
    await writer.write(WRITE_EFFECTS, [stage.practice], [name], [0], [0], publish=[event])


async def test_writes_take_effect_and_are_published(stage: Stage) -> None:
    async with Publisher(stage.kafka) as publisher, Sources(stage.pool, publisher) as sources:
        writer = source(stage, sources)
        await writer.acquire()
        await write(stage, writer, "a")
        await write(stage, writer, "b")
    assert await stage.effects() == {"a": 1, "b": 1}
    assert await stage.outputs() == [b"a", b"b"]


async def test_a_writer_that_was_superseded_writes_nothing(stage: Stage) -> None:
    async with Publisher(stage.kafka) as publisher, Sources(stage.pool, publisher) as sources:
        old, new = source(stage, sources), source(stage, sources)
        await old.acquire()
        await new.acquire()
        with pytest.raises(Fenced):
            await write(stage, old, "a")
        with pytest.raises(Fenced):
            await write(stage, old, "a")
        await write(stage, new, "b")
    assert await stage.effects() == {"b": 1}
    assert await stage.outputs() == [b"b"]


async def test_what_was_written_and_not_sent_is_sent_by_the_next_one(stage: Stage, unused_tcp_port: int) -> None:
    nowhere = KafkaConnection(f"127.0.0.1:{unused_tcp_port}", "test")
    async with (
        Publisher(nowhere, delivery_timeout=timedelta(seconds=0.5)) as publisher,
        Sources(stage.pool, publisher) as sources,
    ):
        writer = source(stage, sources)
        await writer.acquire()
        with pytest.raises(PublishFailed):
            await write(stage, writer, "a")
    assert await stage.outputs() == []
    async with Publisher(stage.kafka) as publisher, Sources(stage.pool, publisher) as sources:
        writer = source(stage, sources)
        await writer.acquire()
        await write(stage, writer, "b")
    assert await stage.outputs() == [b"a", b"b"]


async def test_what_kafka_has_is_kept_no_longer(stage: Stage) -> None:
    async with Publisher(stage.kafka) as publisher, Sources(stage.pool, publisher) as sources:
        writer = source(stage, sources)
        await writer.acquire()
        await write(stage, writer, "a")
    kept = "SELECT count(*) FROM batch_output WHERE $1 = ANY (topics)"
    assert await stage.pool.fetchval(kept, f"sync:{stage.topic.name}") == 0
