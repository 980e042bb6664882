"""Two topics can be about one key: what follows from them is sent in the order in which it was written (promise 3)."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared_database import DatabaseLogin, create_pool
from shared_messaging import Batch, Engine, KafkaConnection, Outgoing, Publisher, Subscription
from shared_messaging.fence import outputs_up_to
from shared_messaging.outgoing import pack
from shared_messaging.publisher import partition_of
from shared_schemas.patient_messages import MessageReceivedV1
from tests.faults.proxy import Proxy

from .conftest import PARTITIONS, SCHEMA, Stage, write_effects

pytestmark = pytest.mark.asyncio

NO_TIME = timedelta(seconds=0.1)


@pytest_asyncio.fixture
async def other(stage: Stage) -> AsyncGenerator[Stage]:
    """The same stage with another input topic; its output is the first one's."""
    topic = replace(stage.topic, name=f"{stage.topic.name}-b")
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap_servers)
    await admin.start()
    names = [topic.name, topic.dead_letters]
    await admin.create_topics([NewTopic(each, PARTITIONS, 1) for each in names])
    yield replace(stage, topic=topic)
    await admin.delete_topics(names)
    await admin.close()


@pytest_asyncio.fixture
async def gate(stage: Stage) -> AsyncGenerator[Proxy]:
    """On the way to Kafka, and closed."""
    async with Proxy(int(stage.kafka.bootstrap_servers.rpartition(":")[2])) as proxy:
        await proxy.down()
        yield proxy


def writing_to(output: str) -> Callable[[Batch], Awaitable[None]]:
    async def write(batch: Batch) -> None:
        await write_effects(batch, batch.events(MessageReceivedV1), output)

    return write


def behind(gate: Proxy) -> Publisher:
    return Publisher(KafkaConnection(f"127.0.0.1:{gate.port}", "test"))


async def until_sent(stage: Stage, count: int) -> list[bytes]:
    """Wait until so many are sent, a repeated one once; in the order in which each came first."""
    found: list[bytes] = []

    async def enough() -> bool:
        found[:] = dict.fromkeys(await stage.outputs())
        return len(found) >= count

    await stage.until(enough)
    return found


async def test_what_another_process_has_written_and_not_sent_is_sent_first(
    stage: Stage, other: Stage, gate: Proxy
) -> None:
    async with behind(gate) as publisher, stage.engine(publisher=publisher, service="one"):
        await stage.produce([stage.message(1)])
        await stage.until_handled(1)
        assert await stage.outputs() == []
        async with other.engine(writing_to(stage.output), service="two"):
            await other.produce([stage.message(2)])
            assert await until_sent(stage, 2) == [b"m000001", b"m000002"]
        await gate.up()
        await stage.until_sent()
    assert (await stage.outputs())[:2] == [b"m000001", b"m000002"]


async def test_whoever_takes_over_sends_what_others_wrote_before_first(stage: Stage, other: Stage, gate: Proxy) -> None:
    """The partition of the second message changes hands while the first one's owner cannot send."""

    async with behind(gate) as publisher, stage.engine(publisher=publisher, service="one"):
        await stage.produce([stage.message(1)])
        await stage.until_handled(1)
        async with (
            behind(gate) as stuck,
            other.engine(writing_to(stage.output), publisher=stuck, service="two", drain=NO_TIME),
        ):
            await other.produce([stage.message(2)])
            await other.until_handled(1)
        assert await stage.outputs() == []
        async with other.engine(writing_to(stage.output), service="two"):
            assert await until_sent(stage, 2) == [b"m000001", b"m000002"]
        await gate.up()
        await stage.until_sent()


@pytest_asyncio.fixture
async def wrote(stage: Stage) -> AsyncGenerator[Callable[..., Awaitable[int]]]:
    """Somebody has written a batch of these partitions of another topic, and not sent what follows from it; its id."""

    async def write(key: bytes, message: bytes, *parts: int) -> int:
        event = Outgoing(stage.output, key, message, ())
        statement = "INSERT INTO batch_output (topics, parts, events) VALUES ($1, $2, $3) RETURNING id"
        written: int = await stage.owner.fetchval(statement, ["another"] * len(parts), parts, pack([event]))
        return written

    await stage.owner.execute("TRUNCATE batch_output")
    yield write
    await stage.owner.execute("TRUNCATE batch_output")


async def test_what_is_sent_for_others_takes_along_what_comes_before_it(
    stage: Stage, wrote: Callable[..., Awaitable[int]]
) -> None:
    """The second batch is about our partition and another one, of which the first batch is."""
    ours = stage.outgoing(stage.message(3))
    key, part = ours.key or b"", partition_of(ours.key, PARTITIONS)
    elsewhere = (part + 1) % PARTITIONS
    await wrote(key, b"m000001", elsewhere)
    await wrote(key, b"m000002", elsewhere, part)
    await wrote(key, b"none of ours", (part + 2) % PARTITIONS)
    async with stage.engine():
        await stage.produce([stage.message(3)])
        sent = await until_sent(stage, 3)

    assert sent == [b"m000001", b"m000002", b"m000003"]


async def test_before_an_output_goes_whatever_its_partitions_tie_it_to(
    stage: Stage, wrote: Callable[..., Awaitable[int]]
) -> None:
    first = await wrote(b"a key", b"first", 0)
    second = await wrote(b"a key", b"second", 0, 1)
    await wrote(b"a key", b"beside", 3)
    third = await wrote(b"a key", b"third", 1, 2)
    last = await wrote(b"a key", b"last", 2)
    await wrote(b"a key", b"later", 0, 1, 2)

    assert [output for output, _ in await outputs_up_to(stage.owner, [last])] == [first, second, third, last]


async def test_one_process_sends_in_the_order_of_its_writes_though_kafka_was_away(
    stage: Stage, other: Stage, gate: Proxy
) -> None:
    """Each of the two batches is tried again after a time of its own."""

    async with AsyncExitStack() as exits:
        publisher = await exits.enter_async_context(behind(gate))
        pool = await exits.enter_async_context(await create_pool(DatabaseLogin(stage.dsn, SCHEMA), max_size=12))
        subscriptions = [Subscription((one.topic,), writing_to(stage.output), one.topic.name) for one in (stage, other)]
        engine = Engine(
            "test", subscriptions, kafka=stage.kafka, pool=pool, publisher=publisher, on_stopped=stage.stopped.append
        )
        await exits.enter_async_context(engine)
        for number, one in enumerate((stage, other)):
            await one.produce([stage.message(number)])
            await one.until_handled(1)
        await gate.up()
        assert await until_sent(stage, 2) == [b"m000000", b"m000001"]


async def test_the_next_batch_is_handled_while_the_one_before_it_is_being_sent_and_sent_after_it(
    stage: Stage, gate: Proxy
) -> None:
    gate.blackholed = True
    await gate.up()
    async with behind(gate) as publisher, stage.engine(publisher=publisher):
        for number in range(2):
            await stage.produce([stage.message(number)])
            await stage.until_handled(number + 1)
        assert await stage.outputs() == []
        gate.heal()
        assert await until_sent(stage, 2) == [b"m000000", b"m000001"]
    assert stage.batch_sizes == [1, 1]
    assert set((await stage.effects()).values()) == {1}
