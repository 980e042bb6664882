"""From an event to a webhook endpoint's having it: a hundred endpoints, and the same while one of them hangs."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from statistics import quantiles
from typing import TYPE_CHECKING

import httpx

from bench import stand as stands
from bench.report import Row
from notifier.app import SCHEMA
from notifier.domain.webhooks import SECRET_BYTES, secret_from
from notifier.notifying.calls import Calls, event_place, secret_place
from notifier.notifying.webhooks import WebhookSender
from notifier.storage.webhook_deliveries import NewEvent, queue
from notifier.storage.webhook_endpoints import Endpoint, EndpointWish, add_endpoint
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.sealing import Sealer, new_key
from shared_messaging import Batch
from shared_messaging.tracing import Spans
from shared_schemas.ids import content_id
from shared_web.outbound import GuardedTransport

if TYPE_CHECKING:
    from shared_database.pools import Pool

HANGS = "hangs"
ENDPOINTS = 100
PER_SECOND = 2
SECONDS, QUICK_SECONDS = 20, 5
CALL_SECONDS = 15.0
PATIENCE_SECONDS = 60


def run(*, quick: bool) -> list[Row]:
    """Each event goes to all endpoints; measured at the receivers, from the event's being noted."""
    return asyncio.run(_run(rounds=1 if quick else 3, seconds=QUICK_SECONDS if quick else SECONDS))


async def _run(*, rounds: int, seconds: int) -> list[Row]:
    rows: list[Row] = []
    async with stands.stand() as on:
        for name, hanging in (("all answer", 0), ("1 of 100 hangs", 1)):
            measured = [await _round(on.dsn, f"{hanging}-{number}", hanging, seconds) for number in range(rounds)]
            cuts = [quantiles(one, n=100, method="inclusive") for one in measured]
            rows += [
                Row.of(f"webhooks of the others, {name}, p50", "ms", [one[49] for one in cuts]),
                Row.of(f"webhooks of the others, {name}, p99", "ms", [one[98] for one in cuts]),
                Row.of(f"webhooks of the others, {name}, longest", "ms", [max(one) for one in measured]),
            ]
    return rows


async def _round(dsn: str, run: str, hanging: int, seconds: int) -> list[float]:
    """Milliseconds of each delivery to an endpoint that answers."""
    sealer, came = Sealer.of(new_key()), dict[tuple[str, str], float]()
    async with (
        await create_pool(DatabaseLogin(dsn, SCHEMA.schema), max_size=4) as pool,
        httpx.AsyncClient(transport=GuardedTransport([ip_network("127.0.0.0/8")]), timeout=60) as http,
        _receiver(came) as port,
    ):
        endpoints = await _endpoints(pool, sealer, f"bench-{run}", port, hanging)
        calls = Calls(http, sealer, _now, CALL_SECONDS)
        sender = WebhookSender(pool, calls, _now, _nobody_is_told, failing_limit=timedelta(days=5))
        sending = asyncio.create_task(sender.run())
        noted: dict[str, float] = {}
        async with asyncio.TaskGroup() as noting:
            for number in range(seconds * PER_SECOND):
                noting.create_task(_happens(pool, sealer, endpoints, f"{run}-{number}", noted, sender))
                await asyncio.sleep(1 / PER_SECOND)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(came) < seconds * PER_SECOND * (ENDPOINTS - hanging):
                await asyncio.sleep(0.05)
        sending.cancel()
        await asyncio.wait([sending])
    return [(at - noted[event_id]) * 1000 for (_, event_id), at in came.items()]


async def _endpoints(pool: "Pool", sealer: Sealer, practice: str, port: int, hanging: int) -> list[Endpoint]:
    """A practice of its own for each ten: a practice may have twenty."""
    made: list[Endpoint] = []
    for number in range(ENDPOINTS):
        practice_id, endpoint_id = f"{practice}-{number // 10}", f"we-{number}"
        secret = sealer.seal(secret_from(bytes(SECRET_BYTES)).encode(), *secret_place(practice_id, endpoint_id))
        url = f"http://127.0.0.1:{port}/{HANGS if number < hanging else number}"
        wish = EndpointWish(url, ("message",), "full", "", is_enabled=True)
        made.append(await add_endpoint(pool, practice_id, endpoint_id, wish, secret, _now()))
    return made


async def _happens(  # noqa: PLR0913 - one event, from beginning to end
    pool: "Pool",
    sealer: Sealer,
    endpoints: list[Endpoint],
    name: str,
    noted: dict[str, float],
    sender: WebhookSender,
) -> None:
    """An event in each of the practices, owed to all of its endpoints."""
    for practice_id in dict.fromkeys(one.practice_id for one in endpoints):
        event_id = content_id("bench", practice_id, name)
        sealed = sealer.seal(b'{"message_id":"m-1"}', *event_place(practice_id, event_id))
        owed = [(practice_id, one.endpoint_id, event_id) for one in endpoints if one.practice_id == practice_id]
        noted[event_id] = time.perf_counter()
        async with practice_scope(pool, practice_id) as connection:
            batch = Batch(
                [], connection, steps=[], refused={}, attempts=1, sent=[], spans=Spans(), before_write=lambda: None
            )
            await queue(batch, [NewEvent(practice_id, event_id, "message", _now(), sealed, None)], owed, _now())
        sender.wake()


@asynccontextmanager
async def _receiver(came: dict[tuple[str, str], float]) -> AsyncGenerator[int]:
    """Notes when which event came to which path; the one that hangs takes it, and says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in head)}
                await reader.readexactly(int(headers["content-length"]))
                path = head[0].split(" ")[1].removeprefix("/")
                if path == HANGS:
                    await reader.read()
                    break
                came[path, headers["webhook-id"]] = time.perf_counter()
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _nobody_is_told(_endpoint: Endpoint, _because: str, _at: datetime) -> None:
    return


def _now() -> datetime:
    return datetime.now(UTC)
