"""What a message costs when there is much else: conversations, practices with their settings, long messages that wait."""

import asyncio

from bench import stand as stands
from bench.report import Row
from bench.router import Drained, drain_router, prepare
from bench.workload import Workload

MESSAGES, WARM_UP = 60_000, 40_000
CONVERSATIONS = (1_000, 100_000, 2_000_000)
PRACTICES = (100, 10_000)
SHORT, LONG = 100, 8_000
"""Characters of a message. Patients may write 10,000 at once."""


def run(*, quick: bool) -> list[Row]:
    """Each size on a stand of its own; the smallest of a kind is the reference of the others."""
    sizes, share = (CONVERSATIONS[:2], 10) if quick else (CONVERSATIONS, 1)
    return asyncio.run(_run(sizes, MESSAGES // share, WARM_UP // share))


async def _run(sizes: tuple[int, ...], messages: int, warm_up: int) -> list[Row]:
    rows: list[Row] = []
    by_size = {size: await _cost(Workload(patients=size, is_even=True), messages, warm_up) for size in sizes}
    rows += _rows("conversations", by_size)
    by_practices = {
        count: await _cost(Workload(practices=count, is_even=True), messages, warm_up) for count in PRACTICES
    }
    rows += _rows("practices", by_practices)
    return [*rows, await _memory(messages, warm_up)]


async def _memory(messages: int, warm_up: int) -> Row:
    long, short = [await _drained(Workload(body="long " * (size // 5)), messages, warm_up) for size in (LONG, SHORT)]
    what = f"memory of a router that drains a backlog, messages of {LONG:,} characters"
    return Row(what, long.memory, "MB", (), f"{SHORT}", short.memory)


async def _cost(workload: Workload, messages: int, warm_up: int) -> Drained:
    stands.tell("growth", f"{workload.patients:,} conversations in {workload.practices:,} practices")
    return await _drained(workload, messages, warm_up, conversations=workload)


async def _drained(
    workload: Workload, messages: int, warm_up: int, *, conversations: Workload | None = None
) -> Drained:
    async with stands.stand() as on:
        await prepare(on, workload, messages + warm_up)
        return await drain_router(on, messages, warm_up, conversations=conversations)


def _rows(what: str, by_size: dict[int, Drained]) -> list[Row]:
    smallest = min(by_size)
    reference = f"{smallest:,} {what}"
    return [
        Row(f"a message at {size:,} {what}: {name}", value(one), "us/message", (), reference, value(by_size[smallest]))
        for name, value in (
            ("CPU of the router", lambda one: one.app_cpu),
            ("CPU with broker and database", lambda one: one.all_cpu),
        )
        for size, one in by_size.items()
    ]
