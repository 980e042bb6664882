"""Topics `appointments`, `patients` and `practice-directory`: what the practice-management system says."""

from datetime import date
from typing import ClassVar, Literal

from shared_schemas.ids import content_id
from shared_schemas.values import Event, Id, Instant, PatientEvent, Value

AppointmentStatus = Literal[
    "proposed",
    "pending",
    "booked",
    "arrived",
    "fulfilled",
    "cancelled",
    "noshow",
    "entered-in-error",
    "checked-in",
    "waitlist",
]
"""FHIR R4 AppointmentStatus: https://hl7.org/fhir/R4/valueset-appointmentstatus.html"""


class AppointmentSyncedV1(PatientEvent):
    """An appointment is new or has changed. An appointment that is gone arrives once more as `entered-in-error`."""

    ce_type: ClassVar[str] = "switchboard.AppointmentSynced.v1"

    appointment_id: Id
    status: AppointmentStatus
    start: Instant
    end: Instant | None = None
    location_id: Id | None = None
    provider_id: Id | None = None
    source: str
    """The connection that it came from."""
    as_of: Instant
    """When the PM system was asked: how old this knowledge is (rule L9)."""
    source_version: str | None = None


class PatientSyncedV1(PatientEvent):
    """A patient of the PM system is new or has changed."""

    ce_type: ClassVar[str] = "switchboard.PatientSynced.v1"

    given_name: str
    family_name: str
    birth_date: date | None = None
    phones: tuple[str, ...] = ()
    """E.164."""
    active: bool = True
    merged_into: Id | None = None
    as_of: Instant


class Location(Value):
    """A place where the practice sees patients."""

    id: Id
    name: str
    retired: bool = False


class Provider(Value):
    """A person whom patients have appointments with."""

    id: Id
    name: str
    retired: bool = False


class DirectorySyncedV1(Event):
    """All locations and providers of a practice, the retired ones too. Replaces what was known before."""

    ce_type: ClassVar[str] = "switchboard.DirectorySynced.v1"

    locations: tuple[Location, ...] = ()
    providers: tuple[Provider, ...] = ()
    as_of: Instant

    @property
    def ce_id(self) -> str:
        """One per practice and moment."""
        return content_id(self.ce_type, self.practice_id, self.as_of.isoformat())
