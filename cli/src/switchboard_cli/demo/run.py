"""The demo from start to end: start everything, seed, play, say what happened, stop everything."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from rich.console import Console

from shared_web import serve
from switchboard_cli.backlog import until_caught_up
from switchboard_cli.demo import practice, show
from switchboard_cli.demo.fhir_server import FHIR_PATH, FhirStore, create_fhir_server
from switchboard_cli.demo.front_doors import FrontDoors
from switchboard_cli.demo.play import Played, Player
from switchboard_cli.demo.seed import Seeded, people, plan, seed, write_demo_file
from switchboard_cli.demo.staff_desk import StaffDesk
from switchboard_cli.demo.staff_room import StaffRoom
from switchboard_cli.demo.stand_in_provider import OUTBOX_PATH, create_provider
from switchboard_cli.installation import Installation
from switchboard_cli.origin import CONSUMERS
from switchboard_cli.ports import free_port

DEMO_FILE = "demo.json"


@dataclass(frozen=True, slots=True)
class DemoPractice:
    """A running installation with the demo's practice in it."""

    installation: Installation
    seeded: Seeded
    provider_url: str
    http: httpx.AsyncClient

    @property
    def demo_file(self) -> Path:
        """Where `demo.json` is."""
        return self.installation.directory / DEMO_FILE


@asynccontextmanager
async def served(app: FastAPI) -> AsyncGenerator[str]:
    """A stand-in for somebody else's system on a free port of this machine; yields its URL."""
    port, stop, is_ready = free_port(), asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(app, host="127.0.0.1", port=port, stop=stop, ready=is_ready.set))
    try:
        await is_ready.wait()
        yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        await serving


@asynccontextmanager
async def stand_in_provider() -> AsyncGenerator[tuple[str, Ed25519PrivateKey]]:
    """The stand-in providers; yields their URL, and the key that Telnyx signs with."""
    telnyx_key = Ed25519PrivateKey.generate()
    async with served(create_provider(telnyx_key)) as url:
        yield url, telnyx_key


@asynccontextmanager
async def seeded_practice(
    installation: Installation, provider_url: str, telnyx_key: Ed25519PrivateKey
) -> AsyncGenerator[DemoPractice]:
    """Seed the demo's practices and write `demo.json` once the system has taken everything in."""
    seeded = plan(installation.issuer, telnyx_key)
    installation.issuer.introduce(people())
    operator = installation.issuer.token(role="operator", practice_id=None, staff_id="demo-operator")
    pm_system = FhirStore()
    for resource in practice.fhir_resources(seeded.patients):
        pm_system.put(resource)
    async with (
        served(create_fhir_server(pm_system)) as pm_url,
        httpx.AsyncClient(base_url=installation.base_url, timeout=20) as http,
    ):
        await seed(http, operator, seeded, fhir_url=pm_url + FHIR_PATH)
        await until_caught_up(installation.kafka_bootstrap_servers, installation.postgres_dsn, CONSUMERS)
        demo = DemoPractice(installation, seeded, provider_url, http)
        surroundings = {
            "base_url": installation.base_url,
            "kafka_bootstrap_servers": installation.kafka_bootstrap_servers,
            "postgres_dsn": installation.postgres_dsn,
            "provider_url": provider_url,
            "fhir_url": pm_url + FHIR_PATH,
        }
        write_demo_file(demo.demo_file, seeded, surroundings)
        yield demo


async def play(demo: DemoPractice, console: Console) -> list[Played]:
    """Play the scenario and the rush; prints a line for each message of the scenario, and a summary of all."""
    doors = FrontDoors(
        http=demo.http,
        public_url=demo.installation.base_url,
        auth_token=demo.seeded.auth_token,
        telnyx_key=demo.seeded.telnyx_key,
        adapter_token=demo.seeded.adapter_token,
        outbox_url=demo.provider_url + OUTBOX_PATH,
    )
    everybody = {**demo.seeded.tokens, practice.OTHER_STAFF.staff_id: demo.seeded.other_token}
    async with (
        httpx.AsyncClient(base_url=demo.installation.base_url) as streams,
        StaffRoom().listening(streams, everybody) as room,
    ):
        desk = StaffDesk(demo.http, demo.seeded.tokens)
        player = Player(doors, room, desk, demo.seeded.patients, run=secrets.token_hex(4))
        played: list[Played] = []
        show.header(console)
        async for one in player.scenario():
            show.message(console, one)
            played.append(one)
        rush = await player.rush()
        for one in rush:
            if one.problems:
                show.message(console, one)
        show.summary(console, played + rush)
    return played + rush


def show_addresses(demo: DemoPractice, console: Console) -> None:
    """How to go on by hand."""
    token = demo.seeded.tokens["fay-front"]
    show.addresses(
        console,
        {
            "ready": demo.installation.base_url,
            "staff console": f"{demo.installation.base_url}/inbox",
            "health": f"{demo.installation.base_url}/health/ready",
            "metrics": f"{demo.installation.base_url}/metrics",
            "patients write at": f"{demo.installation.base_url}/m/{practice.PRACTICE_ID}",
            "everything else": str(demo.demo_file),
        },
    )
    console.print("Watch what Fay at the front desk is told:")
    console.print(
        f"  curl -N -H 'Authorization: Bearer {token}' {demo.installation.base_url}/v1/stream", soft_wrap=True
    )
