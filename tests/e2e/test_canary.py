"""Nothing of a patient leaks: a made-up patient's words, name, phone and birth date go through every path, failures too, and
are then looked for wherever they do not belong (promise 8).
"""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from pm_sync.adapters.hl7.framing import BEGIN, END
from shared_messaging import KafkaConnection, partition_counts
from shared_schemas.ids import content_id, message_id
from tests.e2e.collector import Collector
from tests.e2e.conftest import System
from tests.e2e.outside import Outside
from tests.e2e.test_one_message import new_sid, next_about, sms_id, started
from tests.integration.notifier.receiving import Received
from tests.integration.notifier.test_personal_notices import Browser

PHONE = "+12025550187"
NEIGHBOURS_PHONE = "+12025550186"
"""Nobody's."""
BIRTH_DATE = "1913-03-17"
NAME = "Quixandramadeup"
BODY = "a zeppelin of aubergine nightingales 70431"
URGENT = f"Chest pain, and {BODY}"
"""So that people who are not looking are told at once."""
CANARY = (PHONE, PHONE[1:], "202) 555-0187", BIRTH_DATE, "19130317", NAME, "aubergine", "nightingales 70431")
PLANT = "plantedcanary90217"
CONNECTION, HL7, FHIR = "canary-csv", "canary-hl7", "canary-fhir"
COLUMNS = (
    "appointment_id,patient_id,given_name,family_name,birth_date,phone,status,start,end,location_id,location_name,"
    "provider_id,provider_name"
)
ROW = f"cn-1,cn-pt,{NAME},Example,{BIRTH_DATE},{PHONE},booked,2030-01-02T09:00:00,2030-01-02T09:30:00,elm,Elm Street,dr-a,A"
ERROR_COLUMNS = ("error", "errors", "reason", "problem", "problems", "detail", "failure", "counts", "note", "status")
LOGS = ("services.log", "kafka/kafka.log", "postgres/postgres.log", "output.txt")


@dataclass(slots=True)
class Walk:
    """What came back while the canary went through."""

    system: System
    collector: Collector
    outside: Outside
    refusals: list[httpx.Response] = field(default_factory=list)
    hl7_answers: list[str] = field(default_factory=list)
    browser: Browser = field(default_factory=lambda: Browser(""))
    pushed: list[str] = field(default_factory=list)
    """What the push messages say, to the browser alone."""

    async def refused(self, http: httpx.AsyncClient, method: str, url: str, **more: Any) -> None:  # noqa: ANN401 - as httpx
        answer = await http.request(method, url, **more)
        assert answer.is_client_error, (method, url, answer.status_code)
        self.refusals.append(answer)

    async def of_practice_management(self) -> None:
        system = self.system
        path = f"/v1/practices/{system.told['practice_id']}/pm-connections/{CONNECTION}"
        async with system.client(system.token("ada-admin")) as ada:
            (await ada.put(path, json={"kind": "csv", "time_zone": "America/New_York"})).raise_for_status()
            (await ada.post(f"{path}/csv", content=f"{COLUMNS}\n{ROW}\n".encode())).raise_for_status()
            wrong = f"{COLUMNS}\n{NAME} {PHONE},{BODY},{NAME},,{PHONE},{BODY},{NAME},{BODY},{PHONE},{NAME},,,\n"
            await self.refused(ada, "POST", f"{path}/csv", content=wrong.encode())
            await self.refused(ada, "POST", f"{path}/csv", content=f"{NAME},{BODY}\n{PHONE}\n".encode())
            await self.refused(ada, "PUT", path, json={"kind": "csv", "time_zone": NAME, NAME: BODY})
            await self.refused(ada, "GET", f"{path}/quarantine", params={"limit": BODY})
            settings = f"/v1/practices/{system.told['practice_id']}/routing-settings"
            wrong_settings = {NAME: BODY, "reasons": [{"id": "one", "label": {NAME: 1}, PHONE: BODY}]}
            await self.refused(ada, "PUT", settings, json=wrong_settings)

    async def of_hl7(self) -> None:
        """One that is right, one about nobody knows what appointment, and one that is no message."""
        wish = {"kind": "hl7v2-mllp", "time_zone": "America/New_York", "sending_facility": HL7}
        async with self.system.client(self.system.token("ada-admin")) as ada:
            (await ada.put(self._connection(HL7), json=wish)).raise_for_status()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.outside.hl7_port)
        try:
            for message in (
                hl7_message("PL1|FL1"),
                hl7_message("|"),
                f"MSH|^~\\&|SCHED|{HL7}\rPID|{PHONE}\r{BODY}|{NAME}",
            ):
                writer.write(BEGIN + message.encode() + END)
                async with asyncio.timeout(20):
                    self.hl7_answers.append((await reader.readuntil(END)).decode())
        finally:
            writer.close()

    async def of_fhir(self) -> None:
        """A server that answers with an error that names the patient, then with what is no appointment."""
        wish = {"kind": "fhir-r4", "base_url": f"{self.outside.url}/fhir", "time_zone": "UTC", "poll": "P1D"}
        wrong = {"resourceType": "Appointment", "id": "cn-ap", "status": NAME, "description": BODY,
                 "participant": [{"actor": {"reference": "Patient/cn-pt", "display": NAME}, "status": "accepted"}],
                 "start": BIRTH_DATE, NAME: PHONE}  # fmt: skip
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": wrong}]}
        outcome = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": f"{NAME} {PHONE} {BODY}"}]}
        capable = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}
        nothing = {"resourceType": "Bundle", "type": "searchset"}
        answers = self.outside.fhir
        answers.update({"metadata": (200, capable), "Location": (200, nothing), "Practitioner": (200, nothing)})
        answers.update({"Appointment": (422, outcome), "Patient": (500, outcome)})
        async with self.system.client(self.system.token("ada-admin")) as ada:
            (await ada.put(self._connection(FHIR), json=wish)).raise_for_status()
            await self._until(ada, FHIR, "status", lambda told: told["last_problem"] is not None)
            answers.update({"Appointment": (200, bundle), "Patient": (200, nothing)})
            (await ada.post(f"{self._connection(FHIR)}/sync-now")).raise_for_status()
            await self._until(ada, FHIR, "quarantine", bool)
            (await ada.delete(self._connection(FHIR))).raise_for_status()

    def _connection(self, connection_id: str) -> str:
        return f"/v1/practices/{self.system.told['practice_id']}/pm-connections/{connection_id}"

    async def _until(self, http: httpx.AsyncClient, connection: str, what: str, is_so: Callable[[Any], bool]) -> None:
        """Ask until it is so; what was answered then is searched too."""
        async with asyncio.timeout(60):
            while not is_so((answer := await http.get(f"{self._connection(connection)}/{what}")).json()):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        self.refusals.append(answer)

    async def of_people_not_looking(self) -> str:
        """Everybody of the practice wants push, e-mail and a thin webhook; returns the webhook's address."""
        push = Browser(f"{self.outside.url}/push/{uuid.uuid4().hex}")
        self.browser = push
        hook = f"/hook/{uuid.uuid4().hex}"
        wish = {
            "url": self.outside.url + hook,
            "events": ["message", "notification", "conversation"],
            "payload": "thin",
        }
        for person in self.system.told["staff"]:
            async with self.system.client(person["token"]) as http:
                mail = {"address": f"{person['staff_id']}@example.org", "wait": "PT12H"}
                wanted = {"push": {}, "email": mail}
                if (await http.put("/v1/notification-preferences", json=wanted)).is_success:
                    (await http.post("/v1/push-subscriptions", json=push.subscription)).raise_for_status()
        async with self.system.client(self.system.token("ada-admin")) as ada:
            (await ada.post("/v1/webhook-endpoints", json=wish)).raise_for_status()
        return hook

    async def told_outside(self, hook: str) -> None:
        """Until a mail, a push message and the webhooks of a message and of the answer are there; then nobody wants any."""
        outside, path = self.outside, self.browser.endpoint.removeprefix(self.outside.url)
        async with asyncio.timeout(60):
            while not (outside.mails and outside.at(path) and len(outside.at(hook)) > 2):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        for person in self.system.told["staff"]:
            async with self.system.client(person["token"]) as http:
                await http.put("/v1/notification-preferences", json={})
        async with self.system.client(self.system.token("ada-admin")) as ada:
            for one in (await ada.get("/v1/webhook-endpoints")).raise_for_status().json():
                if one["url"].endswith(hook):
                    self.refusals.append(await ada.get(f"/v1/webhook-endpoints/{one['id']}/deliveries"))
                    (await ada.delete(f"/v1/webhook-endpoints/{one['id']}")).raise_for_status()
        self.pushed += [json.dumps(self.browser.read(Received(path, {}, body))) for body in outside.at(path)]

    async def of_texts(self) -> str:
        system = self.system
        sid = new_sid()
        async with system.stream(system.token("fay-front")) as events:
            iterator = await started(events)
            self.refusals += await system.text(PHONE, signed_with="not-the-token", body=BODY)
            await system.text(
                PHONE, sid=sid, body=URGENT, more={"NumMedia": "1", "MediaUrl0": f"https://{NAME}.test/x"}
            )
            message = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)
        async with system.client() as http:
            hook = f"/hooks/telnyx/sms/{system.told['channels']['telnyx_sms']['id']}"
            await self.refused(http, "POST", hook, json={"data": {"payload": {"text": BODY, "from": PHONE}}})
            await self.refused(http, "POST", f"/hooks/twilio/voice/{NAME}", data={"From": PHONE, "Body": BODY})
        return str(message["conversation_id"])

    async def of_messenger(self) -> None:
        slug = self.system.told["practice_slug"]
        async with self.system.client() as http:
            begun = await http.post("/v1/messenger/login", json={"practice_slug": slug, "phone": PHONE})
            login_id = begun.raise_for_status().json()["login_id"]
            login = "/v1/messenger/login"
            await self.refused(http, "POST", login, json={"practice_slug": slug, "phone": BODY, BODY: PHONE})
            await self.refused(http, "POST", login, content=f'{{"phone": "{PHONE}", {BODY}'.encode())
            wrong = {"login_id": login_id, "date_of_birth": BIRTH_DATE}
            await self.refused(http, "POST", f"{login}/verify", json=wrong)
            await self.refused(http, "POST", f"{login}/verify", json=wrong | {"code": PHONE})
            await self.refused(http, "POST", "/v1/messenger/messages", json={"body": BODY, "reason_id": PHONE})
            await http.post(f"/m/{slug}", data={"phone": PHONE})

    async def of_staff(self, conversation_id: str) -> None:
        path = f"/v1/conversations/{conversation_id}"
        async with self.system.client(self.system.token("fay-front")) as fay:
            assert (await fay.post(f"{path}/reply", json={"body": BODY})).status_code in {200, 202}
            (await fay.post("/v1/search", json={"words": NAME})).raise_for_status()
            await self.refused(fay, "POST", "/v1/search", json={"words": [NAME], NAME: BODY})
            await self.refused(fay, "POST", f"{path}/reply", json={"body": {NAME: PHONE}, PHONE: BODY})
            await self.refused(fay, "POST", f"{path}/move", json={"to": NAME, "note": BODY})
            await self.refused(fay, "POST", f"{path}/{NAME}", json={})
            await self.refused(fay, "GET", f"/v1/conversations/{NAME}")
            await self.refused(fay, "GET", "/v1/conversations", params={"limit": NAME})
            await self.refused(fay, "GET", "/v1/conversations", params={"cursor": BODY})
            await self.refused(fay, "GET", "/v1/events", params={"after": BODY, "limit": PHONE})
            await self.refused(fay, "GET", f"/{NAME}/{PHONE}")
        async with self.system.client(f"{NAME}.{PHONE}.x") as nobody:
            await self.refused(nobody, "GET", "/v1/inboxes")

    async def of_adapters(self) -> None:
        practice_id, adapter = self.system.told["practice_id"], self.system.told["adapter"]
        headers = {"ce-specversion": "1.0", "ce-type": "switchboard.MessageReceived.v1", "ce-source": f"/{NAME}",
                   "ce-id": "canary", "content-type": "application/json"}  # fmt: skip
        event = {
            "practice_id": practice_id, "message_id": message_id("email", practice_id, "another"), "channel": "email",
            "provider_message_id": "one", "patient_id": "cn-pt", "body": BODY, "received_at": "2026-11-25T00:00:00Z",
        }  # fmt: skip
        async with self.system.client(adapter["token"]) as http:
            await self.refused(http, "POST", "/v1/messages", headers=headers, json=event)
            await self.refused(http, "POST", "/v1/messages", headers=headers, json=event | {"channel": NAME})
            await self.refused(http, "POST", "/v1/messages", headers=headers, content=f"{BODY} {PHONE}".encode())

    async def of_dead_letters(self) -> None:
        """A record that cannot be read."""
        ce_id, practice_id = content_id("canary", uuid.uuid4().hex), self.system.told["practice_id"]
        headers = [("ce_id", ce_id.encode()), ("ce_type", b"switchboard.MessageReceived.v1"), ("ce_specversion", b"1.0"),
                   ("ce_source", b"/canary"), ("content-type", b"application/json")]  # fmt: skip
        value = json.dumps({"practice_id": practice_id, "body": BODY, "patient_id": {NAME: PHONE}}).encode()
        servers = self.system.told["kafka_bootstrap_servers"]
        async with (
            AIOKafkaConsumer(
                "patient-messages-dlq", bootstrap_servers=servers, auto_offset_reset="earliest"
            ) as letters,
            AIOKafkaProducer(bootstrap_servers=servers) as producer,
        ):
            await producer.send_and_wait("patient-messages", value, key=practice_id.encode(), headers=headers)
            async with asyncio.timeout(90):
                async for letter in letters:
                    if ce_id.encode() in dict(letter.headers).values():
                        return


def hl7_message(appointment: str) -> str:
    return "\r".join(
        (
            f"MSH|^~\\&|SCHED|{HL7}|SB|SB|20261124120000-0500||SIU^S12^SIU_S12|{uuid.uuid4().hex[:12]}|P|2.5.1",
            f"SCH|{appointment}||||{BODY}|||30|MIN",
            "TQ1|1||||||20991201143000-0500",
            f"PID|1||cn-pt||{NAME}^Example||{BIRTH_DATE.replace('-', '')}|||||{PHONE}",
            "RGS|1",
            "AIL|1||elm",
            "",
        )
    )


@asynccontextmanager
async def database(system: System) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(system.told["postgres_dsn"])
    try:
        yield connection
    finally:
        await connection.close()


async def records_of(system: System) -> list[ConsumerRecord]:
    """Every record of every topic."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=system.told["kafka_bootstrap_servers"], auto_offset_reset="earliest", enable_auto_commit=False
    )
    found: list[ConsumerRecord] = []
    async with consumer:
        topics = tuple(name for name in await consumer.topics() if not name.startswith("__"))
        counts = await partition_counts(KafkaConnection(system.told["kafka_bootstrap_servers"], "test"), topics)
        parts = [TopicPartition(name, part) for name, count in counts.items() for part in range(count)]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                fetched = await consumer.getmany(partition, timeout_ms=1000)
                found += [record for records in fetched.values() for record in records]
    return found


async def error_columns(system: System) -> str:
    """What services noted about failures, of every table."""
    async with database(system) as connection:
        columns = await connection.fetch(
            """
            SELECT format('%I.%I', table_schema, table_name) AS place, column_name FROM information_schema.columns
            WHERE table_schema = ANY($1) AND column_name = ANY($2)
            """,
            ["ingest", "router", "notifier", "pm_sync"],
            ERROR_COLUMNS,
        )
        texts = [
            await connection.fetchval(f'SELECT string_agg("{row[1]}"::text, chr(10)) FROM {row[0]}')  # noqa: S608 - names
            for row in columns
        ]
    return "\n".join(text for text in texts if text)


async def places(walk: Walk) -> dict[str, str]:
    """Where nothing of a patient belongs, and all that is there now."""
    system = walk.system
    async with system.client() as http:
        metrics = (await http.get("/metrics")).text
    records = await records_of(system)
    told_about = [one for one in records if b"StaffNotified" in dict(one.headers).get("ce_type", b"")]
    outside = walk.outside
    return {
        "traces": b"".join(walk.collector.bodies).decode(errors="replace"),
        "e-mails": b"\n".join(outside.mails).decode(errors="replace"),
        "push": "\n".join(walk.pushed),
        "calls": "\n".join(f"{path} {headers}{body.decode(errors='replace')}" for path, headers, body in outside.calls),
        "hl7 answers": "\n".join(walk.hl7_answers),
        "logs": "".join((system.directory / name).read_text("utf-8", errors="replace") for name in LOGS),
        "metrics": metrics,
        "refusals": "\n".join(f"{answer.headers}{answer.text}" for answer in walk.refusals),
        "kafka keys": "\n".join((one.key or b"").decode(errors="replace") for one in records),
        "kafka headers": "\n".join(str(one.headers) for one in records),
        "notifications": "\n".join(str(one.value) for one in told_about),
        "error columns": await error_columns(system),
    }


@pytest.fixture
async def walk(system: System, collector: Collector, outside: Outside) -> Walk:
    done = Walk(system, collector, outside)
    await done.of_practice_management()
    await done.of_hl7()
    await done.of_fhir()
    hook = await done.of_people_not_looking()
    conversation_id = await done.of_texts()
    await done.of_messenger()
    await done.of_staff(conversation_id)
    await done.told_outside(hook)
    await done.of_adapters()
    await done.of_dead_letters()
    return done


async def test_nothing_of_a_patient_is_where_it_does_not_belong(walk: Walk) -> None:
    found = await places(walk)
    practice_id = walk.system.told["practice_id"]
    known = {
        "traces": "deliver staff-notifications",
        "e-mails": "waits",
        "push": "conversations",
        "calls": "conversation_id",
        "hl7 answers": "MSA|AA|",
        "logs": "claimed",
        "metrics": "switchboard_",
        "refusals": "application/problem+json",
        "kafka keys": practice_id,
        "kafka headers": "MessageReceived",
        "notifications": practice_id,
        "error columns": "{",
    }

    assert {place: words for place, words in known.items() if words not in found[place]} == {}  # each was really read
    leaks = [(place, secret) for place, text in found.items() for secret in CANARY if secret in text]
    assert leaks == []


async def test_what_is_planted_in_each_place_is_found(walk: Walk) -> None:
    system, practice_id = walk.system, walk.system.told["practice_id"]
    async with system.client() as http:
        answer = await http.get("/v1/inboxes")
    walk.refusals.append(httpx.Response(HTTPStatus.BAD_REQUEST, headers=answer.headers, text=PLANT))
    walk.collector.bodies.append(PLANT.encode())
    walk.outside.mails.append(PLANT.encode())
    walk.outside.calls.append(("/", "", PLANT.encode()))
    walk.pushed.append(PLANT)
    walk.hl7_answers.append(PLANT)
    with (system.directory / "output.txt").open("a") as output:
        output.write(f"{PLANT}\n")
    headers = [("ce_type", b"switchboard.StaffNotified.v1"), ("ce_id", PLANT.encode())]
    servers = system.told["kafka_bootstrap_servers"]
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        await producer.send_and_wait("staff-notifications-dlq", PLANT.encode(), key=PLANT.encode(), headers=headers)
    async with database(system) as connection:
        await connection.execute("UPDATE pm_sync.sync_run SET problem = $2 WHERE practice_id = $1", practice_id, PLANT)
    found = await places(walk)

    assert {place for place, text in found.items() if PLANT in text} == set(found) - {"metrics"}
