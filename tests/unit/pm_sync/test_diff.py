"""What of a snapshot is news."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pm_sync.domain.diff import Known, News, TooManyRemoved, diff_snapshot
from pm_sync.domain.snapshot import Appointment, Patient, Snapshot

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
NOTHING = Known({}, {}, {}, {})


def appointment(number: int, location: str = "elm") -> Appointment:
    return Appointment(f"a{number}", f"p{number}", "booked", NOW + timedelta(days=1), None, location, None)


def snapshot(*appointments: Appointment) -> Snapshot:
    patients = {one.patient_id: Patient(one.patient_id, "Testy", "McSample", None, ()) for one in appointments}
    places = {one.location_id: one.location_id for one in appointments if one.location_id}
    return Snapshot({one.appointment_id: one for one in appointments}, patients, places, {})


def news(known: Known, current: Snapshot, *, most_removed: float = 1) -> News:
    found = diff_snapshot(known, current, NOW, most_removed=most_removed)
    assert isinstance(found, News)
    return found


def having_said(known: Known, said: News) -> Known:
    """What is known once the news is out."""
    appointments: dict[str, Appointment] = dict(known.appointments)
    for gone in said.removed_appointments:
        del appointments[gone.appointment_id]
    for one in (*said.new_appointments, *said.changed_appointments):
        appointments[one.appointment_id] = one
    patients = {**known.patients, **{one.patient_id: one for one in said.patients}}
    return Known(appointments, patients, said.locations, said.providers)


SNAPSHOTS = st.lists(
    st.dictionaries(st.integers(0, 9), st.sampled_from(["elm", "river"])).map(
        lambda rows: snapshot(*(appointment(number, location) for number, location in rows.items()))
    )
)


@given(SNAPSHOTS)
def test_any_sequence_of_snapshots_ends_in_the_newest_and_a_repetition_says_nothing(snapshots: list[Snapshot]) -> None:
    known = NOTHING
    for current in snapshots:
        known = having_said(known, news(known, current))
        assert known.appointments == current.appointments
        again = news(known, current)
        said = (*again.new_appointments, *again.changed_appointments, *again.removed_appointments, *again.patients)
        assert said == ()
        assert (again.locations, again.providers) == (known.locations, known.providers)


def test_a_location_that_is_gone_is_retired_and_comes_back_when_it_does() -> None:
    known = having_said(NOTHING, news(NOTHING, snapshot(appointment(1, "elm"))))
    known = having_said(known, news(known, snapshot(appointment(1, "river"))))
    assert known.locations == {"elm": ("elm", True), "river": ("river", False)}
    assert news(known, snapshot(appointment(1, "elm"))).locations["elm"] == ("elm", False)


def test_a_snapshot_that_lacks_most_upcoming_appointments_is_not_believed() -> None:
    known = having_said(NOTHING, news(NOTHING, snapshot(*map(appointment, range(20)))))
    cut_off = snapshot(*map(appointment, range(9)))
    assert diff_snapshot(known, cut_off, NOW, most_removed=0.5) == TooManyRemoved(11, 20)
    assert isinstance(diff_snapshot(known, snapshot(*map(appointment, range(10))), NOW, most_removed=0.5), News)
