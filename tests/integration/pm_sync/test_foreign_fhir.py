"""A FHIR server that is none of ours: Medplum's, which knows no paging and no `_include`."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.integration.pm_sync.conftest import NOW, Practice, until
from tests.integration.pm_sync.medplum import node

COUNT = 25


@pytest_asyncio.fixture
async def foreign(medplum: dict[str, str]) -> AsyncGenerator[httpx.AsyncClient]:
    async with node(medplum, "medplum_server.js") as printed:
        port = int(await printed.readline())
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http:
            yield http


async def put(foreign: httpx.AsyncClient, resource: dict[str, Any]) -> None:
    (await foreign.put(f"/fhir/{resource['resourceType']}/{resource['id']}", json=resource)).raise_for_status()


async def has(foreign: httpx.AsyncClient, number: int, location: str = "elm") -> None:
    """Put an appointment with its patient there."""
    name = [{"family": f"McSample-{number}", "given": ["Testy"]}]
    phone = [{"system": "phone", "value": f"(312) 555-0{100 + number}"}]
    start = NOW + timedelta(days=1, minutes=number)
    actors = (f"Patient/p{number}", f"Location/{location}")
    participants = [{"actor": {"reference": one}, "status": "accepted"} for one in actors]
    await put(foreign, {"resourceType": "Patient", "id": f"p{number}", "name": name, "telecom": phone})
    await put(
        foreign,
        {
            "resourceType": "Appointment", "id": f"a{number}", "status": "booked", "start": start.isoformat(),
            "end": (start + timedelta(minutes=30)).isoformat(), "participant": participants,
        },
    )  # fmt: skip


@pytest.mark.parametrize("vendor", ["generic", "athenahealth", "epic"])
async def test_a_foreign_server_is_read_to_the_end_and_followed(
    practice: Practice, foreign: httpx.AsyncClient, vendor: str
) -> None:
    """Patients are listed, or come with appointments, or are read by their ids: whatever the vendor's servers can."""
    for number in range(COUNT):
        await has(foreign, number)
    connection = await practice.fhir(str(foreign.base_url).rstrip("/"), vendor=vendor)
    await practice.synced(connection)
    people = await practice.events("patients")
    await has(foreign, 3, "river")

    async def has_moved() -> bool:
        return (await practice.appointments())["a3"]["location_id"] == "river"

    await until(has_moved)
    (await foreign.delete("/fhir/Appointment/a4")).raise_for_status()
    await practice.reread_due(connection)
    await practice.again(connection)
    appointments = await practice.appointments()
    assert {event["patient_id"]: event["phones"] for event in people} == {
        f"p{number}": [f"+13125550{100 + number}"] for number in range(COUNT)
    }
    assert {id_: event["status"] for id_, event in appointments.items()} == {
        f"a{number}": "entered-in-error" if number == 4 else "booked" for number in range(COUNT)
    }
