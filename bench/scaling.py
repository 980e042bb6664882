"""One router process and two on the same backlog; and one on backlogs in few partitions and in many."""

import asyncio

from bench import stand as stands
from bench.report import Row
from bench.router import drain_router, prepare
from bench.workload import Workload

MESSAGES, WARM_UP = 200_000, 50_000
PARTITIONS = (1, 2, 24)
"""Beside those of every stand."""


def run(*, quick: bool) -> list[Row]:
    """Processes in turn, several rounds; each number of partitions on a stand of its own."""
    rounds, share = (1, 10) if quick else (3, 1)
    return asyncio.run(_run(rounds, MESSAGES // share, WARM_UP // share))


async def _run(rounds: int, messages: int, warm_up: int) -> list[Row]:
    one, two = await _drained((1, 2), stands.PARTITIONS, rounds, messages, warm_up)
    rows = [Row.of("router drain with two processes", "messages/s", two, "one process", one)]
    for partitions in PARTITIONS:
        (rates,) = await _drained((1,), partitions, rounds, messages, warm_up)
        rows.append(Row.of(f"router drain, partitions: {partitions}", "messages/s", rates, f"{stands.PARTITIONS}", one))
    return rows


async def _drained(
    processes: tuple[int, ...], partitions: int, rounds: int, messages: int, warm_up: int
) -> list[list[float]]:
    """Messages a second of each number of processes."""
    rates: list[list[float]] = [[] for _ in processes]
    async with stands.stand(partitions=partitions) as on:
        await prepare(on, Workload(), messages + warm_up)
        for _ in range(rounds):
            for count, runs in zip(processes, rates, strict=True):
                stands.tell("router", f"{count} process(es), {partitions} partition(s)")
                runs.append((await drain_router(on, messages, warm_up, processes=count)).per_second)
    return rates
