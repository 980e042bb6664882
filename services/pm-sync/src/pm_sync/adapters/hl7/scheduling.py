"""Scheduling messages, SIU S12 to S26: HL7 v2.5.1 chapter 10."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from zoneinfo import ZoneInfo

from pm_sync.adapters.hl7.message import Message
from pm_sync.adapters.phones import e164
from pm_sync.domain.opaque import opaque_id
from pm_sync.domain.snapshot import GONE, Appointment, Page, Patient, Unreadable
from shared_schemas.practice_management import AppointmentStatus
from shared_schemas.values import in_utc

_BY_EVENT: dict[str, AppointmentStatus] = {
    "S15": "cancelled",
    "S16": "cancelled",
    "S17": GONE,
    "S26": "noshow",
}
"""What an event makes of an appointment; the others leave that to SCH-25."""
_NOT_OF_PATIENTS = frozenset({"S23", "S24", "S25"})
"""Slots that are blocked or opened."""
_EVENTS = frozenset(f"S{number}" for number in range(12, 27))
_BY_FILLER_STATUS: dict[str, AppointmentStatus] = {
    "PENDING": "pending",
    "WAITLIST": "waitlist",
    "BOOKED": "booked",
    "OVERBOOK": "booked",
    "STARTED": "checked-in",
    "COMPLETE": "fulfilled",
    "CANCELLED": "cancelled",
    "DC": "cancelled",
    "DELETED": GONE,
    "NOSHOW": "noshow",
}
"""SCH-25, table 0278; letters and digits only."""
_TIME = re.compile(r"(\d{12})(\d{2})?(?:\.\d+)?([+-]\d{4})?")
_MOST_DIGITS = 18
_LONGEST_MINUTES = 100_000
_LAST_START = datetime.max.replace(tzinfo=UTC) - timedelta(minutes=_LONGEST_MINUTES)


@dataclass(frozen=True, slots=True)
class Hl7Form:
    """How a connection's messages are to be read. `received_at` is when this one came."""

    time_zone: ZoneInfo
    country: str
    location_component: int
    received_at: datetime


class NotScheduling(Exception):  # noqa: N818 - a state that was found
    """Another kind of message than those that we take."""


class _Wrong(Exception):  # noqa: N818 - becomes `Unreadable`
    pass


def page_of(message: Message, raw: bytes, form: Hl7Form) -> Page:
    """What a message says: one appointment and its patient, or why it cannot be taken. Raises `NotScheduling`."""
    event = message.get("MSH", 9, 2)
    if message.get("MSH", 9) != "SIU" or event not in _EVENTS:
        raise NotScheduling
    if event in _NOT_OF_PATIENTS:
        return Page()
    try:
        return _page(message, event, form)
    except _Wrong as wrong:
        source_id = message.get("MSH", 10) or sha256(raw).hexdigest()[:32]
        return Page(unreadable=(Unreadable(source_id, str(wrong), raw),))


def _page(message: Message, event: str, form: Hl7Form) -> Page:
    appointment_id = message.get("SCH", 2) or message.get("SCH", 1)
    if not appointment_id:
        raise _Wrong("SCH-1 and SCH-2: the appointment has no id")
    patient_id = message.get("PID", 3) or message.get("PID", 2)
    if not patient_id:
        raise _Wrong("PID-3: the patient has no id")
    zone = _zone(message, form)
    as_of = min(_instant(message.get("MSH", 7), zone, "MSH-7") or form.received_at, form.received_at)
    control_id = message.get("MSH", 10)
    sequence = int(control_id) if control_id.isdigit() and len(control_id) <= _MOST_DIGITS else 0
    start, end = _times(message, zone)
    status = _status(message, event)
    if start is None and status in {"booked", "pending", "checked-in"}:
        raise _Wrong("SCH-11.4 and TQ1-7: the appointment has no time")
    location, provider = _location(message, form), _provider(message)
    patient = _patient(message, patient_id, form, as_of, sequence)
    appointment = Appointment(
        opaque_id(appointment_id),
        patient.patient_id,
        status,
        start,
        end,
        location[0] if location else None,
        provider[0] if provider else None,
        as_of,
        sequence,
    )
    return Page((appointment,), (patient,), dict(filter(None, [location])), dict(filter(None, [provider])))


def _status(message: Message, event: str) -> AppointmentStatus:
    """The event says it, or the filler status; a new or moved appointment without one is booked."""
    if event in _BY_EVENT:
        return _BY_EVENT[event]
    word = re.sub(r"[^A-Z0-9]", "", message.get("SCH", 25).upper())
    if word == "BLOCKED":
        return "cancelled"
    return _BY_FILLER_STATUS.get(word, "booked")


def _times(message: Message, zone: ZoneInfo | timezone) -> tuple[datetime | None, datetime | None]:
    """TQ1 from version 2.5 on, SCH-11 before, and what is scheduled where both are empty; an end or a duration."""
    places = (("TQ1", 7, 1), ("SCH", 11, 4), ("AIS", 4, 1), ("AIL", 6, 1), ("AIP", 6, 1))
    start = None
    for name, number, component in places:
        start = start or _instant(message.get(name, number, component), zone, f"{name}-{number}.{component}")
    end = _instant(message.get("TQ1", 8), zone, "TQ1-8") or _instant(message.get("SCH", 11, 5), zone, "SCH-11.5")
    minutes = message.get("SCH", 9)
    if end is None and start is not None and minutes.isdigit() and message.get("SCH", 10).upper() in {"", "MIN", "M"}:
        end = min(start, _LAST_START) + timedelta(minutes=min(int(minutes), _LONGEST_MINUTES))
    return start, end


def _zone(message: Message, form: Hl7Form) -> ZoneInfo | timezone:
    """The zone of times that come without one: that of MSH-7, else the connection's.

    Where both agree at the time of the message it is the connection's: an appointment in winter that is made in summer
    is meant by the clock on the wall.
    """
    found = _TIME.fullmatch(message.get("MSH", 7))
    if found is None or found[3] is None:
        return form.time_zone
    try:
        said = datetime.strptime(found[1] + found[3], "%Y%m%d%H%M%z")
        theirs = said.astimezone(form.time_zone)
    except (ValueError, OverflowError):
        return form.time_zone
    return form.time_zone if said.utcoffset() == theirs.utcoffset() else timezone(said.utcoffset() or timedelta())


def _instant(text: str, zone: ZoneInfo | timezone, place: str) -> datetime | None:
    """A time to the minute at least. An hour that occurs twice is the first one (PEP 495)."""
    if not text or text == '""':
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        raise _Wrong(f"{place}: no time to the minute")
    digits = found[1] + (found[2] or "00")
    try:
        if found[3]:
            return in_utc(datetime.strptime(digits + found[3], "%Y%m%d%H%M%S%z"))
        return in_utc(datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=zone))
    except ValueError:
        raise _Wrong(f"{place}: no such time") from None


def _location(message: Message, form: Hl7Form) -> tuple[str, str] | None:
    """AIL-3: the component that the connection chose, else the other one; AIL-3.9 is its name."""
    other = 4 if form.location_component == 1 else 1
    raw = message.get("AIL", 3, form.location_component) or message.get("AIL", 3, other)
    return (opaque_id(raw), message.get("AIL", 3, 9) or raw) if raw else None


def _provider(message: Message) -> tuple[str, str] | None:
    """AIP-3, else the filler's contact in SCH-16."""
    for name, number in (("AIP", 3), ("SCH", 16)):
        raw = message.get(name, number)
        if raw:
            names = [message.get(name, number, component) for component in (6, 3, 2)]
            return opaque_id(raw), " ".join(filter(None, names)) or raw
    return None


def _patient(message: Message, patient_id: str, form: Hl7Form, as_of: datetime, sequence: int) -> Patient:
    numbers = [
        one for number in (13, 14) for component in (1, 12) for one in message.repetitions("PID", number, component)
    ]
    phones = [e164(one, form.country) for one in numbers if one]
    return Patient(
        opaque_id(patient_id),
        message.get("PID", 5, 2),
        message.get("PID", 5, 1),
        _birth_date(message.get("PID", 7)),
        tuple(dict.fromkeys(one for one in phones if one is not None)),
        as_of,
        sequence,
    )


def _birth_date(text: str) -> date | None:
    try:
        return datetime.strptime(text[:8], "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        return None
