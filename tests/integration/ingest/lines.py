"""The real service with a practice's lines, from outside: the providers' side of them, and eyes on what came of it."""

import base64
import itertools
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twilio.request_validator import RequestValidator

from shared_schemas.cloudevents import decode, encode
from shared_schemas.conversation_changes import MessageAmendedV1
from shared_schemas.ids import message_id
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_management import PatientSyncedV1
from shared_schemas.routed_messages import ConversationUpdatedV1
from shared_schemas.topics import PATIENTS
from shared_schemas.values import PatientEvent
from switchboard_cli.demo.run import stand_in_provider
from switchboard_cli.demo.stand_in_telnyx import telnyx_headers
from tests.faults.parts import PARTITIONS, Parts, open_directory, running_parts, until

PRACTICE, ACCOUNT, TOKEN = "channel-practice", "AC" + "0" * 32, "made-up-token"
PUBLIC_URL = "http://localhost"
TELNYX_KEY = Ed25519PrivateKey.generate()
ADAPTER_TOKEN = "made-up-token-of-an-adapter"  # noqa: S105 - of this test
SMS, VOICE = "/hooks/twilio/sms/sms", "/hooks/twilio/voice/voice"
ROOT = Path(__file__).resolve().parents[3]
API = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}"
_KNOWN = "SELECT FROM ingest.patient WHERE patient_id = $1 AND as_of = $2"
_SENT = "SELECT FROM ingest.outgoing_text WHERE status = 'sent' AND text_id = $1"
E = TypeVar("E", bound=PatientEvent)
_numbers = itertools.count(1)


def new_number() -> int:
    return next(_numbers)


def new_sid(kind: str) -> str:
    return f"{kind}{new_number():032}"


@dataclass
class Lines:
    """The providers' side of a practice, and eyes on what came of it."""

    parts: Parts
    http: httpx.AsyncClient
    provider_url: str
    staff: dict[str, str]
    _events: list[PatientEvent] = field(default_factory=list)
    _positions: dict[TopicPartition, int] = field(default_factory=dict)

    async def post(self, path: str, **form: str) -> httpx.Response:
        form = {"AccountSid": ACCOUNT, **form}
        signature = RequestValidator(TOKEN).compute_signature(PUBLIC_URL + path, form)
        return await self.http.post(path, data=form, headers={"X-Twilio-Signature": signature})

    async def text(self, phone: str, body: str, *, sid: str | None = None, **more: str) -> str:
        """Send a text; returns the message's id."""
        sid = sid or new_sid("SM")
        answer = await self.post(SMS, MessageSid=sid, From=phone, To="+12125550100", Body=body, **more)
        assert answer.status_code == 200
        return message_id("sms", PRACTICE, sid)

    async def telnyx(self, event_type: str, payload: Mapping[str, object], query: str = "") -> None:
        body = json.dumps({"data": {"event_type": event_type, "payload": payload}}).encode()
        headers = telnyx_headers(TELNYX_KEY, body, datetime.now(UTC))
        (await self.http.post(f"/hooks/telnyx/sms/telnyx{query}", content=body, headers=headers)).raise_for_status()

    async def adapt(self, body: str, received_at: datetime) -> str:
        """Publish what another program's channel received; returns the message's id."""
        key = new_sid("adapter-")
        data = {
            "message_id": message_id("web", PRACTICE, key),
            "practice_id": PRACTICE,
            "patient_id": "pt-1",
            "channel": "web",
            "provider_message_id": key,
            "received_at": received_at.isoformat(),
            "body": body,
            "identity": "matched",
        }
        event = {"specversion": "1.0", "id": key, "source": "/x", "type": MessageReceivedV1.ce_type, "data": data}
        headers = {"Authorization": f"Bearer {ADAPTER_TOKEN}", "Content-Type": "application/cloudevents+json"}
        (await self.http.post("/v1/messages", json=event, headers=headers)).raise_for_status()
        return str(data["message_id"])

    async def behaves(self, phone: str, **behaviour: object) -> None:
        (await self.http.put(f"{self.provider_url}/numbers/{phone}", json=behaviour)).raise_for_status()

    async def answer(self, phone: str, provider: str) -> str:
        """Text by this provider, and be answered by staff; returns the answer's id once the provider has it."""
        answer_id = new_sid("answer-")
        if provider == "twilio":
            await self.text(phone, "A made-up question")
        else:
            sender = {"phone_number": phone}
            await self.telnyx("message.received", {"id": answer_id, "from": sender, "text": "A made-up question"})
        example = ROOT / "shared/schemas/examples/ConversationUpdated.v1.json"
        said = {"message_id": answer_id, "body": "A made-up answer", "channel": "sms"}
        about = {"practice_id": PRACTICE, "patient_id": await patient_of(self, phone), "change_id": answer_id}
        now = datetime.now(UTC)
        event = ConversationUpdatedV1.model_validate(
            {**json.loads(example.read_text()), **about, "change": "replied", "occurred_at": now, "reply": said}
        )
        await self._publish("routed-messages", event, now)

        async def is_sent() -> bool:
            return bool(await self.parts.query(_SENT, answer_id))

        await until(is_sent, "the answer is sent", 20)
        return answer_id

    async def know(self, patient_id: str, phone: str, *, merged_into: str | None = None) -> None:
        """Tell of a patient's record as it is now, and wait until the service has heard it."""
        now = datetime.now(UTC)
        event = PatientSyncedV1(
            practice_id=PRACTICE,
            patient_id=patient_id,
            given_name="Testy",
            family_name="Madeup",
            birth_date=None,
            phones=(phone,),
            active=merged_into is None,
            merged_into=merged_into,
            as_of=now,
        )
        await self._publish(PATIENTS.name, event, now)

        async def is_known() -> bool:
            return bool(await self.parts.query(_KNOWN, patient_id, now))

        await until(is_known, "the record is known", 20)

    async def _publish(self, topic: str, event: PatientEvent, at: datetime) -> None:
        headers, value = encode(event, "/test", at)
        async with AIOKafkaProducer(bootstrap_servers=self.parts.kafka_bootstrap_servers) as producer:
            await producer.send_and_wait(topic, value, key=event.key.encode(), headers=list(headers))

    async def report(self, provider: str, text_id: str, status: str) -> None:
        """Tell what became of a text, as this provider does."""
        (text,) = await self.parts.query(
            "SELECT provider_message_id FROM ingest.outgoing_text WHERE text_id = $1", text_id
        )
        sid, query = str(text["provider_message_id"]), f"?text_id={text_id}"
        if provider == "twilio":
            told = {"sent": "sent", "failed": "undelivered", "delivered": "delivered"}[status]
            code = {"ErrorCode": "30003"} if status == "failed" else {}
            (await self.post(f"{SMS}/status{query}", MessageSid=sid, MessageStatus=told, **code)).raise_for_status()
        else:
            told = {"sent": "sent", "failed": "delivery_failed", "delivered": "delivered"}[status]
            errors = [{"code": "40001"}] if status == "failed" else []
            await self.telnyx("message.finalized", {"id": sid, "to": [{"status": told}], "errors": errors}, query)

    async def texted(self, phone: str) -> list[str]:
        """What a phone was sent so far, once nothing waits to be sent."""

        async def is_idle() -> bool:
            return not await self.parts.query("SELECT FROM ingest.text_queue")

        await until(is_idle, "all texts are sent", 20)
        outbox = (await self.http.get(f"{self.provider_url}/outbox")).json()
        return [text["body"] for text in outbox if text["to"] == phone]

    async def about(self, kind: type[E], id_: str) -> list[E]:
        """The events of this kind in Kafka about a message, or a patient, each once."""
        await self._read()
        found = [one for one in self._events if isinstance(one, kind)]
        mine = [one for one in found if id_ in {getattr(one, "message_id", None), one.patient_id}]
        return list({one.ce_id: one for one in mine}.values())

    async def settled(self, id_: str) -> MessageAmendedV1:
        """What is said of the file of a message, once it is."""

        async def is_said() -> bool:
            return bool(await self.about(MessageAmendedV1, id_))

        await until(is_said, "the file is settled", 30)
        (said,) = await self.about(MessageAmendedV1, id_)
        return said

    async def _read(self) -> None:
        """What was accepted is in Kafka: nothing waits in the spool."""

        async def is_drained() -> bool:
            return not await self.parts.query("SELECT FROM ingest.spooled")

        await until(is_drained, "the spool is empty", 20)
        consumer: Any = AIOKafkaConsumer(bootstrap_servers=self.parts.kafka_bootstrap_servers)
        await consumer.start()
        try:
            topics = ("patient-messages", "conversation-changes")
            partitions = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            for one in partitions:
                consumer.seek(one, self._positions.get(one, 0))
            while any([await consumer.position(one) < ends[one] for one in partitions]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    events = [decode(dict(record.headers), record.value) for record in records]
                    self._events += [one for one in events if isinstance(one, PatientEvent)]
            self._positions = dict(ends)
        finally:
            await consumer.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lines() -> AsyncGenerator[Lines]:
    with open_directory() as directory:
        async with stand_in_provider() as (provider_url, _):
            told = {
                "SWITCHBOARD_PUBLIC_URL": PUBLIC_URL,
                "SWITCHBOARD_INGEST_TWILIO_API_URL": provider_url,
                "SWITCHBOARD_INGEST_TELNYX_API_URL": provider_url,
            }
            async with (
                running_parts(directory, ("ingest",), told) as parts,
                httpx.AsyncClient(base_url=parts.services["ingest"].url, timeout=20) as http,
            ):
                token = parts.issuer.token(role="operator", practice_id=None, staff_id="op")
                operator = {"Authorization": f"Bearer {token}"}
                base = f"/v1/practices/{PRACTICE}"
                twilio = {"number": "+12125550100", "account_sid": ACCOUNT, "auth_token": TOKEN}
                public_key = base64.b64encode(TELNYX_KEY.public_key().public_bytes_raw()).decode()
                telnyx = {"kind": "telnyx-sms", "number": "+12125550102", "public_key": public_key, "api_key": TOKEN}
                profile = {"slug": PRACTICE, "name": "Channel Practice", "emergency_words": ["chest pain"]}
                for path, body in (
                    ("profile", profile),
                    ("channels/sms", {"kind": "twilio-sms", **twilio}),
                    ("channels/adapter", {"kind": "adapter", "token": ADAPTER_TOKEN}),
                    ("channels/voice", {"kind": "twilio-voice", **twilio}),
                    ("channels/telnyx", telnyx),
                ):
                    (await http.put(f"{base}/{path}", json=body, headers=operator)).raise_for_status()
                member = parts.issuer.token(role="member", practice_id=PRACTICE, staff_id="fay")
                yield Lines(parts, http, provider_url, {"Authorization": f"Bearer {member}"})


async def patient_of(lines: Lines, phone: str) -> str:
    """The contact that a phone is."""
    rows = await lines.parts.query("SELECT contact_id FROM ingest.contact WHERE phone = $1", phone)
    return str(rows[0]["contact_id"])
