"""A practice-management system's data in one form, whatever the source: FHIR, HL7 or a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from shared_schemas.practice_management import AppointmentStatus

GONE: Final[AppointmentStatus] = "entered-in-error"
"""What an appointment becomes that is no longer in the source."""
WILL_TAKE_PLACE: Final[frozenset[AppointmentStatus]] = frozenset(
    {"proposed", "pending", "booked", "arrived", "checked-in"}
)
"""The statuses that routing looks at (rule L5)."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """An appointment, with its status in FHIR's words. Two are equal when the source says the same of them."""

    appointment_id: str
    patient_id: str
    status: AppointmentStatus
    start: datetime | None
    """None where the source leaves it out, as some do for a cancelled one: then it is when it was."""
    end: datetime | None
    location_id: str | None
    provider_id: str | None
    as_of: datetime = field(compare=False)
    """When the source said so: when it was asked, or when it wrote the message."""
    sequence: int = field(default=0, compare=False)
    """The order of what was said at the same moment, where the source numbers it."""


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient. Phones in E.164."""

    patient_id: str
    given_name: str
    family_name: str
    birth_date: date | None
    phones: tuple[str, ...]
    as_of: datetime = field(compare=False)
    sequence: int = field(default=0, compare=False)
    is_active: bool = True
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that cannot be taken. It waits in quarantine, and everything else goes on."""

    source_id: str
    """Its kind and id in the source (`Appointment/17`), or whatever else tells it from others."""
    reason: str
    """What is wrong with it and where, never what stands there."""
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what a source says. Locations and providers are by id with their names."""

    appointments: tuple[Appointment, ...] = ()
    patients: tuple[Patient, ...] = ()
    locations: Mapping[str, str] = field(default_factory=dict)
    providers: Mapping[str, str] = field(default_factory=dict)
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Which appointments a complete reading was of: those that start in it, `until` excluded. None: to the end."""

    since: datetime
    until: datetime | None = None
