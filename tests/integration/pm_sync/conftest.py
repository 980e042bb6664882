"""The real service against a real Kafka and PostgreSQL, and FHIR servers over real HTTP."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from fastapi import FastAPI
from pydantic_core import from_json

from pm_sync.app import SCHEMA, create_app
from pm_sync.settings import Settings
from shared_database.migrations import migrate
from shared_database.sealing import new_key
from switchboard_cli.demo.run import served
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.embedded.stack import EmbeddedStack
from tests.conftest import PARTITIONS
from tests.integration.pm_sync.fhir_server import FaultyFhir
from tests.integration.pm_sync.medplum import medplum

__all__ = ["medplum"]

PATIENCE = 20.0
TOPICS = ("appointments", "patients", "practice-directory")
SECRET_KEY = new_key()
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Practice:
    """One practice's administrator, and eyes on what is published of it."""

    http: httpx.AsyncClient
    stack: EmbeddedStack
    practice_id: str = field(default_factory=lambda: f"p-{uuid4().hex[:12]}")

    @property
    def path(self) -> str:
        return f"/v1/practices/{self.practice_id}/pm-connections"

    async def connect(self, name: str = "pm", **body: object) -> str:
        """Make a connection; its id."""
        id_ = f"{self.practice_id}-{name}"
        (await self.http.put(f"{self.path}/{id_}", json=body)).raise_for_status()
        return id_

    async def fhir(self, base_url: str, **more: object) -> str:
        """A connection to a FHIR server, asked every second."""
        fixed = {"kind": "fhir-r4", "base_url": f"{base_url}/fhir", "time_zone": "America/New_York", "poll": "PT1S"}
        return await self.connect(**(fixed | more))

    async def status(self, id_: str) -> dict[str, Any]:
        answer = await self.http.get(f"{self.path}/{id_}/status")
        answer.raise_for_status()
        return dict(answer.json())

    async def runs(self, id_: str, kind: str) -> list[dict[str, Any]]:
        """The newest first."""
        return [run for run in (await self.status(id_))["runs"] if run["kind"] == kind]

    async def synced(self, id_: str, *, after: datetime | None = None) -> dict[str, Any]:
        """The status once it has succeeded (later than `after`)."""
        found: dict[str, Any] = {}

        async def has_succeeded() -> bool:
            found.update(await self.status(id_))
            at = found["last_success_at"]
            return at is not None and (after is None or datetime.fromisoformat(at) > after)

        await until(has_succeeded)
        return found

    async def again(self, id_: str) -> dict[str, Any]:
        """Ask the source now; the status once that has succeeded."""
        at = datetime.now(UTC)
        (await self.http.post(f"{self.path}/{id_}/sync-now")).raise_for_status()
        return await self.synced(id_, after=at)

    async def failed(self, id_: str) -> str:
        """The problem that the connection has, once it has one."""
        problem: list[str] = []

        async def has_failed() -> bool:
            problem[:] = filter(None, [(await self.status(id_))["last_problem"]])
            return bool(problem)

        await until(has_failed)
        return problem[0]

    async def reread_due(self, id_: str) -> None:
        """Make the next reading a complete one."""
        await self.execute("UPDATE pm_sync.connection SET complete_at = NULL WHERE connection_id = $1", id_)

    async def execute(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.stack.postgres_dsn)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    async def events(self, *topics: str) -> list[dict[str, Any]]:
        """Everything that was published of this practice: by topic and partition, in the order of the log."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.kafka_bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            found: list[dict[str, Any]] = []
            for topic in topics:
                records: list[Any] = []
                partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
                consumer.assign(partitions)
                ends = await consumer.end_offsets(partitions)
                await consumer.seek_to_beginning(*partitions)
                while any([await consumer.position(one) < ends[one] for one in partitions]):
                    for more in (await consumer.getmany(timeout_ms=500)).values():
                        records += [record for record in more if self._is_ours(record.key)]
                found += [
                    from_json(record.value) for record in sorted(records, key=lambda one: (one.partition, one.offset))
                ]
            return found
        finally:
            await consumer.stop()

    async def appointments(self) -> dict[str, dict[str, Any]]:
        """The newest of each appointment."""
        return {event["appointment_id"]: event for event in await self.events("appointments")}

    def _is_ours(self, key: bytes) -> bool:
        return key.decode().split("/")[0] == self.practice_id


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    """Return when it holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.05)


@pytest.fixture(scope="session")
def migrated(stack: EmbeddedStack) -> EmbeddedStack:
    migrate(stack.postgres_dsn, [SCHEMA])
    return stack


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentIssuer:
    made = DevelopmentIssuer(tmp_path_factory.mktemp("issuer"))
    made.prepare()
    return made


@asynccontextmanager
async def running_service(
    stack: EmbeddedStack, issuer: DevelopmentIssuer, **more: object
) -> AsyncGenerator[httpx.AsyncClient]:
    """pm-sync in this process; yields an operator's client."""
    told = issuer.environment
    settings = Settings.model_validate(
        {
            "kafka_bootstrap_servers": stack.kafka_bootstrap_servers,
            "postgres_dsn": stack.postgres_dsn,
            "jwks": told["SWITCHBOARD_JWKS"],
            "jwt_issuer": told["SWITCHBOARD_JWT_ISSUER"],
            "secret_key": SECRET_KEY,
            "outbound_allowed": "127.0.0.0/8",
            **more,
        }
    )
    token = issuer.token(role="operator", practice_id=None, staff_id="op")
    async with (
        served(create_app(settings)) as url,
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as http,
    ):
        yield http


@pytest_asyncio.fixture
async def practice(migrated: EmbeddedStack, issuer: DevelopmentIssuer, tmp_path: Path) -> AsyncGenerator[Practice]:
    async with running_service(migrated, issuer, drop_dir=tmp_path / "drop") as http:
        made = Practice(http, migrated)
        yield made
        for connection in (await http.get(made.path)).json():
            await http.delete(f"{made.path}/{connection['id']}")


@dataclass
class PmServer:
    """A FHIR server that answers at `url`, with what is in it."""

    url: str
    app: FaultyFhir

    def has(self, number: int, location: str | None = "elm", *, status: str | None = "booked", **more: object) -> str:
        """Put an appointment with its patient and its location there."""
        self.patient(number)
        participants = [{"actor": {"reference": f"Patient/p{number}"}, "status": "accepted"}]
        if location is not None:
            self.app.store.put({"resourceType": "Location", "id": location, "name": f"{location.title()} Street"})
            participants.append({"actor": {"reference": f"Location/{location}"}, "status": "accepted"})
        start = NOW + timedelta(days=1 + number % 20, minutes=number)
        resource = {
            "resourceType": "Appointment",
            "id": f"a{number}",
            "status": status,
            "start": start.isoformat(),
            "participant": participants,
            **more,
        }
        self.app.store.put({name: value for name, value in resource.items() if value is not None})
        return f"a{number}"

    def patient(self, number: int, **more: object) -> None:
        name = [{"use": "official", "family": f"McSample-{number}", "given": ["Testy"]}]
        phone = [{"system": "phone", "value": f"(312) 555-0{100 + number % 100}"}]
        self.app.store.put(
            {"resourceType": "Patient", "id": f"p{number}", "name": name, "telecom": phone, "birthDate": "1980-01-31"}
            | more
        )

    def asked(self, kind: str) -> list[str]:
        return [one for one in self.app.asked if one.startswith(f"/fhir/{kind}?")]


@pytest_asyncio.fixture
async def server() -> AsyncGenerator[PmServer]:
    app, outer = FaultyFhir(), FastAPI(openapi_url=None)
    outer.mount("/", app)
    async with served(outer) as url:
        yield PmServer(url, app)
