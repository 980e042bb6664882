"""As one would write it first: each appointment is written, and its event sent, before the next one is looked at."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin

import asyncpg
import hl7
import httpx
from aiokafka import AIOKafkaProducer

from pm_sync.adapters.hl7.framing import framed, read_block

READINGS = 200
_TABLE = (
    "CREATE TABLE IF NOT EXISTS row_at_a_time (id text PRIMARY KEY, patient_id text, start_at text, location_id text)"
)
_SAVE = """
INSERT INTO row_at_a_time VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET patient_id = $2, start_at = $3, location_id = $4
"""
_PLACES = (("SCH", 1, 2), ("PID", 1, 3), ("TQ1", 1, 7), ("AIL", 1, 3, 1, 1))

Keep = Callable[..., Awaitable[None]]
"""Takes an appointment's id, patient, start and location; returns when they are durable."""


async def main(servers: str, dsn: str, what: str, argument: str) -> None:
    """Say a figure: seconds of CPU of a reading (`readings`), seconds of a full one (`fhir`); or listen (`mllp`)."""
    if what == "readings":
        say(await bare_readings(argument))
        return
    pool = await asyncpg.create_pool(dsn)
    await pool.execute(_TABLE)
    producer = AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True, linger_ms=0)

    async def keep(*values: str) -> None:
        await pool.execute(_SAVE, *values)
        await producer.send_and_wait("appointments", json.dumps(values).encode(), key=f"naive/{values[1]}".encode())

    async with pool, producer:
        if what == "fhir":
            say(await read(argument, keep))
        else:
            await listen(int(argument), keep)


async def read(base_url: str, keep: Keep) -> float:
    """The seconds of a full reading."""
    began = time.perf_counter()
    url: str | None = f"{base_url}/Appointment"
    async with httpx.AsyncClient() as http:
        while url is not None:
            bundle = (await http.get(url)).json()
            for entry in bundle["entry"]:
                one = entry["resource"]
                patient, location = (participant["actor"]["reference"] for participant in one["participant"][:2])
                await keep(one["id"], patient, one["start"], location)
            following = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
            url = urljoin(url, following[0]) if following else None
    return time.perf_counter() - began


async def listen(port: int, keep: Keep) -> None:
    """Take messages until the program is ended."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (raw := await read_block(reader, idle_seconds=60)) is not None:
            message = hl7.parse(raw.decode())
            await keep(*(str(message.extract_field(*place)) for place in _PLACES))
            writer.write(framed(str(message.create_ack()).encode()))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        say("listening")
        await server.serve_forever()


async def bare_readings(url: str) -> float:
    """The CPU of the requests of a reading for what has changed, and nothing done with the answers."""
    since = {"_lastUpdated": "ge2026-11-25T00:00:00.000Z", "_count": "200"}
    async with httpx.AsyncClient() as http:
        began = time.process_time()
        for _ in range(READINGS):
            for kind in ("Patient", "Appointment"):
                json.loads((await http.get(f"{url}/{kind}", params=since)).content)
        return (time.process_time() - began) / READINGS


def say(what: object) -> None:
    """To the benchmark."""
    print(what, flush=True)  # noqa: T201 - a program's output


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
