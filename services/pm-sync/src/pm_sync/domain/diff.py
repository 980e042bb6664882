"""What is news: the difference between what we have said and what the source says now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pm_sync.domain.snapshot import Appointment, Patient, Snapshot


@dataclass(frozen=True, slots=True)
class Known:
    """What we have said so far. `locations` and `providers` hold the retired ones too: id to (name, is retired)."""

    appointments: Mapping[str, Appointment]
    patients: Mapping[str, Patient]
    locations: Mapping[str, tuple[str, bool]]
    providers: Mapping[str, tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class News:
    """What has to be said. Nothing, when the same snapshot comes again."""

    new_appointments: tuple[Appointment, ...]
    changed_appointments: tuple[Appointment, ...]
    removed_appointments: tuple[Appointment, ...]
    patients: tuple[Patient, ...]
    locations: Mapping[str, tuple[str, bool]]
    providers: Mapping[str, tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class TooManyRemoved:
    """The snapshot lacks so many upcoming appointments that it is more likely cut off than true."""

    removed: int
    upcoming: int


def diff_snapshot(known: Known, snapshot: Snapshot, now: datetime, *, most_removed: float) -> News | TooManyRemoved:
    """Compare a complete snapshot with what we have said.

    An appointment that is not in it any more is removed. `most_removed` is the share of the upcoming appointments that
    one snapshot may remove (0 to 1); a handful may always go.
    """
    gone = [known.appointments[id_] for id_ in known.appointments if id_ not in snapshot.appointments]
    upcoming = sum(appointment.start > now for appointment in known.appointments.values())
    upcoming_gone = sum(appointment.start > now for appointment in gone)
    if upcoming_gone > max(A_HANDFUL, most_removed * upcoming):
        return TooManyRemoved(upcoming_gone, upcoming)
    return News(
        new_appointments=tuple(one for id_, one in snapshot.appointments.items() if id_ not in known.appointments),
        changed_appointments=tuple(
            one for id_, one in snapshot.appointments.items() if known.appointments.get(id_, one) != one
        ),
        removed_appointments=tuple(gone),
        patients=tuple(one for id_, one in snapshot.patients.items() if known.patients.get(id_) != one),
        locations=_with_retired(known.locations, snapshot.locations),
        providers=_with_retired(known.providers, snapshot.providers),
    )


A_HANDFUL = 5
"""A small practice may cancel its whole day."""


def _with_retired(known: Mapping[str, tuple[str, bool]], current: Mapping[str, str]) -> dict[str, tuple[str, bool]]:
    """What is no longer in the source is retired, and stays known: labels may carry it (rule L7)."""
    retired = {id_: (name, True) for id_, (name, _) in known.items()}
    return retired | {id_: (name, False) for id_, name in current.items()}
