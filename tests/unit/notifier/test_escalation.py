"""Ringing wider, step by step: who, when, and nobody twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.duty import Duty, DutyTimes, PracticeHours
from notifier.domain.escalation import Ladder, People, Waiting, escalate
from notifier.domain.visibility import Member, Practice
from shared_schemas.practice_settings import Subscription
from shared_schemas.staff_notifications import Escalation

AT = datetime(2026, 11, 25, 15, tzinfo=UTC)
STEPS = [
    {"after_minutes": 15, "ring": "same_reason"},
    {"after_minutes": 15, "ring": "default_subscribers"},
    {"after_minutes": 30, "ring": "administrators"},
]
AWAY = {"away": [{"first": "2026-11-25", "last": "2026-11-25"}]}
WAITING = Waiting("maple-street", "conversation-1", AT, "refills", ("mia",))


def member(staff_id: str, *reasons: str, location: str = "elm", **more: bool) -> Member:
    wishes = (Subscription(id="s-1", reasons=reasons, locations=(location,)),) if reasons else ()
    return Member(
        staff_id,
        more.get("active", True),
        more.get("administrator", False),
        sees_unassigned=False,
        subscriptions=wishes,
    )


def people(times: dict[str, Any] | None = None, *, steps: Any = STEPS, **hours: Any) -> People:  # noqa: ANN401 - JSON
    practice = Practice(
        1,
        (
            member("mia", "refills"), member("fay", "refills", location="oak"), member("gone", "refills", active=False),
            member("nia", "billing"), member("dan"), member("ada", administrator=True),
        ),
        {},
        default_subscribers=("dan", "fay"),
    )  # fmt: skip
    known = {staff_id: DutyTimes.model_validate(one) for staff_id, one in (times or {}).items()}
    return People(practice, Duty(PracticeHours.model_validate(hours), known), Ladder.model_validate({"steps": steps}))


def steps_at(minutes: float, among: People, before: Escalation | None = None) -> list[tuple[str, tuple[str, ...]]]:
    found = escalate(WAITING, before, among, AT + timedelta(minutes=minutes))
    return [(step.ring, step.staff_ids) for step in found.steps] if found is not None else []


def test_each_step_rings_whom_no_step_before_rang() -> None:
    among = people()

    assert steps_at(14.9, among) == []
    assert steps_at(15, among) == [("same_reason", ("fay",))]
    assert steps_at(30, among) == [("same_reason", ("fay",)), ("default_subscribers", ("dan",))]
    assert steps_at(59.9, among) == steps_at(30, among)
    assert steps_at(60, among)[2:] == [("administrators", ("ada",))]


def test_who_is_off_duty_is_not_rung_but_their_substitute_is() -> None:
    among = people({"fay": {**AWAY, "substitute": "nia"}})

    assert steps_at(15, among) == [("same_reason", ("nia",))]


def test_a_substitute_is_rung_at_once_for_somebody_of_the_audience_who_is_off_duty() -> None:
    among = people({"mia": {**AWAY, "substitute": "nia"}})

    assert steps_at(0, among) == [("substitutes", ("nia",))]
    assert steps_at(15, among) == [("substitutes", ("nia",)), ("same_reason", ("fay",))]


def test_somebody_of_the_audience_who_was_off_duty_is_rung_by_a_later_step() -> None:
    off_until_eleven = {"shifts": [{"days": ["wed"], "start": "15:10", "end": "20:00"}]}

    assert steps_at(15, people({"mia": off_until_eleven})) == [("same_reason", ("mia", "fay"))]


def test_a_step_that_rings_nobody_is_passed_over_at_once() -> None:
    among = people({"fay": AWAY, "dan": AWAY})

    assert steps_at(15, among) == [("same_reason", ()), ("default_subscribers", ()), ("administrators", ("ada",))]


def test_minutes_count_while_the_practice_is_open() -> None:
    late = people(open=[{"days": ["wed", "thu"], "start": "09:00", "end": "15:10"}], time_zone="UTC")

    assert steps_at(17 * 60, late) == []
    assert steps_at(18 * 60 + 4.9, late) == []
    assert steps_at(18 * 60 + 5, late) == [("same_reason", ("fay",))]


def test_without_a_ladder_nobody_further_is_rung() -> None:
    assert steps_at(10_000, people(steps=[])) == []


def test_a_reason_that_is_none_is_rung_as_other() -> None:
    among = people()
    found = escalate(replace(WAITING, reason_id=None), None, among, AT + timedelta(minutes=15))

    assert found is not None
    assert found.steps[0].staff_ids == ()


@given(looks=st.lists(st.integers(0, 90), max_size=8), restarts=st.booleans())
def test_however_often_somebody_looks_the_steps_ring_the_same_people(looks: list[int], restarts: bool) -> None:  # noqa: FBT001
    among, kept = people({"mia": {**AWAY, "substitute": "nia"}}), None
    for minutes in sorted([*looks, 90]):
        if restarts and kept is not None:
            kept = Escalation.model_validate_json(kept.model_dump_json())
        kept = escalate(WAITING, kept, among, AT + timedelta(minutes=minutes))

    assert kept is not None
    assert [(step.ring, step.staff_ids) for step in kept.steps] == [
        ("substitutes", ("nia",)), ("same_reason", ("fay",)), ("default_subscribers", ("dan",)),
        ("administrators", ("ada",)),
    ]  # fmt: skip
