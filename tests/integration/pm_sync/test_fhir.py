"""A FHIR server is read, and what is new of it goes out."""

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from pydantic_core import to_json
from starlette.responses import Response

from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.embedded.stack import EmbeddedStack
from tests.integration.pm_sync.conftest import NOW, PmServer, Practice, running_service, until
from tests.integration.pm_sync.fhir_server import Fault, refusal


def without(id_: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A page that leaves one resource out."""
    return lambda bundle: bundle | {"entry": [one for one in bundle["entry"] if one["resource"]["id"] != id_]}


def continued(url: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A page that says where the next one is."""
    return lambda bundle: bundle | {"link": [{"relation": "next", "url": url}]}


async def test_everything_of_the_window_is_published_once_and_a_second_reading_says_nothing(
    practice: Practice, server: PmServer
) -> None:
    for number in range(5):
        server.has(number, "elm" if number % 2 else "river")
    connection = await practice.fhir(server.url)
    await practice.synced(connection)
    first = await practice.events("appointments", "patients")
    await practice.reread_due(connection)
    await practice.again(connection)
    directory = (await practice.events("practice-directory"))[-1]

    assert sorted(event["appointment_id"] for event in first if "appointment_id" in event) == [
        "a0",
        "a1",
        "a2",
        "a3",
        "a4",
    ]
    assert {event["location_id"] for event in first if event.get("appointment_id") == "a1"} == {"elm"}
    assert {event["phones"][0] for event in first if event["patient_id"] == "p1" and "phones" in event} == {
        "+13125550101"
    }
    assert await practice.events("appointments", "patients") == first
    assert [(one["id"], one["name"]) for one in directory["locations"]] == [
        ("elm", "Elm Street"),
        ("river", "River Street"),
    ]


async def test_a_change_arrives_within_one_poll(practice: Practice, server: PmServer) -> None:
    server.has(1, "elm")
    connection = await practice.fhir(server.url)
    await practice.synced(connection)
    server.has(1, "river")

    async def has_moved() -> bool:
        return (await practice.appointments())["a1"]["location_id"] == "river"

    await until(has_moved, seconds=10)
    assert any("_lastUpdated=ge" in one for one in server.asked("Appointment"))


async def test_what_is_gone_is_removed_by_the_next_complete_reading_and_not_before(
    practice: Practice, server: PmServer
) -> None:
    for number in range(4):
        server.has(number)
    connection = await practice.fhir(server.url)
    await practice.synced(connection)
    server.app.store.delete("Appointment", "a1")
    await practice.again(connection)
    before = await practice.appointments()
    await practice.reread_due(connection)
    await practice.again(connection)
    after = await practice.appointments()

    assert before["a1"]["status"] == "booked"
    assert {id_: event["status"] for id_, event in after.items()} == {
        "a0": "booked", "a1": "entered-in-error", "a2": "booked", "a3": "booked",
    }  # fmt: skip


async def test_an_appointment_that_a_page_left_out_is_asked_for_and_stays(practice: Practice, server: PmServer) -> None:
    for number in range(3):
        server.has(number)
    connection = await practice.fhir(server.url)
    await practice.synced(connection)
    await practice.reread_due(connection)
    server.app.faults.append(Fault(r"/Appointment\?date", change=without("a1")))
    await practice.again(connection)

    assert (await practice.appointments())["a1"]["status"] == "booked"
    assert "/fhir/Appointment/a1?" in server.app.asked


@pytest.mark.parametrize("gap", ["outcome", "empty entry"])
async def test_an_answer_with_gaps_removes_nothing(practice: Practice, server: PmServer, gap: str) -> None:
    server.has(0)
    server.has(1)
    connection = await practice.fhir(server.url)
    await practice.synced(connection)
    server.app.store.delete("Appointment", "a1")
    await practice.reread_due(connection)
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
    entry = {"resource": outcome} if gap == "outcome" else {}
    server.app.faults.append(
        Fault(r"/Appointment\?date", change=lambda bundle: bundle | {"entry": [*bundle["entry"], entry]}, times=100)
    )
    await practice.http.post(f"{practice.path}/{connection}/sync-now")

    assert await practice.failed(connection) == "the server's answers have gaps: nothing was removed"
    assert (await practice.appointments())["a1"]["status"] == "booked"


async def test_most_appointments_missing_at_once_is_not_believed_and_is_told(
    practice: Practice, server: PmServer
) -> None:
    for number in range(12):
        server.has(number)
    connection = await practice.fhir(server.url)
    await practice.synced(connection)
    for number in range(9):
        server.app.store.delete("Appointment", f"a{number}")
    await practice.reread_due(connection)
    await practice.http.post(f"{practice.path}/{connection}/sync-now")
    problem = await practice.failed(connection)
    server.has(11, "river")

    async def has_moved() -> bool:
        return (await practice.appointments())["a11"]["location_id"] == "river"

    await until(has_moved)
    status = await practice.status(connection)
    assert problem.startswith("9 of 12 upcoming appointments were missing: none was removed")
    assert (await practice.appointments())["a1"]["status"] == "booked"
    assert status["state"] == "failing"


async def test_pages_are_followed_to_the_end(practice: Practice, server: PmServer) -> None:
    for number in range(25):
        server.has(number)
    server.app.most_on_a_page = 4
    connection = await practice.fhir(server.url)
    await practice.synced(connection)

    assert len(await practice.appointments()) == 25
    assert len(server.asked("Appointment")) >= 7


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_asks_for_patience_gets_it(practice: Practice, server: PmServer, status: int) -> None:
    server.has(1)
    server.app.faults.append(Fault(r"/Appointment\?", refusal(status, "throttled", retry_after="1"), times=2))
    connection = await practice.fhir(server.url)
    synced = await practice.synced(connection)

    assert synced["state"] == "ok"
    assert (await practice.runs(connection, "full"))[0]["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(r"/Appointment\?", refusal(403, "forbidden"), times=9), "the client lacks a permission (HTTP 403)"),
        (Fault(r"/Appointment\?", refusal(400, "required"), times=9), "a search parameter that was not sent"),
        (Fault(r"/Appointment\?", refusal(500, "exception"), times=99), "the server broke down (HTTP 500)"),
        (Fault(r"/Appointment\?", lambda _: Response(b'{"resourceType": "Bun'), times=9), "no JSON, or cut off"),
        (Fault(r"/Appointment\?", lambda _: Response(b"[]"), times=9), "no FHIR resource"),
        (Fault("metadata", lambda _: Response(b"{}"), times=9), "there is no FHIR server at this base URL"),
        (Fault("metadata", change=lambda told: told | {"fhirVersion": "3.0.2"}, times=9), "does not speak FHIR R4"),
        (
            Fault(r"/Appointment\?", change=continued("http://10.0.0.1/x"), times=9),
            "at another address than the base URL",
        ),
        (
            Fault(r"/Appointment\?", change=continued("Appointment?_count=200"), times=9),
            "pages go round in a circle",
        ),
    ],
)  # fmt: skip
async def test_what_a_server_gets_wrong_is_told_in_words_of_ours(
    practice: Practice, server: PmServer, fault: Fault, words: str
) -> None:
    server.has(1)
    server.app.faults.append(fault)
    problem = await practice.failed(await practice.fhir(server.url))

    assert words in problem
    assert "McSample" not in problem


async def test_a_server_that_ignores_parameters_is_found_out_and_read_all_the_same(
    practice: Practice, server: PmServer
) -> None:
    """It answers every search with everything that it has, and knows no `_include`."""
    far = (NOW + timedelta(days=300)).isoformat()
    server.app.store.clock = lambda: NOW - timedelta(days=1)
    server.has(1)
    server.has(2, start=far)
    everything = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": one} for one in server.app.store.resources["Appointment"].values()],
    }
    server.app.faults.append(Fault(r"/Appointment\?", lambda _: Response(to_json(everything)), times=1_000))
    connection = await practice.fhir(server.url, vendor="athenahealth")
    await practice.synced(connection)

    async def is_found_out() -> bool:
        return (await practice.status(connection))["ignored_parameters"] == ["_include", "_lastUpdated", "date"]

    await until(is_found_out)
    patients = {event["patient_id"] for event in await practice.events("patients")}
    assert list(await practice.appointments()) == ["a1"]
    assert "p1" in patients


async def test_what_cannot_be_read_waits_in_quarantine_and_everything_else_goes_on(
    practice: Practice, server: PmServer
) -> None:
    server.has(1)
    server.has(2, status="perhaps")
    server.has(3, end="soon")
    connection = await practice.fhir(server.url)
    await practice.synced(connection)
    path = f"{practice.path}/{connection}/quarantine"
    found = (await practice.http.get(path)).json()
    still = await practice.http.post(f"{path}/{found[0]['item_id']}/retry")
    server.has(2)
    await practice.again(connection)

    async def is_released() -> bool:
        return len((await practice.http.get(path)).json()) == 1

    await until(is_released)
    (last,) = (await practice.http.get(path)).json()
    discarded = await practice.http.delete(f"{path}/{last['item_id']}")
    assert sorted(one["reason"] for one in found) == [
        "start or end: no instant",
        "status: none of FHIR's appointment statuses",
    ]
    assert still.status_code == HTTPStatus.CONFLICT
    assert discarded.status_code == HTTPStatus.NO_CONTENT
    assert sorted(await practice.appointments()) == ["a1", "a2"]


async def test_after_its_cause_is_mended_an_item_in_quarantine_can_be_taken(
    practice: Practice, server: PmServer
) -> None:
    """athenahealth leaves the status of cancelled appointments out: only its map knows what that means."""
    server.has(1, status=None)
    connection = await practice.fhir(server.url)
    await practice.synced(connection)
    server.app.store.delete("Appointment", "a1")
    (item,) = (await practice.http.get(f"{practice.path}/{connection}/quarantine")).json()
    await practice.fhir(server.url, vendor="athenahealth")
    answer = await practice.http.post(f"{practice.path}/{connection}/quarantine/{item['item_id']}/retry")

    assert answer.is_success
    first, *_ = await practice.events("appointments")  # the next reading may find it gone already
    assert (first["appointment_id"], first["status"]) == ("a1", "cancelled")


async def test_a_new_connection_can_be_tried_before_it_is_made(practice: Practice, server: PmServer) -> None:
    for number in range(4):
        server.has(number, "elm" if number else "river")
    server.has(9, status="perhaps")
    body = {"kind": "fhir-r4", "base_url": f"{server.url}/fhir", "time_zone": "America/New_York"}
    tried = await practice.http.post(practice.path, params={"dry_run": True}, json=body)
    nowhere = body | {"base_url": f"{server.url}/nothing"}
    failed = await practice.http.post(practice.path, params={"dry_run": True}, json=nowhere)

    assert tried.json() == {
        "appointments": {"new": 4, "changed": 0, "removed": 0},
        "patients": {"changed": 5},
        "quarantined": 1,
        "dry_run": True,
        "complete": True,
        "appointments_by_location": {"elm": 3, "river": 1},
    }
    assert failed.status_code == HTTPStatus.BAD_GATEWAY
    assert (await practice.http.get(practice.path)).json() == []
    assert await practice.events("appointments") == []


async def test_an_address_that_is_ours_is_not_called(
    migrated: EmbeddedStack, issuer: DevelopmentIssuer, server: PmServer
) -> None:
    async with running_service(migrated, issuer, outbound_allowed="") as http:
        practice = Practice(http, migrated)
        problem = await practice.failed(await practice.fhir(server.url))

    assert "this address may not be called from here" in problem
    assert server.app.asked == []
