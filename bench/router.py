"""Draining a backlog: the router as it is served, beside other ways to do the same work on the same broker."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench import stand as stands
from bench.references import kafka_streams
from bench.report import Row
from bench.stand import Stand
from bench.workload import Workload, as_records, seed_conversations, seed_router
from shared_messaging import KafkaConnection, Publisher
from shared_schemas import topics

MESSAGES, WARM_UP = 300_000, 100_000
CHUNK = 20_000
LIMIT_SECONDS = 600.0
INPUT, OUTPUT = topics.PATIENT_MESSAGES.name, topics.ROUTED_MESSAGES.name
ELSEWHERE = topics.STAFF_NOTIFICATIONS.name
"""Where the reference programs write: a topic with as many partitions that nothing else in this benchmark uses."""

REFERENCES: Mapping[str, tuple[str, int]] = {
    "bare aiokafka copy loop": ("copy_loop", 1),
    "Kafka Streams exactly_once_v2, 2 threads, warm": ("2", 1),
    "Kafka Streams exactly_once_v2, 1 thread, warm": ("1", 1),
    "Quix Streams exactly-once": ("quix", 5),
    "FastStream as its docs teach, an upsert per message": ("faststream_as_taught", 50),
}
"""The module, or the number of Java threads; and by how much fewer messages it gets, the slower it is."""


@dataclass(frozen=True, slots=True)
class Drained:
    """One run of one program over the measured messages."""

    per_second: float
    app_cpu: float
    """Microseconds of CPU per message, in the program itself."""
    all_cpu: float
    """The same with the broker's and the database's."""
    memory: float
    """Megabytes that the program had at its largest, of those times that anybody looked."""


def run(*, quick: bool) -> list[Row]:
    """The router and every reference in turn, several rounds."""
    rounds, share = (1, 10) if quick else (3, 1)
    return asyncio.run(_run(rounds, MESSAGES // share, WARM_UP // share))


async def _run(rounds: int, messages: int, warm_up: int) -> list[Row]:
    ours: list[Drained] = []
    theirs: dict[str, list[Drained]] = {name: [] for name in REFERENCES}
    async with stands.stand() as on:
        await prepare(on, Workload(), messages + warm_up)
        for number in range(rounds):
            stands.tell("round", f"{number + 1} of {rounds}")
            ours.append(await drain_router(on, messages, warm_up))
            for name, (what, fewer) in REFERENCES.items():
                theirs[name].append(await drain_reference(on, what, messages // fewer, warm_up // fewer))
    rows = [
        Row.of("router drain", "messages/s", _rates(ours), name, _rates(reference))
        for name, reference in theirs.items()
    ]
    for name, runs in {"router": ours, **theirs}.items():
        rows.append(Row.of(f"{name}: CPU of the program", "us/message", [one.app_cpu for one in runs]))
        rows.append(Row.of(f"{name}: CPU with broker and database", "us/message", [one.all_cpu for one in runs]))
    return rows


def _rates(runs: Sequence[Drained]) -> list[float]:
    return [one.per_second for one in runs]


async def prepare(on: Stand, workload: Workload, messages: int) -> None:
    """Practices and appointments in the router's schema, and the messages in Kafka."""
    stands.tell("load", f"{messages:,} messages of {workload.patients:,} patients")
    await seed_router(on.dsn, workload)
    async with Publisher(KafkaConnection(on.kafka, "bench")) as publisher:
        for first in range(0, messages, CHUNK):
            await publisher.send(as_records(workload.messages(min(CHUNK, messages - first), first=first)))


async def drain_router(
    on: Stand, messages: int, warm_up: int, *, processes: int = 1, conversations: Workload | None = None
) -> Drained:
    """From an empty state, or with the conversations of a workload. Done when all of it is in PostgreSQL and in Kafka.

    Its own consumer groups start anew: it resumes from `progress`, which is empty.
    """
    async with _observed(on) as (owner, consumer):
        await owner.execute("TRUNCATE router.progress, router.batch_output, router.conversation, router.decision")
        if conversations is not None:
            await seed_conversations(on.dsn, conversations)
        await owner.execute("CHECKPOINT")
        written = await log_size(on, consumer, OUTPUT)
        async with _routers(on, processes) as pids, asyncio.timeout(LIMIT_SECONDS):
            while (begun := await handled(owner)) < warm_up:
                await asyncio.sleep(0.02)
            watch = Watch(pids)
            wanted = warm_up + messages
            while await handled(owner) < wanted or await log_size(on, consumer, OUTPUT) < written + wanted:
                watch.look()
                await asyncio.sleep(0.02)
            return watch.drained(wanted - begun)


async def handled(owner: "asyncpg.Connection[asyncpg.Record]") -> int:
    """How many messages router has decided, in all partitions."""
    done: int | None = await owner.fetchval(
        "SELECT sum(next_offset)::bigint FROM router.progress WHERE topic = $1", INPUT
    )
    return done or 0


async def drain_reference(on: Stand, what: str, messages: int, warm_up: int) -> Drained:
    """One of the programs in `references`, from an empty state."""
    directory = on.directory / f"{what}-{time.monotonic_ns()}"
    directory.mkdir()
    if what.isdigit():
        command = await asyncio.to_thread(kafka_streams.command, int(what), directory / "classes")
    else:
        command = [sys.executable, "-m", f"bench.references.{what}"]
    errand = [on.kafka, on.dsn, INPUT, ELSEWHERE, str(directory), str(warm_up), str(messages)]
    async with stands.program(on, directory.name, [*command, *errand]) as child, asyncio.timeout(LIMIT_SECONDS):
        await _until_said("first", child.log, child)
        watch = Watch([child.process.pid])
        await _until_said("last", child.log, child)
        return watch.drained(messages)


class Watch:
    """Time and CPU since it was made."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._app = list(pids)
        self._others = list(stands.broker_and_database().values())
        self._before = self._cpu()
        self._started = time.perf_counter()
        self._memory = 0
        self.look()

    def look(self) -> None:
        """Note how much memory the program has."""
        self._memory = max(self._memory, sum(psutil.Process(pid).memory_info().rss for pid in self._app))

    def drained(self, count: int) -> Drained:
        """What `count` messages took."""
        seconds = time.perf_counter() - self._started
        app, others = (now - then for now, then in zip(self._cpu(), self._before, strict=True))
        return Drained(count / seconds, app / count * 1e6, (app + others) / count * 1e6, self._memory / 1e6)

    def _cpu(self) -> tuple[float, float]:
        return stands.cpu_seconds(*self._app), stands.cpu_seconds(*self._others)


async def log_size(on: Stand, consumer: AIOKafkaConsumer, topic: str) -> int:
    """How many offsets the partitions of a topic have, taken together."""
    every = [TopicPartition(topic, number) for number in range(on.partitions)]
    return sum((await consumer.end_offsets(every)).values())


@asynccontextmanager
async def _observed(on: Stand) -> AsyncGenerator[tuple["asyncpg.Connection[asyncpg.Record]", AIOKafkaConsumer]]:
    owner = await asyncpg.connect(on.dsn)
    consumer = AIOKafkaConsumer(bootstrap_servers=on.kafka)
    await consumer.start()
    try:
        yield owner, consumer
    finally:
        await consumer.stop()
        await owner.close()


@asynccontextmanager
async def _routers(on: Stand, count: int) -> AsyncGenerator[list[int]]:
    if count == 0:
        yield []
        return
    # A router drains before it answers: a small backlog would be gone by then.
    async with stands.service(on, "router", is_awaited=False) as running, _routers(on, count - 1) as others:
        yield [running.pid, *others]


async def _until_said(word: str, log: Path, child: stands.ChildProcess) -> None:
    while word not in log.read_text(encoding="utf-8", errors="replace").split():
        if child.has_ended and word not in log.read_text(encoding="utf-8", errors="replace").split():
            raise RuntimeError(f"{log.stem} ended early: {child.last_words}")
        await asyncio.sleep(0.02)
