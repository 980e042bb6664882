"""What a message costs when there is much else: conversations, practices with their settings, long messages that wait."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from operator import attrgetter

import asyncpg

from bench import stand as stands
from bench.report import Row
from bench.router import Drained, Watch, drain_router, handled, prepare
from bench.stand import Stand
from bench.workload import Workload, as_records, seed_conversations, seed_router
from shared_messaging import KafkaConnection, Publisher

MESSAGES, WARM_UP = 60_000, 40_000
CONVERSATIONS = (1_000, 100_000, 2_000_000)
PRACTICES = (100, 10_000)
SHORT, LONG = 100, 8_000
"""Characters of a message. Patients may write 10,000 at once."""
RATE, SENDS = 1_000, 50
"""Messages a second, and how often in a second some are sent."""
SECONDS, TIMES = 20, 3
SHARED_BUFFERS = "3GB"
"""Two million conversations have room in it, as docs/guides/sizing.md wants it."""


def run(*, quick: bool) -> list[Row]:
    """Each size on a stand of its own; the smallest of a kind is the reference of the others."""
    sizes, share = (CONVERSATIONS[:2], 10) if quick else (CONVERSATIONS, 1)
    return asyncio.run(_run(sizes, share))


async def _run(sizes: Sequence[int], share: int) -> list[Row]:
    messages, warm_up = MESSAGES // share, WARM_UP // share
    evenly = [Workload(patients=size, is_even=True) for size in sizes]
    many = [Workload(practices=count, is_even=True) for count in PRACTICES]
    at_a_rate = {one.patients: await _at_a_rate(one, max(1, SECONDS // share)) for one in evenly}
    drained = {one.patients: [await _drained(one, messages, warm_up)] for one in evenly}
    by_practices = {one.practices: [await _drained(one, messages, warm_up)] for one in many}
    return [
        *_rows(f"of {RATE:,}/s, {{:,}} conversations", at_a_rate),
        *_rows("of a backlog, {:,} conversations", drained),
        *_rows("of a backlog, {:,} practices", by_practices),
        await _memory(messages, warm_up),
    ]


async def _memory(messages: int, warm_up: int) -> Row:
    long, short = [
        await _drained(Workload(body="long " * (size // 5)), messages, warm_up, has_begun=False)
        for size in (LONG, SHORT)
    ]
    what = f"memory of a router that drains a backlog, messages of {LONG:,} characters"
    return Row(what, long.memory, "MB", (), f"{SHORT}", short.memory)


async def _at_a_rate(workload: Workload, seconds: int) -> list[Drained]:
    """What messages cost that come one after the other, several times; the first time warms up."""
    async with _stand(workload) as on:
        await seed_router(on.dsn, workload)
        await seed_conversations(on.dsn, workload)
        owner = await asyncpg.connect(on.dsn)
        await owner.execute("CHECKPOINT")
        costs: list[Drained] = []
        async with Publisher(KafkaConnection(on.kafka, "bench")) as publisher, stands.service(on, "router") as router:
            for number in range(1 + TIMES):
                watch = Watch([router.pid])
                await _send(publisher, workload, first=number * RATE * seconds, seconds=seconds)
                while await handled(owner) < (number + 1) * RATE * seconds:
                    await asyncio.sleep(0.02)
                costs.append(watch.drained(RATE * seconds))
        await owner.close()
        return costs[1:]


async def _send(publisher: Publisher, workload: Workload, *, first: int, seconds: int) -> None:
    """Each batch at its time, whatever became of the one before."""
    each, begin = RATE // SENDS, time.perf_counter()
    async with asyncio.TaskGroup() as sending:
        for number in range(seconds * SENDS):
            await asyncio.sleep(max(0.0, begin + number / SENDS - time.perf_counter()))
            records = as_records(workload.messages(each, first=first + number * each))
            sending.create_task(publisher.send(records))


async def _drained(workload: Workload, messages: int, warm_up: int, *, has_begun: bool = True) -> Drained:
    async with _stand(workload) as on:
        await prepare(on, workload, messages + warm_up)
        return await drain_router(on, messages, warm_up, conversations=workload if has_begun else None)


@asynccontextmanager
async def _stand(workload: Workload) -> AsyncGenerator[Stand]:
    stands.tell("growth", f"{workload.patients:,} conversations in {workload.practices:,} practices")
    async with stands.stand(shared_buffers=SHARED_BUFFERS) as on:
        yield on


def _rows(what: str, by_size: dict[int, list[Drained]]) -> Iterable[Row]:
    smallest = by_size[min(by_size)]
    costs = {"router": attrgetter("app_cpu"), "router, broker and database": attrgetter("all_cpu")}
    for name, cost in costs.items():
        for size, runs in by_size.items():
            yield Row.of(
                f"a message {what.format(size)}: CPU of {name}",
                "us/message",
                [cost(one) for one in runs],
                f"{min(by_size):,}",
                [cost(one) for one in smallest],
            )
