"""What is news: the difference between what we have said and what the source says now.

What was said later counts, in whatever order it arrives; a repetition is no news.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pm_sync.domain.snapshot import GONE, WILL_TAKE_PLACE, Appointment, Page, Patient

Places = Mapping[str, tuple[str, bool]]
"""Locations or providers: id to (name, is retired)."""

REMEMBERED = timedelta(days=31)
"""Appointments that started longer ago are neither taken nor kept: routing looks at the ones to come."""
A_HANDFUL = 5
"""A small practice may cancel its whole day."""


@dataclass(frozen=True, slots=True)
class Known:
    """What we have said so far of those whom a page is about; appointments that are gone too."""

    appointments: Mapping[str, Appointment]
    patients: Mapping[str, Patient]


@dataclass(frozen=True, slots=True)
class News:
    """What has to be said, and what has to be noted although it is not news."""

    new_appointments: tuple[Appointment, ...] = ()
    changed_appointments: tuple[Appointment, ...] = ()
    removed_appointments: tuple[Appointment, ...] = ()
    """With the status that says so, and with the patient they were of."""
    confirmed_appointments: tuple[Appointment, ...] = ()
    """The same as before, said later."""
    patients: tuple[Patient, ...] = ()
    confirmed_patients: tuple[Patient, ...] = ()


@dataclass(frozen=True, slots=True)
class TooManyRemoved:
    """A reading lacks so many upcoming appointments that it is more likely cut off than true."""

    removed: int
    upcoming: int


def diff(known: Known, page: Page, now: datetime) -> News:
    """Compare a page with what we have said of the same appointments and patients."""
    appointments = dict(known.appointments)
    moved_away: list[Appointment] = []
    for said in sorted(page.appointments, key=lambda one: (one.as_of, one.sequence)):
        before = appointments.get(said.appointment_id)
        one = _completed(said, before)
        if one is None or _is_older(one, before) or (before is None and _is_past(one, now)):
            continue
        if before is not None and before.patient_id != one.patient_id and before.status != GONE:
            moved_away.append(replace(before, status=GONE, as_of=one.as_of, sequence=one.sequence))
        appointments[one.appointment_id] = one
    patients = dict(known.patients)
    for patient in sorted(page.patients, key=lambda one: (one.as_of, one.sequence)):
        if not _is_older(patient, patients.get(patient.patient_id)):
            patients[patient.patient_id] = patient

    touched = [one for id_, one in appointments.items() if one is not known.appointments.get(id_)]
    touched_patients = [one for id_, one in patients.items() if one is not known.patients.get(id_)]
    changed = [one for one in touched if one != known.appointments.get(one.appointment_id)]
    return News(
        new_appointments=tuple(one for one in changed if one.appointment_id not in known.appointments),
        changed_appointments=tuple(
            one for one in changed if one.appointment_id in known.appointments and one.status != GONE
        ),
        removed_appointments=(
            *moved_away,
            *(one for one in changed if one.appointment_id in known.appointments and one.status == GONE),
        ),
        confirmed_appointments=tuple(one for one in touched if one == known.appointments.get(one.appointment_id)),
        patients=tuple(one for one in touched_patients if one != known.patients.get(one.patient_id)),
        confirmed_patients=tuple(one for one in touched_patients if one == known.patients.get(one.patient_id)),
    )


def judge_removals(missing: Collection[Appointment], upcoming: int, most_removed: float) -> TooManyRemoved | None:
    """Whether to believe that these are gone, of `upcoming` ones that were to take place.

    `most_removed` is the share that one reading may remove (0 to 1); a handful may always go.
    """
    removed = sum(one.status in WILL_TAKE_PLACE for one in missing)
    return TooManyRemoved(removed, upcoming) if removed > max(A_HANDFUL, most_removed * upcoming) else None


def removed(missing: Collection[Appointment], as_of: datetime) -> Page:
    """The page that says that these are gone."""
    return Page(tuple(replace(one, status=GONE, as_of=as_of) for one in missing))


def learned(known: Places, named: Mapping[str, str]) -> Places:
    """With the places that a page names. A place that is named by its id alone keeps the name it has."""
    names = {
        id_: (known[id_][0] if id_ in known and name in {"", id_} else name or id_, False)
        for id_, name in named.items()
    }
    return {**known, **names}


def retired(known: Places, seen: Collection[str]) -> Places:
    """What a complete reading did not name is retired, and stays known: labels may carry it (rule L7)."""
    return {id_: (name, id_ not in seen) for id_, (name, _) in known.items()}


def _completed(said: Appointment, before: Appointment | None) -> Appointment | None:
    """With the start that it had where the source leaves it out; None where nobody knows when it is."""
    if said.start is not None:
        return said
    return None if before is None else replace(said, start=before.start, end=before.end)


def _is_older(one: Appointment | Patient, before: Appointment | Patient | None) -> bool:
    return before is not None and (one.as_of, one.sequence) < (before.as_of, before.sequence)


def _is_past(one: Appointment, now: datetime) -> bool:
    return one.start is not None and one.start < now - REMEMBERED
