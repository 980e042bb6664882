"""Sets up the demo's practice through the public APIs, as an operator would, and says how to drive it from outside."""

import asyncio
import base64
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared_schemas.ids import content_id
from switchboard_cli.demo import practice
from switchboard_cli.demo.stand_in_provider import OUTBOX_PATH
from switchboard_cli.development_issuer import DevelopmentIssuer, Person


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the seed made: secrets of the channels, and a token for each staff member."""

    auth_token: str
    adapter_token: str
    telnyx_key: Ed25519PrivateKey
    tokens: dict[str, str]
    other_token: str
    patients: list[practice.Patient]


def plan(issuer: DevelopmentIssuer, telnyx_key: Ed25519PrivateKey) -> Seeded:
    """Secrets and tokens, made on this machine; the seed's ids are the same every time, its secrets are not."""
    return Seeded(
        auth_token=secrets.token_hex(16),
        adapter_token=secrets.token_urlsafe(24),
        telnyx_key=telnyx_key,
        tokens={
            person.staff_id: issuer.token(role=person.role, practice_id=practice.PRACTICE_ID, staff_id=person.staff_id)
            for person in practice.STAFF
        },
        other_token=issuer.token(
            role=practice.OTHER_STAFF.role,
            practice_id=practice.OTHER_PRACTICE_ID,
            staff_id=practice.OTHER_STAFF.staff_id,
        ),
        patients=practice.patients(datetime.now(UTC)),
    )


def people() -> list[Person]:
    """Whom one can sign in as: both practices' staff."""
    staff = [(practice.PRACTICE_ID, one) for one in practice.STAFF]
    return [
        Person(one.staff_id, one.name, one.role, practice_id)
        for practice_id, one in [*staff, (practice.OTHER_PRACTICE_ID, practice.OTHER_STAFF)]
    ]


async def seed(http: httpx.AsyncClient, operator_token: str, seeded: Seeded, *, fhir_url: str | None = None) -> None:
    """Make both practices. Safe to repeat: a second run changes what changed and nothing else.

    Appointments come from the FHIR server at `fhir_url`, and without one from a file.
    """
    operator = Operator(http, operator_token)
    profile = {
        "slug": practice.PRACTICE_ID,
        "name": practice.PRACTICE_NAME,
        "country": "US",
        "emergency_words": practice.EMERGENCY_WORDS,
        "messenger": practice.MESSENGER,
    }
    await operator.put(f"{practice.PRACTICE_ID}/profile", profile)
    for channel_id, channel in _channels(seeded).items():
        await operator.put(f"{practice.PRACTICE_ID}/channels/{channel_id}", channel)
    await operator.put_settings(practice.PRACTICE_ID, practice.routing_settings())
    other = {"slug": practice.OTHER_PRACTICE_ID, "name": practice.OTHER_PRACTICE_NAME, "country": "US"}
    await operator.put(f"{practice.OTHER_PRACTICE_ID}/profile", other)
    await operator.put_settings(practice.OTHER_PRACTICE_ID, practice.other_routing_settings())
    if fhir_url is None:
        await operator.put(_CONNECTION, {"kind": "csv", "time_zone": "America/New_York"})
        await operator.upload(practice.appointments_csv(seeded.patients))
    else:
        asked_at = datetime.now(UTC)
        await operator.put(_CONNECTION, {"kind": "fhir-r4", "base_url": fhir_url, **_FHIR})
        await operator.until_synced(asked_at)


_CONNECTION = f"{practice.PRACTICE_ID}/pm-connections/{practice.PM_CONNECTION}"
_FHIR = {"time_zone": "America/New_York", "poll": "PT2S", "reread": "PT5M"}
"""So often that one need not wait for what one changes in the demo."""
_SYNC_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Operator:
    """A client of the APIs with an operator's token."""

    http: httpx.AsyncClient
    token: str

    async def put(self, path: str, body: dict[str, Any], **headers: str) -> None:
        """Raises httpx.HTTPStatusError when the answer is no success."""
        sent = await self.http.put(f"/v1/practices/{path}", json=body, headers=self._headers | headers)
        sent.raise_for_status()

    async def put_settings(self, practice_id: str, settings: dict[str, Any]) -> None:
        """Save routing settings over whatever version is there."""
        path = f"{practice_id}/routing-settings"
        current = await self.http.get(f"/v1/practices/{path}", headers=self._headers)
        if_match = {"If-Match": current.headers["etag"]} if "etag" in current.headers else {}
        await self.put(path, settings, **if_match)

    async def upload(self, csv_text: str) -> None:
        """Hand an export of the PM system to pm-sync."""
        path = f"/v1/practices/{_CONNECTION}/csv"
        headers = self._headers | {"Content-Type": "text/csv; charset=utf-8"}
        (await self.http.post(path, content=csv_text.encode(), headers=headers)).raise_for_status()

    async def until_synced(self, since: datetime) -> None:
        """Return once the PM system was read from end to end. Raises `TimeoutError`."""
        async with asyncio.timeout(_SYNC_SECONDS):
            while True:
                answer = await self.http.get(f"/v1/practices/{_CONNECTION}/status", headers=self._headers)
                at = answer.raise_for_status().json()["complete_at"]
                if at is not None and datetime.fromisoformat(at) >= since:
                    return
                await asyncio.sleep(0.05)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _channels(seeded: Seeded) -> dict[str, dict[str, Any]]:
    twilio = {"account_sid": practice.ACCOUNT_SID, "auth_token": seeded.auth_token}
    return {
        practice.SMS_CHANNEL: {"kind": "twilio-sms", "number": practice.SMS_NUMBER, **twilio},
        practice.VOICE_CHANNEL: {"kind": "twilio-voice", "number": practice.VOICE_NUMBER, **twilio},
        practice.TELNYX_CHANNEL: {
            "kind": "telnyx-sms",
            "number": practice.TELNYX_NUMBER,
            "public_key": base64.b64encode(seeded.telnyx_key.public_key().public_bytes_raw()).decode(),
            "api_key": seeded.adapter_token,
        },
        practice.ADAPTER_CHANNEL: {"kind": "adapter", "token": seeded.adapter_token},
    }


def write_demo_file(path: Path, seeded: Seeded, surroundings: dict[str, str]) -> None:
    """Write `demo.json`: all that a program needs to drive the running system from outside.

    `surroundings` has base_url, kafka_bootstrap_servers, postgres_dsn, provider_url, and fhir_url where appointments come
    from a FHIR server. The file holds secrets of this
    demo: only its owner may read it.
    """
    base_url = surroundings["base_url"]
    twilio = {"auth_token": seeded.auth_token, "public_url": base_url}
    content = {
        "base_url": base_url,
        "kafka_bootstrap_servers": surroundings["kafka_bootstrap_servers"],
        "postgres_dsn": surroundings["postgres_dsn"],
        "practice_id": practice.PRACTICE_ID,
        "practice_slug": practice.PRACTICE_ID,
        "channels": {
            "twilio_sms": {"id": practice.SMS_CHANNEL, "number": practice.SMS_NUMBER, **twilio},
            "twilio_voice": {
                "id": practice.VOICE_CHANNEL,
                "number": practice.VOICE_NUMBER,
                "extensions": practice.EXTENSIONS,
                **twilio,
            },
            "telnyx_sms": {
                "id": practice.TELNYX_CHANNEL,
                "number": practice.TELNYX_NUMBER,
                "public_key": base64.b64encode(seeded.telnyx_key.public_key().public_bytes_raw()).decode(),
                "private_key": base64.b64encode(seeded.telnyx_key.private_bytes_raw()).decode(),
                "public_url": base_url,
            },
        },
        "adapter": {"id": practice.ADAPTER_CHANNEL, "token": seeded.adapter_token},
        "staff": [
            {
                "staff_id": person.staff_id,
                "name": person.name,
                "role": person.role,
                "token": seeded.tokens[person.staff_id],
                "subscriptions": person.as_member()["subscriptions"],
            }
            for person in practice.STAFF
        ],
        "reasons": [{"id": reason_id, "label": label["en"]} for reason_id, label in practice.REASONS.items()],
        "locations": [{"id": location_id, "name": name} for location_id, name in practice.LOCATIONS.items()],
        "patients": [_patient(patient) for patient in seeded.patients],
        "pm": {"kind": "fhir-r4", "base_url": surroundings["fhir_url"]}
        if "fhir_url" in surroundings
        else {"kind": "csv", "base_url": f"{base_url}/v1/practices/{_CONNECTION}/csv"},
        "provider": {"outbox_url": surroundings["provider_url"] + OUTBOX_PATH},
        "other_practice": {
            "practice_id": practice.OTHER_PRACTICE_ID,
            "staff": [
                {
                    "staff_id": practice.OTHER_STAFF.staff_id,
                    "name": practice.OTHER_STAFF.name,
                    "role": practice.OTHER_STAFF.role,
                    "token": seeded.other_token,
                }
            ],
        },
    }
    temporary = path.with_suffix(".writing")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(content, indent=2), encoding="utf-8")
    temporary.replace(path)


def _patient(patient: practice.Patient) -> dict[str, Any]:
    """`next_appointment` is null where there is none to come."""
    appointment = None
    if patient.location_id is not None:
        appointment = {
            "location_id": patient.location_id,
            "provider_id": practice.provider_at(patient.location_id),
            "start": patient.next_start.isoformat(),
        }
    return {
        "patient_id": patient.patient_id,
        "phone": patient.phone,
        "date_of_birth": patient.birth_date.isoformat(),
        "next_appointment": appointment,
    }


def provider_message_id(kind: str, run: str, index: int) -> str:
    """An id of the provider's form (two letters and 32 hexadecimal digits) that is new in each run."""
    return kind + content_id(kind, run, str(index)).replace("-", "")
