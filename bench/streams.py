"""Staff streams: thousands of open connections to one notifier, what a delivery costs, and all clients reconnecting."""

import asyncio
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench import stand as stands
from bench.report import Row
from bench.stand import Running, Stand
from bench.workload import Workload
from shared_messaging import KafkaConnection, Outgoing, Publisher
from shared_schemas import ids, topics
from shared_schemas.staff_notifications import MessageAnnouncedV1
from switchboard_cli.ports import free_port

CONNECTIONS = (1_000, 5_000, 10_000)
PRACTICES, PEOPLE = 20, 50
ROUNDS = 60
"""Messages for each practice in one measurement."""
MISSED = 5
"""Messages for each practice while the notifier is away."""
OPENING_AT_ONCE = 200
SOURCES = 8
"""Addresses 127.0.0.1 and up that clients connect from, so that ports do not run out."""
PATIENCE = 120.0
_EXAMPLE = Path(__file__).parents[1] / "shared/schemas/examples/MessageAnnounced.v1.json"


def run(*, quick: bool) -> list[Row]:
    """Each number of connections in turn; the storm with all of them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return asyncio.run(_run(CONNECTIONS[:1] if quick else CONNECTIONS))


async def _run(sizes: Sequence[int]) -> list[Row]:
    rows: list[Row] = []
    async with stands.stand() as on, Publisher(KafkaConnection(on.kafka, "bench")) as publisher:
        tokens = [on.issuer.token(role="member", **_person(number)) for number in range(PRACTICES * PEOPLE)]
        port = free_port()
        for size in sizes:
            stands.tell("streams", f"{size:,} connections")
            feed = Feed(publisher)
            clients = [Client(tokens[number % len(tokens)], port, number) for number in range(size)]
            async with stands.service(on, "notifier", port=port) as notifier:
                rows += await _opened(clients, size)
                rows += await _delivered(notifier, feed, clients, size)
            rows += await _storm(on, port, feed, clients, size)
    return rows


async def _opened(clients: Sequence["Client"], size: int) -> list[Row]:
    started = time.perf_counter()
    await _connect(clients)
    return [Row(f"{size} streams: opened", size / (time.perf_counter() - started), "streams/s")]


async def _delivered(notifier: Running, feed: "Feed", clients: Sequence["Client"], size: int) -> list[Row]:
    """A stream of messages to everybody, then one at a time."""
    before, started = stands.cpu_seconds(notifier.pid), time.perf_counter()
    for _ in range(ROUNDS):
        await feed.publish()
    await _all_have(clients, feed.published)
    seconds, cpu = time.perf_counter() - started, stands.cpu_seconds(notifier.pid) - before
    reached: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        await feed.publish()
        await _all_have(clients, feed.published)
        reached.append((time.perf_counter() - started) * 1e3)
    deliveries = ROUNDS * size
    return [
        Row(f"{size} streams: deliveries per CPU second", deliveries / cpu, "deliveries/s"),
        Row(f"{size} streams: deliveries per second, clients beside them", deliveries / seconds, "deliveries/s"),
        Row.of(f"{size} streams: one message of each practice to all", "ms", reached),
    ]


async def _storm(on: Stand, port: int, feed: "Feed", clients: Sequence["Client"], size: int) -> list[Row]:
    """The notifier went, messages come, it starts anew, all clients resume at once. Counted from its being ready."""
    await _until(lambda: not any(client.is_open for client in clients), "the streams to end")
    for _ in range(MISSED):
        await feed.publish()
    async with stands.service(on, "notifier", port=port):
        started = time.perf_counter()
        await _connect(clients)
        await _all_have(clients, feed.published)
        seconds = time.perf_counter() - started
    skipped = sum(client.has != feed.published or client.resets > 0 for client in clients)
    return [
        Row(f"{size} streams: all resumed after a restart", seconds, "s"),
        Row(f"{size} streams: clients that missed something or got it twice", skipped, "clients"),
    ]


class Feed:
    """Publishes a message that everybody of a practice sees, for each practice."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._example = MessageAnnouncedV1.model_validate(json.loads(_EXAMPLE.read_text("utf-8")))
        self._people = tuple(f"staff-{number}" for number in range(PEOPLE))
        self.published = 0

    async def publish(self) -> None:
        """One for each practice."""
        self.published += 1
        await self._publisher.send([self._announced(Workload().practice_of(number)) for number in range(PRACTICES)])

    def _announced(self, practice_id: str) -> Outgoing:
        message_id = ids.message_id("web", practice_id, f"{id(self)}-{self.published}")
        told = self._example.message.model_copy(update={"practice_id": practice_id, "message_id": message_id})
        event = self._example.model_copy(
            update={"practice_id": practice_id, "visible_to": self._people, "message": told}
        )
        return Outgoing.of(topics.STAFF_NOTIFICATIONS.name, event, source="/bench", time=datetime.now(UTC))


@dataclass(eq=False)
class Client(asyncio.Protocol):
    """One stream: how many messages it has, and its cursor. It reconnects when it is told to."""

    token: str
    port: int
    number: int
    has: int = 0
    resets: int = 0
    cursor: bytes = b""
    is_open: bool = False
    rest: bytes = b""
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(self) -> None:
        """Open the stream, from its cursor if it has one; return when it is answered."""
        self.rest = b""
        self.answered.clear()
        source = (f"127.0.0.{1 + self.number % SOURCES}", 0)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self.port, local_addr=source)
        self.is_open = True
        after = f"Last-Event-ID: {self.cursor.decode()}\r\n" if self.cursor else ""
        head = f"GET /v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n{after}\r\n"
        transport.write(head.encode())
        try:
            async with asyncio.timeout(PATIENCE):
                await self.answered.wait()
        except TimeoutError:
            raise RuntimeError(f"no stream: {self.rest[:300]!r}") from None

    def data_received(self, data: bytes) -> None:
        """Whole events are taken, the rest is kept."""
        events, end, self.rest = (self.rest + data).rpartition(b"\n\n")
        if end:
            self.answered.set()
            self.take(events)

    def take(self, events: bytes) -> None:
        """Count them, and note the cursor."""
        self.has += events.count(b"event: message\n")
        self.resets += events.count(b"event: reset\n")
        at = events.rfind(b"\nid: ")
        if at >= 0:
            self.cursor = events[at + 5 : events.index(b"\n", at + 5)]

    def connection_lost(self, exc: Exception | None) -> None:
        """The server ended it."""
        del exc
        self.is_open = False


async def _connect(clients: Sequence[Client]) -> None:
    gate = asyncio.Semaphore(OPENING_AT_ONCE)

    async def one(client: Client) -> None:
        async with gate:
            await client.connect()

    await asyncio.gather(*map(one, clients))


async def _all_have(clients: Sequence[Client], count: int) -> None:
    await _until(lambda: all(client.has >= count for client in clients), "everybody to have every message")


async def _until(is_so: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not is_so():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise RuntimeError(f"{PATIENCE:.0f} s were not enough for {what}") from None


def _person(number: int) -> dict[str, str]:
    return {"practice_id": Workload().practice_of(number % PRACTICES), "staff_id": f"staff-{number // PRACTICES}"}
