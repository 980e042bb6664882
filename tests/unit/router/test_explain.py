"""Decisions in words, and coverage (rules X1, X3)."""

from datetime import timedelta

import pytest

from router.domain.coverage import coverage, lost
from router.domain.explain import Told, in_words, mismatches, why_not
from router.domain.facts import StaffId
from router.domain.policy import Policy
from router.domain.route import Decision
from tests.unit.router.practice import (
    BILLING,
    BO,
    ELM,
    FAY,
    NIA,
    NINE,
    REFILLS,
    RIVER,
    after,
    at,
    facts,
    policy,
    sms,
    subscribed,
    to,
    voicemail,
    web,
)


def told(decision: Decision, channel: str, gap: timedelta | None = None) -> Told:
    label = decision.location.carried
    return Told(
        channel=channel,
        reason_id=decision.reason.reason_id,
        reason_label={"billing": "Billing", "refills": "Refills"}.get(decision.reason.reason_id or ""),
        reason_source=decision.reason.source,
        location_id=label.id if label else None,
        location_label="Elm Street" if label else None,
        location_source=decision.location.source,
        is_location_stale=decision.location.is_stale,
        is_location_retired=decision.location.is_retired,
        appointment_id=label.appointment_id if label else None,
        destination={"Unassigned": "unassigned", "InSharedInbox": "shared_inbox"}[type(decision.destination).__name__],
        audience=[(one.staff_id, one.because) for one in decision.audience],
        is_unrouted=decision.is_unrouted,
        is_late=decision.is_late,
        rules=decision.rules,
        gap=gap,
    )


@pytest.mark.rule("X1")
def test_a_kept_reason_is_explained_by_the_minutes_since_the_previous_message() -> None:
    gap = timedelta(minutes=41)
    decision = after(web(reason=BILLING), web(NINE + gap), known=facts(None, at(ELM)))
    assert in_words(told(decision, "web", gap)) == (
        "Kept 'Billing' because the previous message was 41 minutes earlier (R4).",
        "The next appointment is at 'Elm Street' (L1).",
        "The conversation is in Unassigned (M3).",
        "bo is told: subscribed to this (M3, M1, M2).",
    )


@pytest.mark.rule("X1")
@pytest.mark.parametrize(
    ("decision", "channel", "sentence"),
    [
        (after(sms()), "sms", "A text removes the reason at once (R5, R8)."),
        (after(web(reason=REFILLS)), "web", "The patient picked 'Refills' (R1)."),
        (after(voicemail(extension="2")), "voicemail", "The caller chose the extension of 'Refills' (R6)."),
        (
            after(voicemail(extension="3")),
            "voicemail",
            "The extension that the caller chose is not about a reason (R6).",
        ),
        (after(sms(), rules=policy(reason_routing=False)), "sms", "Reasons are switched off (R7)."),
    ],
)
def test_every_reason_or_its_absence_has_a_sentence(decision: Decision, channel: str, sentence: str) -> None:
    assert sentence in in_words(told(decision, channel))


@pytest.mark.rule("X1")
@pytest.mark.parametrize(
    ("staff_id", "sentence"),
    [
        (FAY, "subscription s1 does not match in reason and location"),
        (NIA, "This person is subscribed to nothing."),
        ("who", "This person is not on the practice's staff."),
    ],
)
def test_a_member_who_was_not_told_learns_which_dimension_did_not_match(staff_id: str, sentence: str) -> None:
    rules = policy()
    found = mismatches(rules, StaffId(staff_id), BILLING, RIVER, RIVER)
    assert why_not(rules, StaffId(staff_id), "unassigned", found) == sentence


def people(rules: Policy) -> dict[tuple[str | None, str | None], int]:
    return {(cell.reason_id, cell.location_id): len(cell.people) for cell in coverage(rules, [ELM, RIVER], [])}


@pytest.mark.rule("X3")
def test_coverage_counts_who_would_be_told_for_every_reason_and_location() -> None:
    assert people(policy()) == {
        ("billing", "elm"): 1,
        ("billing", "river"): 1,
        ("billing", "unknown"): 1,
        ("refills", "elm"): 1,
        ("refills", "river"): 0,
        ("refills", "unknown"): 1,
        ("other", "elm"): 1,
        ("other", "river"): 0,
        ("other", "unknown"): 1,
    }


@pytest.mark.rule("X3")
def test_a_change_that_leaves_a_cell_without_anybody_is_found_before_it_is_saved() -> None:
    before, after_change = (
        policy(),
        policy(subscribed(FAY, to({"other", "refills"}, {"elm", "unknown"})), subscribed(BO)),
    )
    cells = lost(coverage(before, [ELM], []), coverage(after_change, [ELM], []))
    assert {(cell.reason_id, cell.location_id) for cell in cells} == {("billing", "elm"), ("billing", "unknown")}
