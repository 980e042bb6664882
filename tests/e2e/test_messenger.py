"""The messenger's API, used from outside as a patient's browser does."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from httpx_sse import ServerSentEvent, aconnect_sse

from shared_schemas.cloudevents import encode
from shared_schemas.practice_management import PatientSyncedV1
from shared_schemas.topics import PATIENTS
from tests.e2e.conftest import System
from tests.e2e.test_one_message import TOLD_SECONDS, end_of, new_sid, next_about, sms_id, started
from tests.faults.parts import until

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000"
    "000049454e44ae426082"
)


@dataclass
class Patient:
    """A browser of a patient."""

    system: System
    http: httpx.AsyncClient
    phone: str
    birth_date: str
    csrf: str = ""

    async def begin(self, phone: str | None = None) -> str:
        content = {"practice_slug": self.system.told["practice_slug"], "phone": phone or self.phone}
        answer = (await self.http.post("/v1/messenger/login", json=content)).raise_for_status()
        return str(answer.json()["login_id"])

    async def verify(self, login_id: str, **proof: str) -> httpx.Response:
        answer = await self.http.post("/v1/messenger/login/verify", json={"login_id": login_id, **proof})
        if answer.is_success:
            self.csrf = answer.json().get("csrf_token", "")
        return answer

    async def log_in(self) -> "Patient":
        before = len(await codes(self.system, self.phone))
        login_id = await self.begin()
        code = (await codes(self.system, self.phone, more_than=before))[-1]
        (await self.verify(login_id, code=code)).raise_for_status()
        (await self.verify(login_id, date_of_birth=self.birth_date)).raise_for_status()
        return self

    async def post(self, path: str, content: object = None) -> httpx.Response:
        return await self.http.post(f"/v1/messenger/{path}", json=content, headers={"X-CSRF-Token": self.csrf})

    async def write(self, body: str, **more: object) -> httpx.Response:
        return await self.post("messages", {"client_message_id": secrets.token_hex(8), "body": body, **more})

    async def state(self, language: str = "en") -> dict[str, Any]:
        answer = await self.http.get("/v1/messenger/state", params={"language": language})
        return dict(answer.raise_for_status().json())

    @asynccontextmanager
    async def stream(self, after: str | None = None) -> AsyncGenerator[AsyncIterator[ServerSentEvent]]:
        headers = {"Last-Event-ID": after} if after else {}
        async with aconnect_sse(self.http, "GET", "/v1/messenger/stream", headers=headers) as events:
            events.response.raise_for_status()
            yield events.aiter_sse()


async def codes(system: System, phone: str, *, more_than: int = -1) -> list[str]:
    """The codes that were texted to a phone, once there are more than so many."""
    async with httpx.AsyncClient() as http, asyncio.timeout(TOLD_SECONDS):
        while True:
            sent = (await http.get(system.told["provider"]["outbox_url"])).raise_for_status().json()
            found = [one["body"][:6] for one in sent if one["to"] == phone and re.match(r"[0-9]{6} is", one["body"])]
            if len(found) > more_than:
                return found
            await asyncio.sleep(0.1)


@asynccontextmanager
async def browser(system: System, patient_id: str) -> AsyncGenerator[Patient]:
    known = system.patient(patient_id)
    async with system.client() as http:
        yield Patient(system, http, known["phone"], known["date_of_birth"])


async def told(events: AsyncIterator[ServerSentEvent], is_it: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The first state of a stream that is the one that is waited for."""
    async with asyncio.timeout(TOLD_SECONDS):
        async for event in events:
            if is_it(state := json.loads(event.data)):
                return dict(state)
    pytest.fail("the stream ended")


async def test_an_unknown_phone_is_answered_like_a_known_one_and_is_texted_nothing(system: System) -> None:
    stranger = "+13125550198"
    async with browser(system, "pt-030") as patient:
        known, unknown = await patient.begin(), await patient.begin(stranger)
        await codes(system, patient.phone, more_than=0)

    assert len(known) == len(unknown)
    assert await codes(system, stranger) == []


async def test_a_code_works_once_in_its_login_and_the_birth_date_decides(system: System) -> None:
    async with browser(system, "pt-031") as patient:
        first = await patient.begin()
        (code,) = await codes(system, patient.phone, more_than=0)
        second = await patient.begin()
        swapped = await patient.verify(second, code=code)
        right = await patient.verify(first, code=code)
        again = await patient.verify(first, code=code)
        wrong_birth_date = await patient.verify(first, date_of_birth="1901-01-01")
        before = await patient.http.get("/v1/messenger/state")
        logged_in = await patient.verify(first, date_of_birth=patient.birth_date)
        after = await patient.http.get("/v1/messenger/state")

    assert [one.status_code for one in (swapped, again, wrong_birth_date)] == [HTTPStatus.FORBIDDEN] * 3
    assert swapped.json() == again.json() == wrong_birth_date.json()
    assert right.json() == {"next": "date_of_birth"}
    assert (before.status_code, logged_in.status_code, after.status_code) == (401, 200, 200)
    assert all("httponly" in one.lower() for one in logged_in.headers.get_list("set-cookie"))


async def test_where_the_birth_date_was_given_lately_the_code_is_enough(system: System) -> None:
    async with browser(system, "pt-032") as patient:
        await patient.log_in()
        (await patient.post("logout")).raise_for_status()
        gone = await patient.http.get("/v1/messenger/state")
        login_id = await patient.begin()
        answer = await patient.verify(login_id, code=(await codes(system, patient.phone, more_than=1))[-1])
        state = await patient.state()

    assert gone.status_code == HTTPStatus.UNAUTHORIZED
    assert set(answer.json()) == {"csrf_token"}
    assert state["csrf_token"] == answer.json()["csrf_token"]


async def test_a_sixth_code_within_an_hour_is_refused_whoever_it_is(system: System) -> None:
    async with system.client() as http:
        content = {"practice_slug": system.told["practice_slug"], "phone": "(312) 555-0197"}
        answers = [(await http.post("/v1/messenger/login", json=content)).status_code for _ in range(11)]

    # Of eleven at least six are in the same hour, whenever it strikes.
    assert answers[:5] == [HTTPStatus.OK] * 5
    assert HTTPStatus.TOO_MANY_REQUESTS in answers


async def test_a_household_shares_a_phone_and_the_birth_date_says_who_it_is(system: System) -> None:
    phone = "+13125550195"
    births = {"home-parent": "1980-02-03", "home-child": "2012-04-05"}
    await know(system, phone, births)
    async with system.client() as http:
        child = await Patient(system, http, phone, births["home-child"]).log_in()
        (await child.write("A made-up question of a child")).raise_for_status()
    async with system.client() as http:
        parent = await Patient(system, http, phone, births["home-parent"]).log_in()
        state = await parent.state()

    assert state["messages"] == []


async def test_twins_who_share_a_phone_are_told_apart_by_nothing_so_neither_is_let_in(system: System) -> None:
    phone, birth_date = "+13125550194", "2001-02-03"
    await know(system, phone, {"home-twin-1": birth_date, "home-twin-2": birth_date})
    async with system.client() as http:
        twin = Patient(system, http, phone, birth_date)
        login_id = await twin.begin()
        (code,) = await codes(system, phone, more_than=0)
        (await twin.verify(login_id, code=code)).raise_for_status()
        wrong = await twin.verify(login_id, date_of_birth="1901-01-01")
        right = await twin.verify(login_id, date_of_birth=birth_date)

    assert right.status_code == HTTPStatus.FORBIDDEN
    assert right.json() == wrong.json()


async def know(system: System, phone: str, births: dict[str, str]) -> None:
    """Tell the system of patients, as pm-sync does, and wait until ingest has heard it."""
    producer = AIOKafkaProducer(bootstrap_servers=system.told["kafka_bootstrap_servers"])
    await producer.start()
    try:
        for patient_id, birth_date in births.items():
            event = PatientSyncedV1(
                practice_id=system.told["practice_id"],
                patient_id=patient_id,
                given_name="Testy",
                family_name="Madeup",
                birth_date=date.fromisoformat(birth_date),
                phones=(phone,),
                as_of=datetime.now(UTC),
            )
            headers, value = encode(event, "/test", datetime.now(UTC))
            await producer.send_and_wait(PATIENTS.name, value, key=event.key.encode(), headers=list(headers))
    finally:
        await producer.stop()
    connection = await asyncpg.connect(system.told["postgres_dsn"])
    count = "SELECT count(*) FROM ingest.patient WHERE patient_id = ANY ($1::text[])"

    async def is_known() -> bool:
        return bool(await connection.fetchval(count, list(births)) == len(births))

    try:
        await until(is_known, "the patients are known", TOLD_SECONDS)
    finally:
        await connection.close()


async def test_a_message_is_in_the_thread_at_once_and_only_once(system: System) -> None:
    before = await end_of(system, "patient-messages")
    async with browser(system, "pt-033") as patient:
        await patient.log_in()
        asked = await patient.state("es")
        content = {"client_message_id": "made-up-1", "body": "A made-up question", "reason_id": "billing"}
        answers = [await patient.post("messages", content) for _ in range(2)]
        state = await patient.state()
        async with patient.stream() as events:
            routed = await told(events, lambda one: one["reason"] is not None)

    assert asked["picker"][0] == {"id": "appointments", "label": "Citas"}
    assert [one.status_code for one in answers] == [HTTPStatus.ACCEPTED] * 2
    assert answers[0].json() == answers[1].json()
    assert [one["message_id"] for one in state["messages"]] == [answers[0].json()["message_id"]]
    assert (state["picker"], state["conversation"]["status"]) == (None, "open")
    assert routed["reason"] == {"id": "billing", "label": "Billing"}
    assert len(routed["messages"]) == 1
    assert await end_of(system, "patient-messages") <= before + 2


@pytest.mark.rule("R2")
async def test_a_reply_arrives_live_and_is_unread_until_the_patient_says_so(system: System) -> None:
    async with browser(system, "pt-034") as patient, system.client(system.token("max-medical")) as staff:
        await patient.log_in()
        async with system.stream(system.token("max-medical")) as told_to_staff:
            iterator = await started(told_to_staff)
            answer = (await patient.write("A made-up question", reason_id="refills")).raise_for_status()
            routed = json.loads((await next_about(iterator, "message", answer.json()["message_id"])).data)
        path = f"/v1/conversations/{routed['conversation_id']}"
        async with patient.stream() as events:
            await told(events, lambda _: True)
            (await staff.post(f"{path}/reply", json={"body": "A made-up answer"})).raise_for_status()
            replied = await told(events, lambda one: one["unread_message_id"])
            (await patient.post("read", {"message_id": replied["unread_message_id"]})).raise_for_status()
            read = await told(events, lambda one: one["unread_message_id"] is None)
        async with patient.stream(str(read["version"])) as events:
            (await staff.post(f"{path}/close", json={})).raise_for_status()
            resumed = await told(events, lambda _: True)

    assert [(one["sender"], one["body"]) for one in replied["messages"]][-1] == ("practice", "A made-up answer")
    assert resumed["conversation"]["status"] == "closed"


async def test_a_change_without_the_sessions_csrf_token_is_refused_and_changes_nothing(system: System) -> None:
    async with browser(system, "pt-035") as patient:
        await patient.log_in()
        before = await patient.state()
        patient.csrf = "another-token"
        answers = [
            await patient.write("Another site's message"),
            await patient.post("read", {"message_id": "m"}),
            await patient.post("logout"),
            await patient.http.post("/v1/messenger/attachments", content=PNG),
        ]
        state = await patient.state()

    assert [one.status_code for one in answers] == [HTTPStatus.FORBIDDEN] * 4
    assert state["messages"] == before["messages"]


async def test_photos_go_with_a_message_and_only_the_patient_who_sent_them_reads_them(system: System) -> None:
    async with browser(system, "pt-036") as patient, browser(system, "pt-029") as other:
        await patient.log_in()
        await other.log_in()
        headers = {"X-CSRF-Token": patient.csrf, "Content-Type": "text/plain"}
        sent = [await patient.http.post("/v1/messenger/attachments", content=PNG, headers=headers) for _ in range(2)]
        page = await patient.http.post("/v1/messenger/attachments", content=b"<script>", headers=headers)
        photo = sent[0].raise_for_status().json()
        written = await patient.write("", attachments=[photo["id"]])
        stolen = await other.write("", attachments=[photo["id"]])
        own, others = await patient.http.get(photo["url"]), await other.http.get(photo["url"])
        state = await patient.state()

    assert sent[0].json() == sent[1].json()
    assert (photo["content_type"], page.status_code) == ("image/png", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    assert (written.status_code, stolen.status_code) == (HTTPStatus.ACCEPTED, HTTPStatus.UNPROCESSABLE_ENTITY)
    assert (own.content, others.status_code) == (PNG, HTTPStatus.NOT_FOUND)
    assert state["messages"][-1]["attachments"] == [photo]


async def test_a_stream_ends_when_the_patient_logs_out(system: System) -> None:
    async with browser(system, "pt-028") as patient:
        await patient.log_in()
        async with patient.stream() as events, asyncio.timeout(TOLD_SECONDS):
            await anext(events)
            (await patient.post("logout")).raise_for_status()
            rest = [event async for event in events]

    assert rest == []


async def test_a_contact_that_staff_link_to_a_patient_writes_as_that_patient_from_then_on(system: System) -> None:
    phone, practice_id = "+13125550196", system.told["practice_id"]
    async with (
        system.client(system.token("fay-front")) as fay,
        system.stream(system.token("fay-front")) as events,
    ):
        iterator = await started(events)
        first = await texted(system, phone, iterator)
        address = f"/v1/practices/{practice_id}/contacts/{first['patient_id']}"
        contact = (await fay.get(address)).json()
        linked = await fay.post(f"/v1/conversations/{first['conversation_id']}/link", json={"to_patient_id": "pt-003"})

        async def is_linked() -> bool:
            return bool((await fay.get(address)).json()["linked_to"] == "pt-003")

        await until(is_linked, "the contact is linked", TOLD_SECONDS)
        second = await texted(system, phone, iterator)
        patients = f"/v1/conversations/{second['conversation_id']}/link"
        refused = await fay.post(patients, json={"to_patient_id": "pt-001"})
        thread = (await fay.get(f"/v1/conversations/{second['conversation_id']}")).json()
        contacts = (await fay.get(f"/v1/conversations/{first['conversation_id']}")).json()

    assert (contact["phone"], contact["candidates"]) == (phone, [])
    assert linked.json()["conversation"]["to_patient_id"] == "pt-003"
    assert (first["patient_id"].startswith("contact-"), second["patient_id"]) == (True, "pt-003")
    assert refused.status_code == HTTPStatus.CONFLICT
    assert {first["message_id"], second["message_id"]} <= {one["message_id"] for one in thread["messages"]}
    assert contacts["linked_to"] == second["conversation_id"]
    assert thread["linked_to"] is None


async def texted(system: System, phone: str, iterator: AsyncIterator[ServerSentEvent]) -> dict[str, Any]:
    """Send a text; how it was routed."""
    sid = new_sid()
    await system.text(phone, sid=sid)
    return dict(json.loads((await next_about(iterator, "message", sms_id(system, sid))).data))
