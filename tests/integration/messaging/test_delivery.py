"""At least once in, exactly once in effect, in the order of the log (promises 2 and 3)."""

import asyncio
from collections import defaultdict

import pytest

from shared_messaging import Batch

from .conftest import Stage

pytestmark = pytest.mark.asyncio


async def test_every_message_has_one_effect_and_one_output(stage: Stage) -> None:
    await stage.produce([stage.message(n, patient=n % 7) for n in range(100)])
    async with stage.engine():
        await stage.until_handled(100)
        await stage.until_sent()
    assert set((await stage.effects()).values()) == {1}
    assert sorted(await stage.outputs()) == [f"m{n:06d}".encode() for n in range(100)]


async def test_records_that_kafka_delivers_again_are_not_handled_again(stage: Stage) -> None:
    await stage.produce([stage.message(n) for n in range(50)])
    async with stage.engine():
        await stage.until_handled(50)
    handled = len(stage.batch_sizes)
    async with stage.engine(service="another-group-that-starts-at-the-beginning"):
        await stage.produce([stage.message(50)])
        await stage.until_handled(51)
    assert stage.batch_sizes[handled:] == [1]
    assert set((await stage.effects()).values()) == {1}


async def test_events_of_one_patient_keep_the_order_of_the_log(stage: Stage) -> None:
    await stage.produce([stage.message(n, patient=n % 5) for n in range(500)])
    async with stage.engine(max_batch=30, own_lane_from=10):
        await stage.until_handled(500)
        await stage.until_sent()
    handled = [int(name[1:]) for name in await stage.effects()]
    sent: dict[bytes, list[bytes]] = defaultdict(list)
    for record in await stage.read(stage.output):
        sent[record.key].append(record.value)
    for patient in range(5):
        assert [n for n in handled if n % 5 == patient] == list(range(patient, 500, 5))
        assert sent[f"{stage.practice}/patient-{patient}".encode()] == [b"m%06d" % n for n in range(patient, 500, 5)]


async def test_partitions_with_little_waiting_share_one_batch(stage: Stage) -> None:
    await stage.produce([stage.message(n, patient=n) for n in range(20)])
    together: list[int] = []

    async def handle(batch: Batch) -> None:
        together.append(len({record.partition for record in batch.records}))
        await stage.handle(batch)

    async with stage.engine(handle):
        await stage.until_handled(20)
    assert max(together) > 1


async def test_partitions_with_a_backlog_are_handled_side_by_side(stage: Stage) -> None:
    await stage.produce([stage.message(n, patient=n) for n in range(400)])
    running: list[int] = [0]
    most = 0

    async def handle(batch: Batch) -> None:
        nonlocal most
        running[0] += 1
        most = max(most, running[0])
        assert len({record.partition for record in batch.records}) == 1
        await asyncio.sleep(0.01)
        await stage.handle(batch)
        running[0] -= 1

    async with stage.engine(handle, own_lane_from=1, max_batch=20):
        await stage.until_handled(400)
    assert most > 1
    assert set((await stage.effects()).values()) == {1}


async def test_stopping_finishes_and_sends_what_is_in_flight(stage: Stage) -> None:
    await stage.produce([stage.message(n) for n in range(10)])
    started = asyncio.Event()

    async def handle(batch: Batch) -> None:
        started.set()
        await asyncio.sleep(0.3)
        await stage.handle(batch)

    async with stage.engine(handle):
        await asyncio.wait_for(started.wait(), 20)
    count = await stage.handled()
    assert count >= 1
    assert len(await stage.outputs()) == count == await stage.effect_count()
    assert await stage.unsent() == []


@pytest.mark.parametrize(
    "bounds",
    [
        {"queue_limit": 10, "max_batch": 40, "own_lane_from": 20},
        {"queue_bytes": 5_000, "max_batch_bytes": 8_000, "own_lane_from": 20},
    ],
)
async def test_a_tiny_queue_holds_fetching_back_and_loses_nothing(stage: Stage, bounds: dict[str, int]) -> None:
    await stage.produce([stage.message(n, patient=n) for n in range(2_000)])
    async with stage.engine(**bounds):
        await stage.until_handled(2_000, patience=40)
    assert max(stage.batch_sizes) <= 40
    assert await stage.effect_count() == 2_000
    assert set((await stage.effects()).values()) == {1}


async def test_a_handler_that_writes_nothing_has_handled_its_batch(stage: Stage) -> None:
    await stage.produce([stage.message(n) for n in range(5)])

    async def ignore(_: Batch) -> None:
        return

    async with stage.engine(ignore):
        await stage.until_handled(5)


async def test_a_handler_sees_only_the_practices_of_its_batch(stage: Stage) -> None:
    await stage.owner.execute("INSERT INTO effect VALUES ('somebody-else', $1, 1, 0, 0)", stage.topic.name)
    await stage.produce([stage.message(1)])
    seen: list[str] = []

    async def handle(batch: Batch) -> None:
        await stage.handle(batch)
        seen.extend(row[0] for row in await batch.connection.fetch("SELECT DISTINCT practice_id FROM effect"))

    async with stage.engine(handle):
        await stage.until_handled(1)
    assert seen == [stage.practice]
