"""What practice-management systems cost: a full reading, HL7 messages answered once kept, 2,000 connections at once."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import psutil

from bench import stand as stands
from bench.report import Row
from bench.stand import Running, Stand
from pm_sync.adapters.hl7.framing import BEGIN, END
from shared_database.sealing import new_key
from switchboard_cli.ports import free_port

PAGE = 200
HOSTS = [f"127.0.0.{number}" for number in range(1, 101)]
CONNECTIONS, QUICK_CONNECTIONS = 2_000, 100
APPOINTMENTS, QUICK_APPOINTMENTS = 100_000, 2_000
SENDERS, FACILITIES = 100, 20
SECONDS, QUICK_SECONDS = 15, 4
INTERVAL_SECONDS = 35
"""In which each connection is asked once at least."""
PATIENCE = 600.0
ZONE = "America/New_York"


def run(*, quick: bool) -> list[Row]:
    """All figures, from one run: the sizes are what takes long."""
    return asyncio.run(_run(quick=quick))


async def _run(*, quick: bool) -> list[Row]:
    mllp = free_port()
    settings = {
        "SWITCHBOARD_PM_SYNC_SECRET_KEY": new_key(),
        "SWITCHBOARD_PM_SYNC_MLLP_PORT": str(mllp),
        "SWITCHBOARD_OUTBOUND_ALLOWED": "127.0.0.0/8",
    }
    seconds = QUICK_SECONDS if quick else SECONDS
    async with stands.stand() as on:
        async with stands.service(on, "pm-sync", settings=settings) as service, _client(on, service) as http:
            rows = await _full_readings(on, service, http, QUICK_APPOINTMENTS if quick else APPOINTMENTS)
            rows += await _messages(on, http, mllp, seconds)
        async with stands.service(on, "pm-sync", settings=settings) as service, _client(on, service) as http:
            rows += await _connections(on, service, http, QUICK_CONNECTIONS if quick else CONNECTIONS, seconds)
    return rows


def _client(on: Stand, service: Running) -> httpx.AsyncClient:
    token = on.issuer.token(role="operator", practice_id=None, staff_id="bench")
    return httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


async def _full_readings(on: Stand, service: Running, http: httpx.AsyncClient, appointments: int) -> list[Row]:
    """A small practice, then a large one: the first reading, where everything is new, and the second, where nothing is."""
    stands.tell("pm-sync", "full readings")
    _, small = await _full_run(service, http, "small", _pages(appointments // 10))
    pages = _pages(appointments)
    new, large = await _full_run(service, http, "large", pages)
    again, largest = await _full_run(service, http, "large", pages)
    for practice in ("small", "large"):
        (await http.delete(_path(practice))).raise_for_status()
    stands.tell("pm-sync", "the reference's full reading")
    naive = appointments // 20
    async with _fhir(_pages(naive)) as port:
        took = await _reference(on, "fhir", f"http://127.0.0.1:{port}/fhir")
    name, reference = f"full reading of {appointments} appointments", "a row and an event at a time"
    return [
        Row.of(f"{name}, all new", "appointments/s", [new], reference, [naive / took]),
        Row.of(f"{name}, nothing new", "appointments/s", [again]),
        Row.of(f"{name}, all new", "s", [appointments / new]),
        Row.of(
            f"{name}, largest resident memory", "MB", [max(large, largest)], f"of {appointments // 10}", [small]
        ),
    ]  # fmt: skip


def _path(practice: str) -> str:
    """Of the only connection of a practice."""
    return f"/v1/practices/{practice}/pm-connections/{practice}"


async def _full_run(
    service: Running, http: httpx.AsyncClient, practice: str, pages: dict[str, list[bytes]]
) -> tuple[float, float]:  # fmt: skip
    """Appointments a second of a complete reading, as the service says, and how much memory it had at most meanwhile."""
    path, body = _path(practice), {"kind": "fhir-r4", "time_zone": ZONE, "window": "P400D", "poll": "PT1H"}
    before, most = await _full_readings_of(http, path), 0.0
    async with _fhir(pages) as port, asyncio.timeout(PATIENCE):
        (await http.put(path, json=body | {"base_url": f"http://127.0.0.1:{port}/fhir"})).raise_for_status()
        while len(runs := await _full_readings_of(http, path)) == len(before):
            most = max(most, psutil.Process(service.pid).memory_info().rss / 1e6)
            await asyncio.sleep(0.2)
    counts, outcome = runs[0]["counts"], runs[0]["outcome"]
    if outcome != "succeeded" or counts["changed"] or counts["removed"] or counts["quarantined"]:
        raise RuntimeError(f"the reading ended as {outcome} with {counts}")
    began, ended = (datetime.fromisoformat(runs[0][name]) for name in ("started_at", "ended_at"))
    return (counts["new"] + counts["unchanged"]) / (ended - began).total_seconds(), most


async def _full_readings_of(http: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    status = (await http.get(f"{path}/status")).json()
    return [run for run in status.get("runs", []) if run["kind"] == "full"]


async def _messages(on: Stand, http: httpx.AsyncClient, port: int, seconds: int) -> list[Row]:
    """Senders that each wait for the answer before they send again."""
    for facility in range(FACILITIES):
        body = {"kind": "hl7v2-mllp", "sending_facility": f"F{facility}", "time_zone": ZONE}
        (await http.put(_path(f"hl7-{facility}"), json=body)).raise_for_status()
    stands.tell("pm-sync", "messages")
    rate, waits = await _sent(port, seconds)
    naive_port = free_port()
    async with _program(on, "mllp", naive_port):
        naive_rate, naive_waits = await _sent(naive_port, seconds)
    name, reference = f"SIU messages of {SENDERS} senders, answered once kept", "python-hl7, a row and an event each"
    return [
        Row.of(name, "messages/s", [rate], reference, [naive_rate]),
        Row.of("answer to a message, p50", "ms", [_part(waits, 50)], reference, [_part(naive_waits, 50)]),
        Row.of("answer to a message, p99", "ms", [_part(waits, 99)], reference, [_part(naive_waits, 99)]),
    ]


async def _sent(port: int, seconds: int) -> tuple[float, list[float]]:
    """Messages a second, and the milliseconds that each waited for its answer, in order."""
    numbers, refused, waits = count(1), 0, list[float]()
    until = time.perf_counter() + seconds

    async def send(sender: int) -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < until:
            writer.write(BEGIN + _siu(f"F{sender % FACILITIES}", next(numbers)) + END)
            answer = await reader.readuntil(END)
            waits.append((time.perf_counter() - began) * 1000)
            refused += b"MSA|AA|" not in answer
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*map(send, range(SENDERS)))
    if refused:
        raise RuntimeError(f"{refused} messages were not taken")
    return len(waits) / (time.perf_counter() - began), sorted(waits)


def _part(values: list[float], percent: int) -> float:
    return values[len(values) * percent // 100]


async def _connections(
    on: Stand, service: Running, http: httpx.AsyncClient, connections: int, seconds: int
) -> list[Row]:  # fmt: skip
    """Each asked every 30 seconds: how old the oldest truth is, and what that costs."""
    seconds = max(3 * seconds, INTERVAL_SECONDS)
    async with _fhir(_pages(20)) as port:
        for number in range(connections):
            base_url = f"http://{HOSTS[number % len(HOSTS)]}:{port}/fhir"
            body = {"kind": "fhir-r4", "base_url": base_url, "time_zone": ZONE, "window": "P400D"}
            (await http.put(_path(f"many-{number}"), json=body)).raise_for_status()
        stands.tell("pm-sync", f"the first readings of {connections} connections")
        async with asyncio.timeout(PATIENCE):
            while await _metric(http, 'switchboard_pm_connections{kind="fhir-r4",state="new"}') > 0:
                await asyncio.sleep(1)
        stands.tell("pm-sync", f"their readings, for {seconds} s")
        began, before, cpu = time.perf_counter(), await _runs(http), stands.cpu_seconds(service.pid)
        await asyncio.sleep(seconds)
        elapsed = time.perf_counter() - began
        readings = await _runs(http) - before
        busy = stands.cpu_seconds(service.pid) - cpu
        oldest = time.time() - await _metric(http, 'switchboard_pm_oldest_success_timestamp_seconds{kind="fhir-r4"}')
        memory = psutil.Process(service.pid).memory_info().rss / 1e6
        bare = await _reference(on, "readings", f"http://127.0.0.1:{port}/fhir")
    name = f"{connections} connections on one process, each asked every 30 s"
    reference = "httpx alone, the same requests"
    return [
        Row.of(f"{name}: readings", "readings/s", [readings / elapsed]),
        Row.of(f"{name}: the oldest truth", "s", [oldest]),
        Row.of(f"{name}: CPU of a reading", "ms", [busy / readings * 1000], reference, [bare * 1000]),
        Row.of(f"{name}: cores", "cores", [busy / elapsed]),
        Row.of(f"{name}: resident memory", "MB", [memory]),
    ]


@asynccontextmanager
async def _program(on: Stand, what: str, argument: object) -> AsyncGenerator[str]:
    """The reference while it runs; yields what it says, once it says something."""
    name = f"row-at-a-time-{what}"
    command = [sys.executable, "-m", "bench.references.row_at_a_time", on.kafka, on.dsn, what, argument]
    async with stands.program(on, name, command) as program:
        async with asyncio.timeout(PATIENCE):
            while not (said := (on.directory / f"{name}.log").read_text()).endswith("\n"):
                if program.has_ended:
                    raise RuntimeError(f"the reference has ended: {program.last_words}")
                await asyncio.sleep(0.1)
        yield said


async def _reference(on: Stand, what: str, argument: object) -> float:
    """The figure that the reference says."""
    async with _program(on, what, argument) as said:
        return float(said)


async def _metric(http: httpx.AsyncClient, name: str, absent: float = float("inf")) -> float:
    lines = (await http.get("/metrics")).text.splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} ")), absent)


async def _runs(http: httpx.AsyncClient) -> float:
    return await _metric(http, 'switchboard_sync_runs_total{kind="changes",outcome="succeeded"}', 0.0)


def _siu(facility: str, number: int) -> bytes:
    return "\r".join(
        (
            f"MSH|^~\\&|SCHED|{facility}|SB|SB|{datetime.now(UTC):%Y%m%d%H%M%S}+0000||SIU^S12^SIU_S12|{number}|P|2.5.1",
            f"SCH|PL{number}|FL{number}||||ROUTINE|||30|MIN",
            "TQ1|1||||||20991201143000-0500",
            f"PID|1||pt-{number}||McSample^Testy||19800131|||||(312)555-0101",
            "RGS|1",
            "AIL|1||elm^^^maple^^^^^Elm Street",
            "AIP|1||dr-ash^Example^Ash",
            "",
        )
    ).encode()


def _pages(appointments: int) -> dict[str, list[bytes]]:
    """What a server says, as bytes: the pages of each kind. Every second appointment is another patient's."""
    start = datetime.now(UTC) + timedelta(hours=1)
    people = [
        {"resourceType": "Patient", "id": f"p{n}", "name": [{"family": "McSample", "given": ["Testy"]}],
         "telecom": [{"system": "phone", "value": "+13125550101"}], "birthDate": "1980-01-31"}
        for n in range(max(1, appointments // 2))
    ]  # fmt: skip
    meetings = [
        {"resourceType": "Appointment", "id": f"a{n}", "status": "booked",
         "meta": {"lastUpdated": "2026-01-01T00:00:00Z"}, "start": (start + timedelta(minutes=n)).isoformat(),
         "participant": [
             {"actor": {"reference": f"Patient/p{n // 2}"}, "status": "accepted"},
             {"actor": {"reference": f"Location/l{n % 20}", "display": f"Location {n % 20}"}, "status": "accepted"},
             {"actor": {"reference": f"Practitioner/d{n % 50}"}, "status": "accepted"},
         ]}
        for n in range(appointments)
    ]  # fmt: skip
    return {"Patient": _bundles("Patient", people), "Appointment": _bundles("Appointment", meetings)}


def _bundles(kind: str, resources: list[dict[str, Any]]) -> list[bytes]:
    parts = [resources[at : at + PAGE] for at in range(0, len(resources), PAGE)]
    return [
        json.dumps(
            {
                "resourceType": "Bundle",
                "type": "searchset",
                "link": [{"relation": "next", "url": f"{kind}?page={n + 1}"}] if n + 1 < len(parts) else [],
                "entry": [{"resource": one} for one in part],
            }
        ).encode()
        for n, part in enumerate(parts)
    ]


@asynccontextmanager
async def _fhir(pages: dict[str, list[bytes]]) -> AsyncGenerator[int]:
    """A server that only says its pages, on all of the hosts: nobody measures it. It knows no changes."""
    nothing = b'{"resourceType": "Bundle", "type": "searchset", "entry": []}'
    metadata = b'{"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
                kind, _, query = path.rpartition("/")[2].partition("?")
                body = metadata if kind == "metadata" else nothing
                if kind in pages and "_lastUpdated" not in query:
                    body = pages[kind][int(query.partition("page=")[2] or 0) if query.startswith("page=") else 0]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            writer.close()

    port = free_port()
    server = await asyncio.start_server(serve, HOSTS, port, backlog=1024)
    try:
        yield port
    finally:
        server.close()
