"""Appointments from a CSV file: the export that every practice-management system can make.

A file is taken as a whole or not at all. Mistakes are told by line and column, never by what stands there: it is about
patients.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

from pm_sync.adapters.phones import e164
from pm_sync.domain.snapshot import Appointment, Page, Patient
from shared_schemas.practice_management import AppointmentStatus
from shared_schemas.values import in_utc

COLUMNS = (
    "appointment_id", "patient_id", "given_name", "family_name", "birth_date", "phone", "status", "start", "end",
    "location_id", "location_name", "provider_id", "provider_name",
)  # fmt: skip
"""The names that a file has by default; a connection may map others to them."""
REQUIRED = ("patient_id",)
MOST_MISTAKES = 100
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STATUSES = frozenset(get_args(AppointmentStatus))


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, where. `line` counts from 1, the header; `column` is the header's name."""

    line: int
    column: str
    problem: str


class BadFile(ValueError):  # noqa: N818 - it says what it is
    """The file is not taken; `mistakes` has the first hundred reasons."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__(f"{len(mistakes)} mistakes")
        self.mistakes = mistakes[:MOST_MISTAKES]


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """How a connection's files are to be read. `columns` maps our names to the file's."""

    time_zone: ZoneInfo
    country: str
    columns: Mapping[str, str]
    as_of: datetime
    """The moment that the file is of: when it came."""


@dataclass(slots=True)
class _Reading:
    """A file that is being read."""

    form: CsvFormat
    mistakes: list[Mistake] = field(default_factory=list)
    appointments: dict[str, Appointment] = field(default_factory=dict)
    patients: dict[str, Patient] = field(default_factory=dict)
    locations: dict[str, str] = field(default_factory=dict)
    providers: dict[str, str] = field(default_factory=dict)


def read_csv(content: bytes, form: CsvFormat) -> Page:
    """What a file says. Raises `BadFile` with every mistake in it.

    UTF-8, with or without a byte order mark, else Windows-1252. A row without an appointment id is a patient without one.
    """
    reader = csv.DictReader(io.StringIO(_text(content), newline=""), strict=True)
    reading = _Reading(form)
    try:
        header = reader.fieldnames or ()
        missing = [form.columns.get(name, name) for name in REQUIRED if form.columns.get(name, name) not in header]
        if missing:
            raise BadFile([Mistake(1, name, "this column is missing") for name in missing])
        for row in reader:
            _read_row(reading, reader.line_num, _Row(row, form.columns))
    except csv.Error:
        reading.mistakes.append(Mistake(reader.line_num, "", "this line is not CSV"))
    if reading.mistakes:
        raise BadFile(reading.mistakes)
    appointments, patients = tuple(reading.appointments.values()), tuple(reading.patients.values())
    return Page(appointments, patients, reading.locations, reading.providers)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row by our names."""

    cells: Mapping[str, str | None]
    columns: Mapping[str, str]

    def get(self, name: str) -> str:
        return (self.cells.get(self.columns.get(name, name)) or "").strip()


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _read_row(reading: _Reading, line: int, row: _Row) -> None:
    problems = list(_ids_that_do_not_fit(row))
    patient = _patient(row, reading.form, problems)
    appointment = _appointment(row, reading.form, problems) if row.get("appointment_id") else None
    if appointment is not None and appointment.appointment_id in reading.appointments:
        problems.append(("appointment_id", "another line has the same appointment"))
    if problems:
        reading.mistakes += [Mistake(line, column, problem) for column, problem in problems]
        return
    if patient is not None:
        known = reading.patients.get(patient.patient_id)
        reading.patients[patient.patient_id] = patient if known is None else _merged(known, patient)
    if appointment is not None:
        reading.appointments[appointment.appointment_id] = appointment
    for name, places in (("location", reading.locations), ("provider", reading.providers)):
        if row.get(f"{name}_id"):
            places[row.get(f"{name}_id")] = row.get(f"{name}_name") or row.get(f"{name}_id")


def _merged(known: Patient, again: Patient) -> Patient:
    """A patient has a line for each appointment; the last one counts, and all phones do."""
    phones = tuple(dict.fromkeys((*known.phones, *again.phones)))
    return replace(again, phones=phones)


def _ids_that_do_not_fit(row: _Row) -> Iterator[tuple[str, str]]:
    for name in ("appointment_id", "patient_id", "location_id", "provider_id"):
        value = row.get(name)
        if value and not _ID.fullmatch(value):
            yield name, "an id is 1 to 64 letters, digits, - or _"
    if not row.get("patient_id"):
        yield "patient_id", "this is empty"


def _patient(row: _Row, form: CsvFormat, problems: list[tuple[str, str]]) -> Patient | None:
    birth_date: date | None = None
    if row.get("birth_date"):
        try:
            birth_date = date.fromisoformat(row.get("birth_date"))
        except ValueError:
            problems.append(("birth_date", "this is no date like 1980-12-31"))
    return Patient(
        row.get("patient_id"),
        row.get("given_name"),
        row.get("family_name"),
        birth_date,
        tuple(_phones(row.get("phone"), form.country, problems)),
        form.as_of,
    )


def _phones(text: str, country: str, problems: list[tuple[str, str]]) -> Iterable[str]:
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        number = e164(part, country)
        if number is None:
            problems.append(("phone", "this is no phone number"))
        else:
            yield number


def _appointment(row: _Row, form: CsvFormat, problems: list[tuple[str, str]]) -> Appointment | None:
    status = row.get("status").lower()
    if status not in _STATUSES:
        problems.append(("status", "this is none of FHIR's appointment statuses"))
    start = _instant(row.get("start"), form.time_zone, "start", problems)
    end = _instant(row.get("end"), form.time_zone, "end", problems) if row.get("end") else None
    if start is None or problems:
        return None
    return Appointment(
        row.get("appointment_id"),
        row.get("patient_id"),
        status,  # type: ignore[arg-type]  # it is one of them: see above
        start,
        end,
        row.get("location_id") or None,
        row.get("provider_id") or None,
        form.as_of,
    )


def _instant(text: str, zone: ZoneInfo, column: str, problems: list[tuple[str, str]]) -> datetime | None:
    """A time without a zone is of the practice's zone. An hour that occurs twice is the first one (PEP 495)."""
    try:
        instant = datetime.fromisoformat(text)
        moment = in_utc(instant if instant.tzinfo is not None else instant.replace(tzinfo=zone))
    except ValueError:
        problems.append((column, "this is no time like 2027-01-31T14:30 or 2027-01-31T14:30-05:00"))
        return None
    return moment
