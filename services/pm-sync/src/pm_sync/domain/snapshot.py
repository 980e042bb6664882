"""A practice-management system's data in one form, whatever the source: FHIR, HL7 or a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from shared_schemas.practice_management import AppointmentStatus


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment, with its status in FHIR's words."""

    appointment_id: str
    patient_id: str
    status: AppointmentStatus
    start: datetime
    end: datetime | None
    location_id: str | None
    provider_id: str | None


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient. Phones in E.164."""

    patient_id: str
    given_name: str
    family_name: str
    birth_date: date | None
    phones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a source has at one moment, each by its id; locations and providers by id with their names."""

    appointments: Mapping[str, Appointment]
    patients: Mapping[str, Patient]
    locations: Mapping[str, str]
    providers: Mapping[str, str]
