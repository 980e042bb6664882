"""Made-up practices: who works there, who writes to them, and the settings that their administrator saves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from shared_schemas import topics
from shared_schemas.practice_management import (
    AppointmentStatus,
    AppointmentSyncedV1,
    DirectorySyncedV1,
    Location,
    PatientSyncedV1,
    Provider,
)
from shared_schemas.topics import Topic
from shared_schemas.values import Event
from switchboard_cli.development_issuer import DevelopmentIssuer
from tests.faults.parts import Parts, plain_http
from tests.oracle.happenings import LOCATIONS, PROVIDERS, STAFF, STATUSES, Practice, Saved

PUBLIC_URL = "http://localhost"
AUTH_TOKEN = "made-up-token"  # noqa: S105 - of these tests
ADMINISTRATOR = STAFF[0]
"""Always active, and sees every inbox: so there is a stream for every message."""
PATIENTS = 5
APPOINTMENTS = 3
"""Of each patient."""
_UNDERWAY = timedelta(days=1)
"""Nobody's appointment begins while we run: which ones are upcoming does not depend on when exactly."""


@dataclass(frozen=True, slots=True)
class Patient:
    """Of the PM system, so texts are recognised by their phone."""

    id: str
    phone: str


@dataclass
class StaffedPractice:
    """A practice, and what is needed to act for its people."""

    id: str
    random: Random
    issuer: DevelopmentIssuer
    patients: list[Patient]
    version: int = 0
    """Of the settings that we saved last."""
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> str:
        """The channel that takes texts."""
        return f"{self.id}-sms"

    @property
    def adapter_token(self) -> str:
        return f"made-up-adapter-of-{self.id}"

    def headers(self, staff: str) -> dict[str, str]:
        if staff not in self.tokens:
            role = "administrator" if staff == ADMINISTRATOR else "member"
            self.tokens[staff] = self.issuer.token(role=role, practice_id=self.id, staff_id=staff)
        return {"Authorization": f"Bearer {self.tokens[staff]}"}

    def settings(self, *, all_active: bool = False) -> dict[str, Any]:
        """Other settings, as random as the rules' own tests have them, that leave the administrator in charge."""
        (saved,) = Practice(self.random).many("saved", 1)
        assert isinstance(saved, Saved)
        drawn = dict(saved.settings)
        drawn["sms_reason_menu"] = False  # a text that goes out is another story
        drawn["members"] = [self._member(one, all_active=all_active) for one in drawn["members"]]
        drawn["shared_inboxes"] = [
            one | {"members": sorted({ADMINISTRATOR, *one["members"]})} for one in drawn["shared_inboxes"]
        ]
        return drawn | {"practice_id": self.id}

    def first_sync(self) -> list[tuple[Topic, Event]]:
        """What the PM system tells once: places, people and patients."""
        now = datetime.now(UTC)
        directory = DirectorySyncedV1(
            practice_id=self.id,
            locations=tuple(Location(id=one, name=one) for one in LOCATIONS),
            providers=tuple(Provider(id=one, name=one) for one in PROVIDERS),
            as_of=now,
        )
        patients = (
            PatientSyncedV1(
                practice_id=self.id,
                patient_id=one.id,
                given_name="Pat",
                family_name="Madeup",
                phones=(one.phone,),
                as_of=now,
            )
            for one in self.patients
        )
        return [(topics.PRACTICE_DIRECTORY, directory), *((topics.PATIENTS, one) for one in patients)]

    def appointment(self, patient: Patient) -> AppointmentSyncedV1:
        """What the PM system says now about one of the patient's appointments."""
        now = datetime.now(UTC)
        status: AppointmentStatus = self.random.choice(STATUSES)
        return AppointmentSyncedV1(
            practice_id=self.id,
            patient_id=patient.id,
            appointment_id=f"apt-{self.random.randrange(APPOINTMENTS)}",
            status=status,
            start=now + _UNDERWAY * self.random.randrange(1, 20),
            location_id=self.random.choice((*LOCATIONS, None)),
            provider_id=self.random.choice((*PROVIDERS, None)),
            source="made-up",
            as_of=now,
        )

    @staticmethod
    def _member(member: Mapping[str, Any], *, all_active: bool) -> dict[str, Any]:
        is_administrator = member["staff_id"] == ADMINISTRATOR
        changed: dict[str, Any] = {"active": True} if is_administrator or all_active else {}
        return {**member, **changed, **({"role": "administrator", "unassigned": True} if is_administrator else {})}


def make_practice(number: int, random: Random, issuer: DevelopmentIssuer) -> StaffedPractice:
    name = f"practice-{number}"
    patients = [Patient(f"patient-{one}", f"+1312555{100 + PATIENTS * number + one:04}") for one in range(PATIENTS)]
    return StaffedPractice(name, random, issuer, patients)


async def set_up(parts: Parts, practice: StaffedPractice) -> None:
    """As an operator does: profile, channels, settings."""
    token = parts.issuer.token(role="operator", practice_id=None, staff_id="operator")
    base = f"/v1/practices/{practice.id}"
    number = f"+1212555{100 + int(practice.id.partition('-')[2]):04}"
    texts = {"kind": "twilio-sms", "number": number, "account_sid": "AC" + "0" * 32, "auth_token": AUTH_TOKEN}
    adapter = {"kind": "adapter", "token": practice.adapter_token}
    profile = {"slug": practice.id, "name": "A made-up practice", "country": "US"}
    async with plain_http(headers={"Authorization": f"Bearer {token}"}, timeout=20) as http:
        ingest, router = parts.instances("ingest")[0].url, parts.instances("router")[0].url
        for path, body in (
            ("profile", profile),
            (f"channels/{practice.texts}", texts),
            (f"channels/{practice.id}-adapter", adapter),
        ):
            (await http.put(f"{ingest}{base}/{path}", json=body)).raise_for_status()
        saved = await http.put(f"{router}{base}/routing-settings", json=practice.settings())
        saved.raise_for_status()
        practice.version = saved.json()["version"]
