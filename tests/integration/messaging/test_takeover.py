"""Partitions change hands: after a crash, under a zombie, in a rebalance (promises 2, 3 and 7)."""

import asyncio
import signal
import sys
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import pytest

from shared_messaging import Batch
from shared_messaging.outgoing import unpack

from .conftest import PARTITIONS, SCHEMA, WRITE_EFFECTS, Stage

pytestmark = pytest.mark.asyncio

DYING = Path(__file__).with_name("consumer_that_dies.py")


async def test_a_crash_between_write_and_send_sends_the_same_bytes_afterwards(stage: Stage) -> None:
    await stage.produce([stage.message(n, patient=n) for n in range(30)])
    arguments = (stage.kafka.bootstrap_servers, stage.dsn, SCHEMA, stage.topic.name, WRITE_EFFECTS)
    process = await asyncio.create_subprocess_exec(sys.executable, DYING, *arguments)
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
    written = [message for events in await stage.unsent() for message in unpack(events)]
    effects = await stage.effects()
    assert effects
    assert sorted(message.value for message in written) == sorted(name.encode() for name in effects)
    assert await stage.outputs() == []

    async with stage.engine():
        await stage.until_handled(30, patience=30)
        await stage.until_sent()
    assert set((await stage.effects()).values()) == {1}
    resent = [record for record in await stage.read(stage.output) if dict(record.headers).get("pid")]
    assert sorted((r.key, r.value, tuple(r.headers)) for r in resent) == sorted(
        (message.key, message.value, message.headers) for message in written
    )
    assert len(await stage.outputs()) == 30


async def test_a_zombie_writes_nothing_and_sends_nothing(stage: Stage) -> None:
    await stage.produce([stage.message(1)])
    loaded, go_on, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(batch: Batch) -> None:
        loaded.set()
        await go_on.wait()
        try:
            await stage.handle(batch)
        finally:
            over.set()

    async with stage.engine(handle, reclaim_after=timedelta(minutes=5)):
        await asyncio.wait_for(loaded.wait(), 20)
        await stage.owner.execute("UPDATE progress SET epoch = epoch + 1 WHERE topic = $1", stage.topic.name)
        go_on.set()
        await asyncio.wait_for(over.wait(), 20)
    assert await stage.effects() == {}
    assert await stage.outputs() == []
    assert await stage.handled() == 0


async def test_a_late_claim_by_somebody_else_does_not_stop_the_owner_for_ever(stage: Stage) -> None:
    async with stage.engine(reclaim_after=timedelta(seconds=0.2)):
        await stage.produce([stage.message(n) for n in range(5)])
        await stage.until_handled(5)
        await stage.owner.execute("UPDATE progress SET epoch = epoch + 1 WHERE topic = $1", stage.topic.name)
        await stage.produce([stage.message(n) for n in range(5, 10)])
        await stage.until_handled(10)
        await stage.until_sent()
    assert list((await stage.effects()).values()) == [1] * 10
    assert await stage.outputs() == [b"m%06d" % n for n in range(10)]


async def test_what_is_found_superseded_while_it_is_given_up_is_not_claimed_again(stage: Stage) -> None:
    """Whoever went on claiming would fence its rightful owner out, again and again."""
    loaded, go_on = asyncio.Event(), asyncio.Event()

    async def handle(batch: Batch) -> None:
        loaded.set()
        await go_on.wait()
        await stage.handle(batch)

    async def go_on_while_it_is_given_up() -> None:
        await stage.until_rebalancing()
        await asyncio.sleep(1)  # some heartbeats: by then the first engine waits for its batch
        go_on.set()

    async def epochs() -> dict[int, int]:
        return {part: epoch for part, (epoch, _) in (await stage.progress()).items()}

    settings = {"heartbeat": timedelta(seconds=0.2), "reclaim_after": timedelta(seconds=0.1)}
    async with stage.engine(handle, **settings):
        await stage.produce([stage.message(n, patient=n) for n in range(40)])
        await asyncio.wait_for(loaded.wait(), 20)
        await stage.owner.execute("UPDATE progress SET epoch = epoch + 1 WHERE topic = $1", stage.topic.name)
        going_on = asyncio.create_task(go_on_while_it_is_given_up())
        async with stage.engine(**settings):
            await going_on
            await stage.until_handled(40)
            settled = await epochs()
            await asyncio.sleep(2)
            assert await epochs() == settled
    assert set((await stage.effects()).values()) == {1}


async def test_a_write_whose_answer_was_lost_is_not_repeated(stage: Stage) -> None:
    await stage.produce([stage.message(n) for n in range(5)])
    is_first = True

    async def handle(batch: Batch) -> None:
        nonlocal is_first
        await stage.handle(batch)
        if is_first:
            is_first = False
            raise ConnectionResetError

    async with stage.engine(handle):
        await stage.until_handled(5)
        await stage.until_sent()
        await stage.produce([stage.message(5)])
        await stage.until_handled(6)
        await stage.until_sent()
    assert set((await stage.effects()).values()) == {1}
    assert await stage.outputs() == [b"m%06d" % n for n in range(6)]


async def test_rebalances_under_traffic_lose_nothing_and_keep_each_patients_order(stage: Stage) -> None:
    patients = 40
    over = asyncio.Event()
    produced = 0

    async def traffic() -> None:
        nonlocal produced
        while not over.is_set():
            await stage.produce([stage.message(n, patient=n % patients) for n in range(produced, produced + 50)])
            produced += 50
            await asyncio.sleep(0.02)

    async def epochs() -> list[int]:
        return [epoch for epoch, _ in (await stage.progress()).values()]

    async def until_all_change_hands(before: list[int]) -> None:
        async def changed() -> bool:
            now = await epochs()
            return len(now) == PARTITIONS and min(now) > max(before, default=0)

        await stage.until(changed)
        await stage.until_handled(await stage.handled() + 500)

    settings = {"max_batch": 60, "own_lane_from": 10, "heartbeat": timedelta(seconds=0.2)}
    async with stage.engine(**settings):
        task = asyncio.create_task(traffic())
        await until_all_change_hands([])
        for _ in range(2):
            before = await epochs()
            async with stage.engine(**settings):
                await until_all_change_hands(before)
                before = await epochs()
            await until_all_change_hands(before)
        over.set()
        await task
        await stage.until_handled(produced)
        await stage.until_sent()
    effects = await stage.effects()
    assert set(effects.values()) == {1}
    assert len(effects) == produced
    sent: dict[bytes, list[bytes]] = defaultdict(list)
    for record in await stage.read(stage.output):
        if record.value not in sent[record.key]:  # an event may be sent again, with the same id
            sent[record.key].append(record.value)
    for patient in range(patients):
        in_order = [b"m%06d" % n for n in range(patient, produced, patients)]
        assert [name.encode() for name in effects if int(name[1:]) % patients == patient] == in_order
        assert sent[f"{stage.practice}/patient-{patient}".encode()] == in_order
