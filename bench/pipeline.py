"""The whole pipeline, open loop: from the moment a signed webhook should be sent to its arrival on a staff stream."""

import asyncio
import gc
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import httpx
from hdrh.histogram import HdrHistogram
from twilio.request_validator import RequestValidator

from bench import stand as stands
from bench.report import Row
from bench.stand import Running, Stand
from bench.streams import Client
from bench.workload import BODY, Workload
from shared_schemas import ids

RATES = (100, 500, 1_000, 2_000)
PRACTICES = 20
PHONES = 100
"""Of each practice. All of them write while the services warm up: who writes for the first time is kept first."""
CONNECTIONS = 128
WARM_UP_RATE, WARM_UP_SECONDS = 500, 75
"""Router looks for conversations to match again a minute after settings were saved (`router.publishing`), and the broker's
JVM compiles what it does often, for a second or two each time: let both be over, as in an installation that is at work.
"""
GRACE_SECONDS = 20.0
AUTH_TOKEN, ACCOUNT = "0123456789abcdef" * 2, "AC" + "0" * 32
MICROSECONDS_IN_A_MINUTE = 60_000_000
PERCENTILES = (50.0, 99.0, 99.9)


def run(*, quick: bool) -> list[Row]:
    """Each rate for 20 seconds, one after the other, on services in processes of their own."""
    rates, seconds = (RATES[:2], 5) if quick else (RATES, 20)
    return asyncio.run(_run(rates, seconds))


async def _run(rates: Sequence[int], seconds: int) -> list[Row]:
    rows: list[Row] = []
    async with _installation() as (on, ingest, notifier):
        arrivals = Arrivals()
        for practice in range(PRACTICES):
            await _read(on, notifier, practice, arrivals)
        await _play(ingest, arrivals, WARM_UP_RATE, WARM_UP_SECONDS)
        for rate in rates:
            stands.tell("rate", f"{rate} messages/s for {seconds} s")
            rows += await _measured(ingest, arrivals, rate, seconds)
    return rows


async def _measured(ingest: Running, arrivals: "Arrivals", rate: int, seconds: int) -> list[Row]:
    histogram, missing = await _play(ingest, arrivals, rate, seconds)
    rows = [
        Row(
            f"webhook to staff stream at {rate}/s, p{percent:g}", histogram.get_value_at_percentile(percent) / 1e3, "ms"
        )
        for percent in PERCENTILES
    ]
    return [
        *rows,
        Row(f"webhook to staff stream at {rate}/s, not there {GRACE_SECONDS:.0f} s later", missing, "messages"),
    ]


@dataclass
class Arrivals:
    """When each message was to be sent, and a histogram of how long it took, in microseconds."""

    sent_at: dict[str, float] = field(default_factory=dict)
    histogram: HdrHistogram = field(default_factory=lambda: HdrHistogram(1, MICROSECONDS_IN_A_MINUTE, 3))

    def arrived(self, message_id: str) -> None:
        """It is on a stream. The first time counts."""
        sent_at = self.sent_at.pop(message_id, None)
        if sent_at is not None:
            self.histogram.record_value(max(1, int((time.perf_counter() - sent_at) * 1e6)))


async def _play(ingest: Running, arrivals: Arrivals, rate: int, seconds: int) -> tuple[HdrHistogram, int]:
    """Send at this rate, whatever the answers do, and wait for all arrivals; the histogram, and how many are missing."""
    run = f"{time.monotonic_ns():x}"
    requests = [_signed(ingest, run, number) for number in range(rate * seconds)]
    arrivals.histogram = HdrHistogram(1, MICROSECONDS_IN_A_MINUTE, 3)
    gc.collect()
    gc.freeze()  # or our own collections of these thousands of requests would be in the figures
    async with _connections(urlsplit(ingest.url).port or 0) as connections:
        begin = time.perf_counter() + 0.2
        for number, (message_id, request) in enumerate(requests):
            at = begin + number / rate
            if (delay := at - time.perf_counter()) > 0:
                await asyncio.sleep(delay)
            arrivals.sent_at[message_id] = at
            connections[number % CONNECTIONS].write(request)
        deadline = time.perf_counter() + GRACE_SECONDS
        while arrivals.sent_at and time.perf_counter() < deadline:
            await asyncio.sleep(0.05)
    missing = len(arrivals.sent_at)
    arrivals.sent_at.clear()
    return arrivals.histogram, missing


def _signed(ingest: Running, run: str, number: int) -> tuple[str, bytes]:
    """A webhook of Twilio, signed by its own SDK, as bytes; and the id of the message that it becomes."""
    practice = number % PRACTICES
    form = {
        "MessageSid": f"SM{run}{number:08x}",
        "AccountSid": ACCOUNT,
        "From": _phone(number // PRACTICES % PHONES),
        "To": _phone(practice, area=900),
        "Body": BODY,
        "NumMedia": "0",
    }
    path = f"/hooks/twilio/sms/texts-{practice}"
    signature = RequestValidator(AUTH_TOKEN).compute_signature(ingest.url + path, form)
    body = urlencode(form)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Twilio-Signature: {signature}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    message_id = ids.message_id("sms", Workload().practice_of(practice), form["MessageSid"])
    return message_id, (head + body).encode()


def _phone(number: int, area: int = 200) -> str:
    """Of the hundred made-up numbers that each area code has."""
    return f"+1{area + number // 100 % 600:03d}55501{number % 100:02d}"


class _Webhooks(asyncio.Protocol):
    """A connection on which requests follow each other without waiting for answers. A refusal ends the benchmark."""

    refused: bytes | None = None

    def data_received(self, data: bytes) -> None:
        """Answers; only bad ones matter."""
        if b"HTTP/1.1 4" in data or b"HTTP/1.1 5" in data:
            self.refused = data


@dataclass(frozen=True, slots=True)
class _Connection:
    transport: asyncio.WriteTransport
    protocol: _Webhooks

    def write(self, request: bytes) -> None:
        if self.protocol.refused is not None:
            raise RuntimeError(f"a webhook was refused: {self.protocol.refused[:300]!r}")
        self.transport.write(request)


@asynccontextmanager
async def _connections(port: int) -> AsyncGenerator[list[_Connection]]:
    made = [
        await asyncio.get_running_loop().create_connection(_Webhooks, "127.0.0.1", port) for _ in range(CONNECTIONS)
    ]
    try:
        yield [_Connection(*pair) for pair in made]
    finally:
        for transport, _ in made:
            transport.close()


@asynccontextmanager
async def _installation() -> AsyncGenerator[tuple[Stand, Running, Running]]:
    """ingest, router and notifier, with practices that take texts; yields ingest and notifier."""
    async with stands.stand() as on, AsyncExitStack() as services:
        blobs = {"SWITCHBOARD_INGEST_BLOB_URL": f"file://{on.directory}/blobs"}
        ingest = await services.enter_async_context(stands.service(on, "ingest", settings=blobs))
        router = await services.enter_async_context(stands.service(on, "router"))
        notifier = await services.enter_async_context(stands.service(on, "notifier"))
        operator = {"Authorization": f"Bearer {on.issuer.token(role='operator', practice_id=None, staff_id='bench')}"}
        async with httpx.AsyncClient(headers=operator, timeout=30) as http:
            for practice in range(PRACTICES):
                await _set_up(http, ingest, router, practice)
        yield on, ingest, notifier


async def _set_up(http: httpx.AsyncClient, ingest: Running, router: Running, practice: int) -> None:
    practice_id = Workload().practice_of(practice)
    path = f"/v1/practices/{practice_id}"
    await _put(http, f"{ingest.url}{path}/profile", {"slug": practice_id, "name": "Madeup", "country": "US"})
    texts = {
        "kind": "twilio-sms",
        "number": _phone(practice, area=900),
        "account_sid": ACCOUNT,
        "auth_token": AUTH_TOKEN,
    }
    await _put(http, f"{ingest.url}{path}/channels/texts-{practice}", texts)
    settings = Workload().settings(practice).model_dump(mode="json", exclude={"version"})
    await _put(http, f"{router.url}{path}/routing-settings", settings)


async def _put(http: httpx.AsyncClient, url: str, body: Mapping[str, object]) -> None:
    answer = await http.put(url, json=body)
    if answer.is_error:
        raise RuntimeError(f"PUT {url}: {answer.status_code} {answer.text[:300]}")


@dataclass(eq=False, kw_only=True)
class _Reader(Client):
    """A staff stream whose messages are noted as they arrive. It only looks for their ids: it runs on the services' CPU."""

    arrivals: Arrivals

    _MESSAGE = re.compile(rb'event: message\n(?:id: [^\n]*\n)?data: [^\n]*?"message_id":"([^"]+)"')

    def take(self, events: bytes) -> None:
        """Note the messages."""
        for message_id in self._MESSAGE.findall(events):
            self.arrivals.arrived(message_id.decode())


async def _read(on: Stand, notifier: Running, practice: int, arrivals: Arrivals) -> None:
    """Open a staff stream of this practice. Raises `RuntimeError` when there is none."""
    token = on.issuer.token(role="administrator", practice_id=Workload().practice_of(practice), staff_id="staff-0")
    await _Reader(token, urlsplit(notifier.url).port or 0, practice, arrivals=arrivals).connect()
