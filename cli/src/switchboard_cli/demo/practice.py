"""Maple Street Family Medicine: the demo's practice. Everybody in it is made up; the ids are the same every time.

Phone numbers are of the range 555-0100 to 555-0199, which is kept for fiction.
"""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

PRACTICE_ID = "maple-street"
PRACTICE_NAME = "Maple Street Family Medicine"
OTHER_PRACTICE_ID = "oak-hill"
OTHER_PRACTICE_NAME = "Oak Hill Pediatrics"

LOCATIONS = {"elm": "Elm Street", "river": "River Road", "north": "North Clinic"}
PROVIDERS = {"dr-ash": "Dr. Ash Example", "dr-birch": "Dr. Birch Example", "dr-cedar": "Dr. Cedar Example"}
_PROVIDER_AT = {"elm": "dr-ash", "river": "dr-birch", "north": "dr-cedar"}

MESSENGER = {
    "colour": "#17594a",
    "hours": {
        "en": "Monday to Friday, 8 AM to 5 PM. We answer within a day.",
        "es": "De lunes a viernes, de 8 a 17 h. Respondemos en un día.",
    },
}
"""How its messenger looks, and what it says at the foot of each page."""

SMS_CHANNEL = "maple-sms"
VOICE_CHANNEL = "maple-voice"
TELNYX_CHANNEL = "maple-telnyx"
ADAPTER_CHANNEL = "maple-adapter"
PM_CONNECTION = "maple-pm"
SMS_NUMBER = "+12125550100"
VOICE_NUMBER = "+12125550101"
TELNYX_NUMBER = "+12125550102"
ACCOUNT_SID = "AC" + "0" * 31 + "1"

EXTENSIONS = {"1": "appointments", "2": "refills", "3": "nurse-line"}
NURSE_LINE = "nurse-line"
EMERGENCY_WORDS = ["chest pain", "cannot breathe", "can't breathe", "stroke", "suicide"]


def provider_at(location_id: str) -> str:
    """The one provider who works at a location."""
    return _PROVIDER_AT[location_id]


PATIENT_COUNT = 72
_NO_APPOINTMENT = range(37, 43)
_CANCELLED_ONLY = range(43, 46)
_PAST_ONLY = range(46, 49)


@dataclass(frozen=True, slots=True)
class Patient:
    """A made-up patient. Number 7 is always number 7."""

    number: int
    started_at: datetime
    """When the demo started: appointments are relative to it."""

    @property
    def patient_id(self) -> str:
        """The id in the practice-management system."""
        return f"pt-{self.number:03}"

    @property
    def phone(self) -> str:
        """E.164, in the range kept for fiction."""
        return f"+13125550{100 + self.number}"

    @property
    def birth_date(self) -> date:
        """Nobody's birthday in particular."""
        return date(1950, 1, 1) + timedelta(days=self.number * 250)

    @property
    def location_id(self) -> str | None:
        """Where the next appointment is; None where there is none to come."""
        if self.number in (*_NO_APPOINTMENT, *_CANCELLED_ONLY, *_PAST_ONLY):
            return None
        return list(LOCATIONS)[self.number % len(LOCATIONS)]

    @property
    def next_start(self) -> datetime:
        """When the next appointment starts, if there is one."""
        midday = self.started_at.replace(minute=0, second=0, microsecond=0)
        return midday + timedelta(days=1 + self.number % 9, hours=self.number % 7)

    def appointment_rows(self) -> list[dict[str, str]]:
        """This patient's rows of the practice-management system's export."""
        if self.number in _NO_APPOINTMENT:
            return [self._row("", "", None)]
        if self.number in _CANCELLED_ONLY:
            return [self._row("cancelled", "elm", self.next_start)]
        if self.location_id is None:
            return [self._row("fulfilled", "river", self.started_at - timedelta(days=3))]
        elsewhere = "river" if self.location_id == "elm" else "elm"
        later = self._row("booked", elsewhere, self.next_start + timedelta(days=30), suffix="-later")
        return [self._row("booked", self.location_id, self.next_start), later]

    def _row(self, status: str, location_id: str, start: datetime | None, *, suffix: str = "") -> dict[str, str]:
        provider_id = _PROVIDER_AT.get(location_id, "")
        return {
            "appointment_id": f"apt-{self.number:03}{suffix}" if start else "",
            "patient_id": self.patient_id,
            "given_name": "Testy",
            "family_name": f"McSample-{self.number:03}",
            "birth_date": self.birth_date.isoformat(),
            "phone": self.phone,
            "status": status,
            "start": start.isoformat() if start else "",
            "end": (start + timedelta(minutes=20)).isoformat() if start else "",
            "location_id": location_id,
            "location_name": LOCATIONS.get(location_id, ""),
            "provider_id": provider_id,
            "provider_name": PROVIDERS.get(provider_id, ""),
        }


def patients(started_at: datetime | None = None) -> list[Patient]:
    """All the demo's patients: most with an appointment to come, some with none, a cancelled one or a past one."""
    at = started_at or datetime.now(UTC)
    return [Patient(number, at) for number in range(1, PATIENT_COUNT + 1)]


def appointments_csv(people: list[Patient]) -> str:
    """What the practice-management system exports."""
    rows = [row for patient in people for row in patient.appointment_rows()]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def fhir_resources(people: list[Patient]) -> list[dict[str, Any]]:
    """The same, as FHIR resources."""
    places = [{"resourceType": "Location", "id": id_, "name": name} for id_, name in LOCATIONS.items()]
    providers = [
        {"resourceType": "Practitioner", "id": id_, "name": [{"text": name}]} for id_, name in PROVIDERS.items()
    ]
    rows = [row for patient in people for row in patient.appointment_rows()]
    return [*places, *providers, *map(_fhir_patient, people), *(_fhir_appointment(row) for row in rows if row["start"])]


def _fhir_patient(patient: Patient) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": patient.patient_id,
        "name": [{"use": "official", "family": f"McSample-{patient.number:03}", "given": ["Testy"]}],
        "telecom": [{"system": "phone", "value": patient.phone}],
        "birthDate": patient.birth_date.isoformat(),
    }


def _fhir_appointment(row: dict[str, str]) -> dict[str, Any]:
    actors = {"Patient": row["patient_id"], "Location": row["location_id"], "Practitioner": row["provider_id"]}
    return {
        "resourceType": "Appointment",
        "id": row["appointment_id"],
        "status": row["status"],
        "start": row["start"],
        "end": row["end"],
        "participant": [
            {"actor": {"reference": f"{kind}/{id_}"}, "status": "accepted"} for kind, id_ in actors.items() if id_
        ],
    }


@dataclass(frozen=True, slots=True)
class Staff:
    """One person of the made-up staff."""

    staff_id: str
    name: str
    role: str = "member"
    unassigned: bool = False
    subscriptions: tuple[tuple[tuple[str, ...] | str, tuple[str, ...] | str], ...] = ()
    """(reasons, locations) pairs, each explicit or `all`."""

    def as_member(self) -> dict[str, object]:
        """The form of the routing settings."""
        return {
            "staff_id": self.staff_id,
            "name": self.name,
            "role": self.role,
            "active": True,
            "unassigned": self.unassigned,
            "subscriptions": [
                {"id": f"{self.staff_id}-{index}", "reasons": reasons, "locations": locations, "providers": "all"}
                for index, (reasons, locations) in enumerate(self.subscriptions, start=1)
            ],
        }


STAFF = (
    Staff("ada-admin", "Ada Madeup", "administrator", unassigned=True),
    Staff("fay-front", "Fay Madeup", unassigned=True, subscriptions=((("other", "appointments"), ("elm", "unknown")),)),
    Staff("finn-front", "Finn Madeup", subscriptions=((("other", "appointments"), ("river", "north")),)),
    Staff("bo-billing", "Bo Madeup", subscriptions=((("billing",), "all"),)),
    Staff("mia-medical", "Mia Madeup", subscriptions=((("refills", "results"), ("elm",)),)),
    Staff("max-medical", "Max Madeup", subscriptions=((("refills", "results"), ("river", "north", "unknown")),)),
    Staff("nia-nurse", "Nia Madeup"),
)
REASONS = {
    "appointments": {"en": "Appointments", "es": "Citas"},
    "refills": {"en": "Prescriptions and refills", "es": "Recetas"},
    "results": {"en": "Test results", "es": "Resultados"},
    "billing": {"en": "Billing", "es": "Facturas"},
    "records": {"en": "Medical records", "es": "Historial"},
}
"""Nobody is subscribed to `records`: the picker must not show it (rule R3)."""


def routing_settings() -> dict[str, object]:
    """Maple Street's routing settings, in the form of the router's API."""
    return {
        "practice_id": PRACTICE_ID,
        "reason_routing": True,
        "location_routing": True,
        "provider_routing": False,
        "reasons": [{"id": reason_id, "label": label, "retired": False} for reason_id, label in REASONS.items()],
        "extensions": [
            {"digits": "1", "reason_id": "appointments"},
            {"digits": "2", "reason_id": "refills"},
            {"digits": "3", "shared_inbox_id": NURSE_LINE},
        ],
        "shared_inboxes": [{"id": NURSE_LINE, "label": "Nurse line", "members": ["nia-nurse"]}],
        "members": [person.as_member() for person in STAFF],
        "default_subscribers": ["ada-admin"],
    }


OTHER_STAFF = Staff("olli-other", "Olli Madeup", "administrator", unassigned=True)


def other_routing_settings() -> dict[str, object]:
    """The neighbour's: one person, both routings off (rule M5). It must never hear of Maple Street's patients."""
    return {"practice_id": OTHER_PRACTICE_ID, "members": [OTHER_STAFF.as_member()]}
