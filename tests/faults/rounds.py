"""One round: an installation, a load, faults; then everything is healed, comes to rest, and is held against the promises."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import ceil
from pathlib import Path
from random import Random

from ingest.app import SCHEMA as INGEST
from notifier.app import SCHEMA as NOTIFIER
from router.app import SCHEMA as ROUTER
from shared_messaging import KafkaConnection, Outgoing, Publisher
from switchboard_cli.backlog import unread_records
from tests.faults.checker import Violation, check
from tests.faults.expecting import expected_audiences
from tests.faults.history import History, of
from tests.faults.injecting import INSTANCES, Injector, injected
from tests.faults.listening import Client, listening
from tests.faults.load import SOURCE, Load
from tests.faults.parts import Parts, running_parts, until
from tests.faults.practices import PUBLIC_URL, make_practice, set_up
from tests.faults.reading import read_all, read_threads

PRACTICES = 4
DRAIN_SECONDS = 240.0
SCHEMAS = (INGEST, ROUTER, NOTIFIER)
SMALL_SPOOL = 100
"""Rows. It fills within seconds of an outage; then patients' providers get 503 and try again."""

Say = Callable[[str], None]


@dataclass
class Report:
    """What came of a round."""

    violations: list[Violation]
    faults: Sequence[str]
    figures: dict[str, object] = field(default_factory=dict)
    answer_seconds: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def p99(self, matter: str) -> float:
        """Seconds that one in a hundred answers took longer than, while this was at fault; 0 without answers."""
        seconds = sorted(self.answer_seconds.get(matter, ()))
        return seconds[ceil(0.99 * len(seconds)) - 1] if seconds else 0.0

    def lines(self) -> list[str]:
        """For people."""
        told = [f"{name}: {value}" for name, value in self.figures.items()]
        for matter, seconds in sorted(self.answer_seconds.items()):
            told.append(f"webhook answers, {matter} at fault: {len(seconds)}, p99 {1000 * self.p99(matter):.0f} ms")
        return [*told, f"faults: {', '.join(self.faults)}", *(f"VIOLATION {one}" for one in self.violations)]


async def play(directory: Path, seed: int, seconds: float, say: Say) -> Report:
    """Faults and load for so many seconds, in a new installation in `directory`; the history is kept beside it."""
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    spool_rows = random.choice((SMALL_SPOOL, 1_000_000))
    settings = {
        "SWITCHBOARD_PUBLIC_URL": PUBLIC_URL,
        "SWITCHBOARD_INGEST_SPOOL_ROWS": str(spool_rows),
        "SWITCHBOARD_NOTIFIER_HEARTBEAT_SECONDS": "5",
    }
    async with AsyncExitStack() as stack:
        history = History(stack.enter_context((directory / "history.jsonl").open("w", encoding="utf-8", buffering=1)))
        parts = await stack.enter_async_context(running_parts(directory, INSTANCES, settings))
        publisher = await stack.enter_async_context(Publisher(_through_the_proxy(parts)))
        practices = [make_practice(number, Random(random.random()), parts.issuer) for number in range(PRACTICES)]  # noqa: S311
        for practice in practices:
            await set_up(parts, practice)
            events = [
                Outgoing.of(topic.name, one, source=SOURCE, time=datetime.now(UTC))
                for topic, one in practice.first_sync()
            ]
            await publisher.send(events)
        await until(partial(_nothing_waits, parts), "the first sync is taken in", DRAIN_SECONDS)
        injector = Injector(parts, Random(random.random()), say)  # noqa: S311
        load = Load(parts, practices, history, publisher, Random(random.random()), lambda: injector.matter)  # noqa: S311
        clients = await stack.enter_async_context(listening(parts, practices, history, Random(random.random())))  # noqa: S311
        say(f"load and faults for {seconds:.0f} s, {spool_rows} rows of spool")
        async with injected(injector, seconds):
            await load.run(seconds)
        say("healed; draining")
        await _come_to_rest(parts, load, clients)
        say("checking")
        return await _judge(parts, history, load, injector, clients)


async def _come_to_rest(parts: Parts, load: Load, clients: Sequence[Client]) -> None:
    """Nothing waits anywhere; then a last save, which every client must come to see.

    Both times nothing may be left of what was saved before: two versions that notifier takes in at once are announced as
    one, and whoever the first lets in is told to begin again instead.
    """
    rest = partial(until, partial(_nothing_waits, parts), "nothing waits any more", DRAIN_SECONDS)
    await rest()
    await load.let_everybody_in()

    async def everybody_listens() -> bool:
        return all(client.cursor is not None for client in clients)

    await until(everybody_listens, "every client is connected", DRAIN_SECONDS)
    await rest()
    await load.finish()
    await rest()

    async def everybody_is_up_to_date() -> bool:
        return all(client.settings_seen >= client.practice.version for client in clients)

    await until(everybody_is_up_to_date, "every client has seen the last event", DRAIN_SECONDS)


async def _nothing_waits(parts: Parts) -> bool:
    """Whether the spool is empty, all settings are published, all records are read and all outputs sent."""
    unpublished = "router.unfinished_settings WHERE published_at IS NULL"
    tables = ("ingest.spooled", unpublished, *(f"{one.schema}.batch_output" for one in SCHEMAS))
    counts = [(await parts.query(f"SELECT count(*) FROM {table}"))[0][0] for table in tables]  # noqa: S608 - our own
    return not any(counts) and await unread_records(parts.kafka_bootstrap_servers, parts.postgres_dsn, SCHEMAS) == 0


async def _judge(parts: Parts, history: History, load: Load, injector: Injector, clients: Sequence[Client]) -> Report:
    names = [practice.id for practice in load.practices]
    found = await read_all(parts, history, names)
    await read_threads(parts, history, load.practices)
    audiences, violations = await asyncio.to_thread(expected_audiences, found, names)
    violations += await asyncio.to_thread(check, history.entries, audiences)
    figures: dict[str, object] = {
        f"{op} {type_}": len(of(history.entries, op, type_))
        for op in ("send", "act", "save", "sync")
        for type_ in ("ok", "info")
    }
    figures |= {
        "stream events seen": len(of(history.entries, "see")),
        "resets": len([one for client in clients for one in client.resets]),
        "dead letters": f"{found.dead_letters} for {load.poisoned} poison records",
        "audiences compared with the oracle": len(audiences),
        "services started again": sum(service.restarts for service in parts.services.values()),
        "last words": [word for service in parts.services.values() for word in service.last_words],
    }
    return Report(violations, injector.done, figures, load.seconds_of)


def _through_the_proxy(parts: Parts) -> KafkaConnection:
    return KafkaConnection(f"127.0.0.1:{parts.kafka_proxy.port}", "made-up-pm")
