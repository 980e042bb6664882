"""What it costs to note first who reads: a conversation with and without, and how many a practice can note a second."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import stand as stands
from bench.report import Row
from notifier.storage.reading import conversation_of
from shared_database import DatabaseLogin, audit, create_pool

if TYPE_CHECKING:
    from shared_database.pools import Pool

READS, QUICK_READS = 5_000, 500
CALLERS = 16
RUNS = 3


@dataclass(frozen=True, slots=True)
class _Nurse:
    staff_id: str = "nia"
    role: str = "member"


def run(*, quick: bool) -> list[Row]:
    """Reads one after the other, and appends of many callers at once, to one practice's chain and to many."""
    return asyncio.run(_run(QUICK_READS if quick else READS))


async def _run(reads: int) -> list[Row]:
    async with (
        stands.stand() as on,
        await create_pool(DatabaseLogin(on.dsn, "notifier"), min_size=CALLERS, max_size=CALLERS) as pool,
    ):

        async def read(_: int) -> None:
            await conversation_of(pool, "bench", "nia", "no-such-conversation")

        async def noted_read(number: int) -> None:
            await read(number)
            await audit(pool, "bench", _Nurse(), "read", "conversation:no-such-conversation", ["pt-1"])

        await _each(noted_read, reads // 10)
        plain = [await _each(read, reads) for _ in range(RUNS)]
        noted = [await _each(noted_read, reads) for _ in range(RUNS)]
        one = [await _at_once(pool, reads, 1) for _ in range(RUNS)]
        many = [await _at_once(pool, reads, CALLERS) for _ in range(RUNS)]
    return [
        Row.of("a conversation read and noted", "ms", noted, "not noted", plain),
        Row.of(f"records of {CALLERS} callers in one practice", "1/s", one),
        Row.of(f"records of {CALLERS} callers in {CALLERS} practices", "1/s", many),
    ]


async def _each(do: Callable[[int], Awaitable[None]], times: int) -> float:
    started = time.perf_counter()
    for number in range(times):
        await do(number)
    return (time.perf_counter() - started) * 1000 / times


async def _at_once(pool: "Pool", records: int, practices: int) -> float:
    async def caller(number: int) -> None:
        for _ in range(records // CALLERS):
            await audit(pool, f"bench-{number % practices}", _Nurse(), "read", "conversation:1", ["pt-1"])

    started = time.perf_counter()
    async with asyncio.TaskGroup() as calling:
        for number in range(CALLERS):
            calling.create_task(caller(number))
    return records // CALLERS * CALLERS / (time.perf_counter() - started)
