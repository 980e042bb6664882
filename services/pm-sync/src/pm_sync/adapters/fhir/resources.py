"""From FHIR R4 resources to our form. What does not fit is told by its place, never by its content.

https://hl7.org/fhir/R4/appointment.html
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from pm_sync.adapters.fhir.client import Resource
from pm_sync.adapters.fhir.vendors import Vendor
from pm_sync.adapters.phones import e164
from pm_sync.domain.opaque import opaque_id
from pm_sync.domain.snapshot import Appointment, Patient, Unreadable
from shared_schemas.practice_management import AppointmentStatus
from shared_schemas.values import in_utc

_STATUSES = frozenset(get_args(AppointmentStatus))
_PLACES = {"Location": "location", "Practitioner": "provider"}
_DATE_LENGTH = 10


@dataclass(frozen=True, slots=True)
class FhirForm:
    """How a connection's resources are to be read, and the moment that they are of."""

    vendor: Vendor
    time_zone: ZoneInfo
    country: str
    as_of: datetime


class _Read(BaseModel):
    """What we read of a resource. It is about patients: errors do not repeat it."""

    model_config = ConfigDict(hide_input_in_errors=True)


class Meta(_Read):
    """Of any resource."""

    lastUpdated: datetime | None = None  # noqa: N815 - FHIR's word


class _Reference(_Read):
    reference: str | None = None
    display: str | None = None


class _Participant(_Read):
    actor: _Reference | None = None
    status: str | None = None


class _Appointment(_Read):
    id: str
    status: str | None = None
    start: str | None = None
    end: str | None = None
    participant: list[_Participant] = []


class _Name(_Read):
    use: str | None = None
    text: str | None = None
    family: str | None = None
    given: list[str] = []
    prefix: list[str] = []


class _Contact(_Read):
    system: str | None = None
    value: str | None = None
    use: str | None = None


class _Link(_Read):
    other: _Reference | None = None
    type: str | None = None


class _Patient(_Read):
    id: str
    active: bool = True
    name: list[_Name] = []
    telecom: list[_Contact] = []
    birthDate: str | None = None  # noqa: N815 - FHIR's word
    link: list[_Link] = []


class _Named(_Read):
    id: str
    name: str | list[_Name] | None = None


def appointment_of(resource: Resource, form: FhirForm) -> Appointment | Unreadable | None:
    """None for what is no patient's: a blocked slot, a meeting."""
    try:
        told = _Appointment.model_validate(resource)
    except ValidationError as error:
        return _unreadable(resource, error)
    actors = {kind: _actor(told.participant, kind) for kind in ("Patient", "Location", "Practitioner")}
    if actors["Patient"] is None:
        return None
    status = form.vendor.status.get(told.status or "", told.status)
    if status not in _STATUSES:
        return _refused(resource, "status: none of FHIR's appointment statuses")
    try:
        start, end = _instant(told.start, form.time_zone), _instant(told.end, form.time_zone)
    except ValueError:
        return _refused(resource, "start or end: no instant")
    return Appointment(
        opaque_id(told.id),
        actors["Patient"],
        status,  # type: ignore[arg-type]  # it is one of them: see above
        start,
        end,
        actors["Location"],
        actors["Practitioner"],
        form.as_of,
    )


def names_in(resource: Resource) -> tuple[dict[str, str], dict[str, str]]:
    """The locations and the providers that an appointment names, by id; where it has no name the id stands for it."""
    places: dict[str, dict[str, str]] = {"location": {}, "provider": {}}
    try:
        told = _Appointment.model_validate(resource)
    except ValidationError:
        return places["location"], places["provider"]
    for participant in told.participant:
        kind, id_ = _target(participant.actor)
        if kind in _PLACES and id_ is not None and participant.actor is not None:
            places[_PLACES[kind]][id_] = participant.actor.display or id_
    return places["location"], places["provider"]


def patient_of(resource: Resource, form: FhirForm) -> Patient | Unreadable:
    """The official or usual name; all phones that can be called."""
    try:
        told = _Patient.model_validate(resource)
    except ValidationError as error:
        return _unreadable(resource, error)
    name = _best(told.name)
    phones = [e164(one.value, form.country) for one in told.telecom if one.value and _is_phone(one)]
    replaced = [_target(one.other)[1] for one in told.link if one.type == "replaced-by"]
    return Patient(
        opaque_id(told.id),
        " ".join(name.given),
        name.family or name.text or "",
        _birth_date(told.birthDate),
        tuple(dict.fromkeys(one for one in phones if one is not None)),
        form.as_of,
        is_active=told.active,
        merged_into=next((one for one in replaced if one is not None), None),
    )


def place_of(resource: Resource) -> tuple[str, str] | None:
    """Id and name of a Location or a Practitioner; None where it cannot be read."""
    try:
        told = _Named.model_validate(resource)
    except ValidationError:
        return None
    if isinstance(told.name, list):
        name = _best(told.name)
        words = name.text or " ".join(filter(None, (*name.prefix, *name.given, name.family)))
        return opaque_id(told.id), words or told.id
    return opaque_id(told.id), told.name or told.id


def last_updated(resource: Resource) -> datetime | None:
    """When the server says that it changed; None where it does not say, or not with a zone."""
    try:
        at = Meta.model_validate(resource.get("meta") or {}).lastUpdated
    except ValidationError:
        return None
    return at if at is None or at.tzinfo is not None else None


def referenced_patient(resource: Resource) -> str | None:
    """The server's own id of an appointment's patient."""
    try:
        told = _Appointment.model_validate(resource)
    except ValidationError:
        return None
    found = (_parts(one.actor) for one in told.participant if one.status != "declined")
    return next((id_ for kind, id_ in found if kind == "Patient"), None)


def _actor(participants: list[_Participant], kind: str) -> str | None:
    """The first one of a kind who has not declined: of several locations the first is where the patient goes."""
    found = (_target(one.actor) for one in participants if one.status != "declined")
    return next((id_ for actor_kind, id_ in found if actor_kind == kind), None)


def _target(reference: _Reference | None) -> tuple[str, str | None]:
    kind, id_ = _parts(reference)
    return kind, None if id_ is None else opaque_id(id_)


def _parts(reference: _Reference | None) -> tuple[str, str | None]:
    """Kind and id of a reference: relative, absolute, or to a version (https://hl7.org/fhir/R4/references.html)."""
    if reference is None or not reference.reference:
        return "", None
    parts = reference.reference.split("/_history/")[0].rstrip("/").split("/")
    return (parts[-2], parts[-1] or None) if len(parts) > 1 else ("", None)


def _instant(text: str | None, zone: ZoneInfo) -> datetime | None:
    """A time without a zone is of the practice's zone; an hour that occurs twice is the first one (PEP 495)."""
    if not text:
        return None
    if len(text) <= _DATE_LENGTH:
        raise ValueError
    at = datetime.fromisoformat(text)
    return in_utc(at if at.tzinfo is not None else at.replace(tzinfo=zone))


def _best(names: list[_Name]) -> _Name:
    order = {"official": 0, "usual": 1, None: 2}
    return min(names, key=lambda one: order.get(one.use, 3), default=_Name())


def _birth_date(text: str | None) -> date | None:
    """FHIR allows a year, or a year and a month: that is nobody's birth date yet."""
    try:
        return date.fromisoformat(text) if text and len(text) == _DATE_LENGTH else None
    except ValueError:
        return None


def _is_phone(contact: _Contact) -> bool:
    return contact.system in {"phone", "sms"} and contact.use != "old"


def _refused(resource: Resource, reason: str) -> Unreadable:
    source_id = f"{resource.get('resourceType')}/{opaque_id(str(resource.get('id', '')))}"
    return Unreadable(source_id, reason, to_json(resource))


def _unreadable(resource: Resource, error: ValidationError) -> Unreadable:
    places = sorted({".".join(map(str, one["loc"])) for one in error.errors(include_input=False)})
    kind = str(resource.get("resourceType", ""))
    return _refused(resource, f"{kind} does not have FHIR's form at {', '.join(places[:5])}")
