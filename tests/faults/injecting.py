"""The faults: what is done to which part, for how long; drawn from a seed, overlapping, and healed at the end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random

import asyncpg

from switchboard_cli.failures import Failed
from tests.faults.parts import Part, Parts, Service, until
from tests.faults.proxy import Proxy

OUTAGE = (5.0, 30.0)
"""Seconds that Kafka or PostgreSQL cannot be reached, or badly."""
ZOMBIE = 14.0
"""Above the session timeout of ten seconds: the group has given the partitions away when it wakes up."""
AT_ONCE = 3
PAUSE = (0.5, 4.0)
"""Seconds from the beginning of one fault to that of the next."""
READY_SECONDS = 180.0
RESTARTS = 4
"""How often a start that takes longer than a minute is tried again: the machine may be busy."""
BUSY = (5.0, 20.0)
"""Seconds that others on the machine want all of it."""
_BUSY = "import sys, time; end = time.monotonic() + float(sys.argv[1])\nwhile time.monotonic() < end: pass"
GRACE = 15.0
"""Seconds between SIGTERM and SIGKILL. Draining takes ten at most."""

Do = Callable[[Parts, Random], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """`on` are the parts that nothing else happens to meanwhile."""

    name: str
    on: frozenset[str]
    do: Do


@dataclass
class Injector:
    """Carries the faults out, and knows which are under way."""

    parts: Parts
    random: Random
    say: Callable[[str], None]
    under_way: list[Fault] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    @property
    def matter(self) -> str:
        """What ingest suffers from."""
        busy = {part for fault in self.under_way for part in fault.on}
        if busy & {"postgres", "ingest.1", "ingest.2"}:
            return "PostgreSQL or ingest"
        if "machine" in busy:
            return "the machine"
        return "Kafka" if "kafka" in busy else "nothing of ingest's"

    async def run(self, seconds: float) -> None:
        """One fault after the other, each kind once before any comes again, up to three at a time."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        kinds = _shuffled(self.random)
        async with asyncio.TaskGroup() as group:
            waiting: list[Fault] = []
            while clock() < end:
                waiting = waiting or [next(kinds)]
                busy = {part for fault in self.under_way for part in fault.on}
                chosen = next((fault for fault in waiting if not fault.on & busy), None)
                if chosen is not None and len(self.under_way) < AT_ONCE:
                    waiting.remove(chosen)
                    self.under_way.append(chosen)
                    group.create_task(self._carry_out(chosen))
                elif len(waiting) < len(FAULTS):
                    waiting.append(next(kinds))
                    continue
                await asyncio.sleep(self.random.uniform(*PAUSE))

    async def _carry_out(self, fault: Fault) -> None:
        self.say(fault.name)
        try:
            await fault.do(self.parts, self.random)
        finally:
            self.under_way.remove(fault)
            self.done.append(fault.name)


def _shuffled(random: Random) -> Iterator[Fault]:
    while True:
        yield from random.sample(FAULTS, len(FAULTS))


async def heal(parts: Parts) -> None:
    """Everything runs and is connected. Raises TimeoutError that names who does not recover."""
    for proxy in (parts.kafka_proxy, parts.postgres_proxy):
        proxy.heal()
        await proxy.up()
    for service in parts.services.values():
        service.is_wanted = True
        service.send(signal.SIGCONT)
    await parts.until_ready(READY_SECONDS)


# Services.


def _signal(name: str, number: signal.Signals) -> Do:
    async def end(parts: Parts, _: Random) -> None:
        await _end(parts.services[name], number)

    return end


async def _end(service: Service, number: signal.Signals) -> None:
    """As an orchestrator does: what does not end within the grace period is killed."""
    before = service.restarts

    async def has_ended() -> bool:
        return service.restarts > before

    service.send(number)
    try:
        await until(has_ended, f"{service.name} has ended", GRACE)
    except TimeoutError:
        service.send(signal.SIGKILL)
        await until(has_ended, f"{service.name} is dead", GRACE)


def _zombie(name: str) -> Do:
    async def pause(parts: Parts, _: Random) -> None:
        parts.services[name].send(signal.SIGSTOP)
        await asyncio.sleep(ZOMBIE)
        parts.services[name].send(signal.SIGCONT)

    return pause


def _rebalance_storm(service: str) -> Do:
    async def come_and_go(parts: Parts, random: Random) -> None:
        """Instances leave and join faster than the group can settle."""
        one = parts.services[f"{service}.2"]
        for _ in range(4):
            one.is_wanted = False
            one.send(random.choice((signal.SIGTERM, signal.SIGKILL)))
            await asyncio.sleep(random.uniform(0.5, 3))
            one.is_wanted = True
            await asyncio.sleep(random.uniform(2, 5))

    return come_and_go


async def _rolling_restart(parts: Parts, _: Random) -> None:
    for service in list(parts.services.values()):
        await _end(service, signal.SIGTERM)
        with suppress(TimeoutError):  # something else may be the matter
            await until(service.is_ready, f"{service.name} is ready", 5)


async def _busy_machine(_: Parts, random: Random) -> None:
    """Everything is late, by chance: what is written waits longer to be sent, and more is under way at once."""
    command = [sys.executable, "-c", _BUSY, str(random.uniform(*BUSY))]
    others = [await asyncio.create_subprocess_exec(*command) for _ in range(2 * (os.cpu_count() or 1))]
    await asyncio.gather(*(one.wait() for one in others))


# Kafka and PostgreSQL.


def _restart(part: Callable[[Parts], Part], again: Callable[[Parts], Awaitable[None]], number: signal.Signals) -> Do:
    async def restart(parts: Parts, random: Random) -> None:
        await part(parts).die(number)
        await asyncio.sleep(random.uniform(0, 5))
        for is_last in (*[False] * RESTARTS, True):
            try:
                await again(parts)
            except Failed:
                if is_last:
                    raise
            else:
                return

    return restart


async def _paused_broker(parts: Parts, random: Random) -> None:
    parts.kafka.send(signal.SIGSTOP)
    await asyncio.sleep(random.uniform(2, 12))
    parts.kafka.send(signal.SIGCONT)


async def _terminated_backends(parts: Parts, random: Random) -> None:
    for _ in range(random.randrange(1, 5)):
        with suppress(OSError, asyncpg.PostgresError):
            await parts.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND application_name LIKE 'switchboard-%' AND random() < 0.7"
            )
        await asyncio.sleep(random.uniform(0.1, 2))


def _bad_network(proxy: Callable[[Parts], Proxy], how: Callable[[Proxy, Random], None]) -> Do:
    async def spoil(parts: Parts, random: Random) -> None:
        how(proxy(parts), random)
        await asyncio.sleep(random.uniform(*OUTAGE))
        proxy(parts).heal()

    return spoil


def _cut_off(proxy: Callable[[Parts], Proxy]) -> Do:
    async def cut(parts: Parts, random: Random) -> None:
        await proxy(parts).down()
        await asyncio.sleep(random.uniform(*OUTAGE))
        await proxy(parts).up()

    return cut


def _reset(proxy: Callable[[Parts], Proxy]) -> Do:
    async def reset(parts: Parts, random: Random) -> None:
        for _ in range(random.randrange(1, 8)):
            proxy(parts).reset()
            await asyncio.sleep(random.uniform(0.05, 1.5))

    return reset


def _latency(proxy: Proxy, random: Random) -> None:
    proxy.latency = random.choice((0.02, 0.1, 0.5, 1.5))


def _bandwidth(proxy: Proxy, random: Random) -> None:
    proxy.bandwidth = random.choice((20_000, 100_000))


def _slicer(proxy: Proxy, random: Random) -> None:
    proxy.slice_bytes = random.choice((17, 64, 500))


def _blackhole(proxy: Proxy, _: Random) -> None:
    proxy.blackholed = True


def _networks() -> Iterator[Fault]:
    proxies: dict[str, Callable[[Parts], Proxy]] = {
        "kafka": lambda parts: parts.kafka_proxy,
        "postgres": lambda parts: parts.postgres_proxy,
    }
    for name, proxy in proxies.items():
        yield Fault(f"{name}: down", frozenset({name}), _cut_off(proxy))
        yield Fault(f"{name}: reset", frozenset({name}), _reset(proxy))
        for how in (_latency, _bandwidth, _slicer, _blackhole):
            yield Fault(f"{name}: {how.__name__[1:]}", frozenset({name}), _bad_network(proxy, how))


INSTANCES = tuple(f"{service}.{number}" for service in ("ingest", "router", "notifier") for number in (1, 2))

FAULTS: tuple[Fault, ...] = (
    *(Fault(f"kill -9 {name}", frozenset({name}), _signal(name, signal.SIGKILL)) for name in INSTANCES),
    *(Fault(f"SIGTERM {name}", frozenset({name}), _signal(name, signal.SIGTERM)) for name in INSTANCES[::2]),
    *(Fault(f"zombie {name}", frozenset({name}), _zombie(name)) for name in INSTANCES),
    *(
        Fault(f"rebalance storm {one}", frozenset({f"{one}.2"}), _rebalance_storm(one))
        for one in ("router", "notifier")
    ),
    Fault("rolling restart", frozenset(INSTANCES), _rolling_restart),
    Fault(
        "kill -9 the broker",
        frozenset({"kafka"}),
        _restart(lambda parts: parts.kafka, Parts.restart_kafka, signal.SIGKILL),
    ),
    Fault("pause the broker", frozenset({"kafka"}), _paused_broker),
    Fault(
        "PostgreSQL: immediate shutdown",
        frozenset({"postgres"}),
        _restart(lambda parts: parts.postgres, Parts.restart_postgres, signal.SIGQUIT),
    ),
    Fault("pg_terminate_backend", frozenset({"postgres"}), _terminated_backends),
    Fault("busy machine", frozenset({"machine"}), _busy_machine),
    *_networks(),
)


@asynccontextmanager
async def injected(injector: Injector, seconds: float) -> AsyncGenerator[None]:
    """Faults for so long, beside what the block does; everything is healed at its end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(injector.run(seconds))
        yield
    await heal(injector.parts)
