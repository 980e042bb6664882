"""One router process and two, on the same backlog."""

import asyncio

from bench import stand as stands
from bench.report import Row
from bench.router import drain_router, prepare
from bench.workload import Workload

MESSAGES, WARM_UP = 200_000, 50_000


def run(*, quick: bool) -> list[Row]:
    """In turn, several rounds."""
    rounds, share = (1, 10) if quick else (3, 1)
    return asyncio.run(_run(rounds, MESSAGES // share, WARM_UP // share))


async def _run(rounds: int, messages: int, warm_up: int) -> list[Row]:
    runs: dict[int, list[float]] = {1: [], 2: []}
    async with stands.stand() as on:
        await prepare(on, Workload(), messages + warm_up)
        for _ in range(rounds):
            for processes, rates in runs.items():
                stands.tell("router", f"{processes} process(es)")
                drained = await drain_router(on, messages, warm_up, processes=processes)
                rates.append(drained.per_second)
    return [Row.of("router drain with two processes", "messages/s", runs[2], "one process", runs[1])]
