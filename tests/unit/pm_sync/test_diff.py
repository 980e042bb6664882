"""What of a page is news: what was said later counts, in whatever order it arrives."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_sync.domain.diff import (
    REMEMBERED,
    Known,
    News,
    TooManyRemoved,
    diff,
    judge_removals,
    learned,
    removed,
    retired,
)
from pm_sync.domain.snapshot import GONE, Appointment, Page, Patient

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
NOTHING = Known({}, {})


def appointment(number: int, location: str = "elm", *, minute: int = 0, patient: str = "") -> Appointment:
    said_at = NOW + timedelta(minutes=minute)
    start = NOW + timedelta(days=1)
    return Appointment(f"a{number}", patient or f"p{number}", "booked", start, None, location, None, said_at)


def having_said(known: Known, said: News) -> Known:
    """What is known once the news is out."""
    appointments = dict(known.appointments)
    for one in (
        *said.removed_appointments,
        *said.new_appointments,
        *said.changed_appointments,
        *said.confirmed_appointments,
    ):
        appointments[one.appointment_id] = one
    people = {one.patient_id: one for one in (*said.patients, *said.confirmed_patients)}
    return Known(appointments, {**known.patients, **people})


def told(pages: Sequence[Page]) -> tuple[Known, list[News]]:
    known, all_news = NOTHING, []
    for page in pages:
        news = diff(known, page, NOW)
        known = having_said(known, news)
        all_news.append(news)
    return known, all_news


def is_silent(news: News) -> bool:
    said = (news.new_appointments, news.changed_appointments, news.removed_appointments, news.patients)
    return not any(said)


SAID = st.builds(
    appointment,
    st.integers(0, 4),
    st.sampled_from(["elm", "river", "north"]),
    minute=st.integers(0, 30),
    patient=st.sampled_from(["", "other"]),
)
DISTINCT = st.lists(SAID, unique_by=lambda one: (one.appointment_id, one.as_of), max_size=25)


@given(DISTINCT, st.data())
def test_any_order_with_any_repeats_ends_in_the_state_of_the_newest_truth(
    said: list[Appointment], data: st.DataObject
) -> None:
    repeated = data.draw(st.permutations(said + said))
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=len(repeated), max_size=len(repeated)))
    pages, rest = [], list(repeated)
    for size in sizes:
        pages.append(Page(tuple(rest[:size])))
        rest = rest[size:]
    known, _ = told(pages)

    newest = {one.appointment_id: one for one in sorted(said, key=lambda one: one.as_of)}
    assert known.appointments == newest


@given(
    st.lists(st.tuples(st.booleans(), st.lists(SAID, unique_by=lambda one: one.appointment_id)), max_size=12), st.data()
)
def test_complete_readings_and_changes_with_any_repeats_end_in_the_state_of_the_newest_truth(
    steps: list[tuple[bool, list[Appointment]]], data: st.DataObject
) -> None:
    """A complete reading also says what is not there; changes between two of them come in any order."""
    known, truth = NOTHING, dict[str, Appointment]()
    waiting: list[Page] = []

    def come(pages: Sequence[Page]) -> None:
        nonlocal known
        for page in pages:
            known = having_said(known, diff(known, page, NOW))

    for minute, (is_complete, said) in enumerate(steps):
        at = NOW + timedelta(minutes=minute)
        page = Page(tuple(replace(one, as_of=at) for one in said))
        truth = {**({} if is_complete else truth), **{one.appointment_id: one for one in page.appointments}}
        if not is_complete:
            waiting.append(page)
            continue
        come([*data.draw(st.permutations(waiting + waiting)), page, page])
        missing = [one for one in known.appointments.values() if one.as_of < at and one.status != GONE]
        come([removed(missing, at)])
        waiting = [page]
    come(data.draw(st.permutations(waiting + waiting)))

    assert {id_: one for id_, one in known.appointments.items() if one.status != GONE} == truth


@given(DISTINCT)
def test_what_listeners_were_told_last_is_what_is_known(said: list[Appointment]) -> None:
    """Listeners keep appointments by patient: one that moved to another patient is gone for the first."""
    known, all_news = told([Page((one,)) for one in said])
    listener: dict[tuple[str, str], Appointment] = {}
    for news in all_news:
        for one in (*news.removed_appointments, *news.new_appointments, *news.changed_appointments):
            listener[one.patient_id, one.appointment_id] = one

    there = {key: one for key, one in listener.items() if one.status != GONE}
    assert there == {(one.patient_id, one.appointment_id): one for one in known.appointments.values()}


@given(DISTINCT)
def test_a_repetition_says_nothing(said: list[Appointment]) -> None:
    known, _ = told([Page((one,)) for one in said])

    assert is_silent(diff(known, Page(tuple(said)), NOW))


@given(DISTINCT, st.integers(0, 30))
def test_an_appointment_that_is_gone_comes_back_only_by_what_was_said_later(
    said: list[Appointment], minute: int
) -> None:
    gone_at = NOW + timedelta(minutes=minute, seconds=30)
    known, _ = told([Page((one,)) for one in said])
    known = having_said(known, diff(known, removed(list(known.appointments.values()), gone_at), NOW))
    again = having_said(known, diff(known, Page(tuple(said)), NOW))

    for one in again.appointments.values():
        assert (one.status == GONE) == (one.as_of <= gone_at)


def test_at_the_same_moment_the_higher_number_counts() -> None:
    first, second = (replace(appointment(1, place), sequence=n) for n, place in ((1, "elm"), (2, "river")))

    for pages in ([Page((first,)), Page((second,))], [Page((second,)), Page((first,))], [Page((second, first))]):
        known, _ = told(pages)
        assert known.appointments["a1"].location_id == "river"


def test_a_cancellation_without_a_time_keeps_the_time_that_it_had() -> None:
    cancelled = replace(appointment(1, minute=1), status="cancelled", start=None, end=None)

    known, _ = told([Page((appointment(1),)), Page((cancelled,))])
    unknown = diff(NOTHING, Page((cancelled,)), NOW)

    assert known.appointments["a1"] == replace(cancelled, start=appointment(1).start)
    assert unknown == News()


def test_what_is_long_past_is_not_taken() -> None:
    past = replace(appointment(1), start=NOW - REMEMBERED - timedelta(seconds=1))

    assert diff(NOTHING, Page((past,)), NOW) == News()


def test_a_patient_whose_phone_changes_is_news() -> None:
    patient = Patient("p1", "Testy", "McSample", None, ("+13125550101",), NOW)
    changed = replace(patient, phones=("+13125550102",))
    known, _ = told([Page(patients=(patient,))])

    assert diff(known, Page(patients=(changed,)), NOW).patients == (changed,)
    assert diff(known, Page(patients=(replace(patient, as_of=NOW + timedelta(1)),)), NOW).patients == ()


def test_a_place_keeps_its_name_when_it_is_named_by_its_id_and_is_retired_when_it_is_not_there() -> None:
    known = learned({}, {"elm": "Elm Street", "river": "river"})

    assert learned(known, {"elm": "elm", "river": "River Road"}) == {
        "elm": ("Elm Street", False),
        "river": ("River Road", False),
    }
    assert retired(known, {"river"}) == {"elm": ("Elm Street", True), "river": ("river", False)}
    assert learned(retired(known, set()), {"elm": "elm"})["elm"] == ("Elm Street", False)


@pytest.mark.parametrize(
    ("missing", "share", "verdict"),
    [(11, 0.5, TooManyRemoved(11, 20)), (10, 0.5, None), (5, 0.0, None), (6, 0.0, TooManyRemoved(6, 20))],
)
def test_a_reading_that_lacks_most_upcoming_appointments_is_not_believed(
    missing: int, share: float, verdict: TooManyRemoved | None
) -> None:
    gone = [appointment(number) for number in range(missing)]
    cancelled = [replace(appointment(100 + number), status="cancelled") for number in range(20)]

    assert judge_removals(gone + cancelled, 20, share) == verdict
