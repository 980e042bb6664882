"""Appointments come from a live FHIR server: what changes there decides the next message."""

import asyncio
import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from shared_schemas import ids
from tests.e2e.conftest import System
from tests.e2e.test_one_message import new_sid, next_about, sms_id, started

PATIENT, APPOINTMENT = "pt-012", "apt-012"
POLLED_SECONDS = 15


async def location_of_a_text(system: System) -> str:
    """Where a text that the patient sends now is routed to."""
    sid = new_sid()
    async with system.stream(system.token("ada-admin")) as events:
        iterator = await started(events)
        await system.text(system.patient(PATIENT)["phone"], sid=sid)
        message = await next_about(iterator, "message", sms_id(system, sid))
    return str(json.loads(message.data)["location"]["id"])


async def changed_at_the_source(system: System, http: httpx.AsyncClient, location_id: str) -> None:
    """Move the appointment, and wait until the system has asked once more."""
    url = f"{system.told['pm']['base_url']}/Appointment/{APPOINTMENT}"
    appointment = (await http.get(url)).json()
    for participant in appointment["participant"]:
        if participant["actor"]["reference"].startswith("Location/"):
            participant["actor"]["reference"] = f"Location/{location_id}"
    (await http.put(url, json=appointment)).raise_for_status()
    await until_asked_since(system, datetime.now(UTC))


def the_demos(connections: list[dict[str, Any]]) -> dict[str, Any]:
    """The connection that the demo came with: other tests make more, of other kinds."""
    (connection,) = (one for one in connections if one["kind"] == "fhir-r4")
    return connection


async def until_asked_since(system: System, since: datetime) -> None:
    path = f"/v1/practices/{system.told['practice_id']}/pm-connections"
    async with system.client(system.token("ada-admin")) as http, asyncio.timeout(POLLED_SECONDS):
        while True:
            connection = the_demos((await http.get(path)).json())
            if datetime.fromisoformat(connection["status"]["last_success_at"]) > since:
                return
            await asyncio.sleep(0.1)


@pytest.mark.rule("L1", "L3")
async def test_moving_an_appointment_at_the_source_changes_the_next_messages_location_within_one_poll(
    system: System,
) -> None:
    before = await location_of_a_text(system)
    async with httpx.AsyncClient() as http:
        try:
            await changed_at_the_source(system, http, "river")
            after = await location_of_a_text(system)
        finally:
            await changed_at_the_source(system, http, before)
        back = await location_of_a_text(system)

    assert system.told["pm"]["kind"] == "fhir-r4"
    assert (before, after, back) == ("elm", "river", "elm")


@pytest.mark.rule("L3")
async def test_a_waiting_conversation_says_that_its_appointment_has_moved_and_keeps_its_label(system: System) -> None:
    before = await location_of_a_text(system)
    async with httpx.AsyncClient() as http:
        try:
            await changed_at_the_source(system, http, "river")
            moved = await label_once(system, is_outdated=True)
        finally:
            await changed_at_the_source(system, http, before)
        back = await label_once(system, is_outdated=False)

    assert (moved["id"], back["id"]) == (before, before)


async def label_once(system: System, *, is_outdated: bool) -> dict[str, Any]:
    """The location of the patient's conversation, once it says so."""
    path = f"/v1/conversations/{ids.conversation_id(system.told['practice_id'], PATIENT)}"
    async with system.client(system.token("ada-admin")) as http, asyncio.timeout(POLLED_SECONDS):
        while True:
            label: dict[str, Any] = (await http.get(path)).json()["location"]
            if label["outdated"] == is_outdated:
                return label
            await asyncio.sleep(0.1)


async def test_an_administrator_sees_how_the_connection_goes(system: System) -> None:
    path = f"/v1/practices/{system.told['practice_id']}/pm-connections"
    async with system.client(system.token("ada-admin")) as http:
        connection = the_demos((await http.get(path)).json())
        status: dict[str, Any] = (await http.get(f"{path}/{connection['id']}/status")).json()
    async with system.client(system.token("fay-front")) as http:
        refused = await http.get(path)

    assert (status["state"], status["quarantined"], status["runs"][-1]["kind"]) == ("ok", 0, "full")
    assert status["age_seconds"] < POLLED_SECONDS
    assert refused.status_code == HTTPStatus.FORBIDDEN
