"""Decisions in words, and coverage (rules X1, X3)."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from router.domain.coverage import coverage, lost
from router.domain.explain import Told, ToldPlace, in_words, mismatches, why_not
from router.domain.facts import PlaceId, StaffId
from router.domain.policy import Policy, Subscription
from router.domain.sentences import SENTENCES
from tests.unit.router.practice import (
    BILLING,
    BO,
    ELM,
    FAY,
    NIA,
    RIVER,
    policy,
    subscribed,
    to,
)

GIVEN_UP = (
    "There is no upcoming appointment; kept 'Elm Street', which the practice has given up"
    " (by knowledge older than the practice's limit) (L2, L7, L9)."
)
NOWHERE = ToldPlace(None, "none", is_stale=False, is_retired=False)
ELM_STREET = ToldPlace("Elm Street", "appointment", is_stale=False, is_retired=False)


def told(*rules: str, **what: object) -> Told:
    """A picked web message without a place, told to nobody in particular, apart from `what`."""
    usual = Told(
        channel="web",
        reason="Billing",
        reason_source="picked",
        location=NOWHERE,
        provider=NOWHERE,
        destination="unassigned",
        inbox=None,
        audience=[],
        is_unrouted=False,
        is_late=False,
        offers_menu=False,
        rules=rules,
        gap=None,
    )
    return replace(usual, **what)  # type: ignore[arg-type]


@pytest.mark.rule("X1")
@pytest.mark.parametrize(
    ("decision", "sentences"),
    [
        (
            told(
                "R4", "L1", "M3", "M1", "M2",
                reason_source="sticky", gap=timedelta(minutes=41), location=ELM_STREET, audience=[("Bo", "subscription")],
            ),
            [
                "Kept 'Billing' because the previous message was 41 minutes earlier (R4).",
                "The next appointment is at 'Elm Street' (L1).",
                "The conversation is in Unassigned (M3).",
                "Bo is told: subscribed to such messages (M1, M2).",
            ],
        ),
        (
            told("R13", "L2", "D2", reason_source="carried", is_late=True, destination="member", inbox="Nia",
                 audience=[("Nia", "assignee")]),
            [
                "A newer message was routed before: this one changes no label and no inbox (R13).",
                "Kept 'Billing', which the conversation carries (R13).",
                "There is no upcoming appointment, and no location is known (L2).",
                "The conversation is in the inbox of Nia (D2).",
                "Nia is told: the conversation is assigned to this person (D2).",
            ],
        ),
        (
            told("R5", "R8", "R16", "L4", "D1", "M4", channel="sms", reason=None, offers_menu=True, is_unrouted=True),
            [
                "A text carries no reason, and takes an earlier one away (R5, R8).",
                "The patient is texted the reasons to choose from (R16).",
                "The conversation was new or closed, and opens in Unassigned (D1).",
                "Nobody could be told: it waits in Unassigned, and administrators see it (M4).",
            ],
        ),
        (
            told("R6", "L2", "L7", "L9", "L8", "L1", "D3", channel="voicemail", reason=None,
                 location=ToldPlace("Elm Street", "carried", is_stale=True, is_retired=True),
                 provider=ToldPlace("Dr. Ash", "appointment", is_stale=False, is_retired=False),
                 destination="shared_inbox", inbox="Nurse line", audience=[("Nia", "inbox_member")]),
            [
                "The extension that the caller chose is not about a reason (R6).",
                GIVEN_UP,
                "The next appointment is with 'Dr. Ash' (L8).",
                "The conversation is in the shared inbox Nurse line (D3).",
                "Nia is told: looks after the shared inbox that the conversation is in (D3).",
            ],
        ),
        (
            told("R7", "L4", "D1", "M5", reason=None,
                 audience=[("Ada", "unassigned_subscriber"), ("Bo", "unassigned_subscriber")]),
            [
                "Reasons are switched off (R7).",
                "The conversation was new or closed, and opens in Unassigned (D1).",
                "Ada is told: subscribed to Unassigned, and routing is off (M5).",
                "Bo is told: subscribed to Unassigned, and routing is off (M5).",
            ],
        ),
        (
            told("R16", "L4", "L8", "L2", "M3", "M4", reason_source="menu", audience=[("Ada", "default_subscriber")]),
            [
                "The patient answered the reason menu with 'Billing' (R16).",
                "There is no upcoming appointment, and no provider is known (L8).",
                "The conversation is in Unassigned (M3).",
                "Ada is told: by default, because nobody is subscribed to such messages (M4).",
            ],
        ),
    ],
)  # fmt: skip
def test_a_decision_reads_like_this(decision: Told, sentences: list[str]) -> None:
    assert list(in_words(decision)) == sentences


@pytest.mark.rule("X1")
@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (told("R1"), "The patient picked 'Billing' (R1)."),
        (told("R6", reason_source="extension"), "The caller chose the extension of 'Billing' (R6)."),
        (
            told("R5", channel="voicemail", reason=None),
            "A voicemail carries no reason, and takes an earlier one away (R5).",
        ),
        (
            told("R5", channel="web", reason=None),
            "A web message carries no reason, and takes an earlier one away (R5).",
        ),
        (told("R10", reason=None), "An earlier text or voicemail within the window had removed the reason (R10)."),
        (told("R12", "R8", reason=None), "The patient gave no reason (R12, R8)."),
        (told("R15", reason=None), "The practice's settings leave no reason on this channel (R15)."),
        (
            told("R13", reason=None, is_late=True),
            "The message arrived late, and the conversation carries no reason (R13).",
        ),
        *(
            (
                told("R4", reason_source="sticky", gap=gap),
                f"Kept 'Billing' because the previous message was {words} earlier (R4).",
            )
            for gap, words in (
                (None, "a while"),
                (timedelta(seconds=1), "a moment"),
                (timedelta(seconds=2), "2 seconds"),
                (timedelta(seconds=89), "89 seconds"),
                (timedelta(seconds=91), "2 minutes"),
                (timedelta(hours=4), "240 minutes"),
            )
        ),
    ],
)
def test_every_reason_or_its_absence_has_a_sentence(decision: Told, sentence: str) -> None:
    assert sentence in in_words(decision)


@pytest.mark.rule("X1")
def test_a_decision_reads_in_the_readers_language() -> None:
    decision = told(
        "R4", "L1", "M3", "M1", "M2",
        reason_source="sticky", gap=timedelta(minutes=41), location=ELM_STREET, audience=[("Bo", "subscription")],
    )  # fmt: skip

    assert list(in_words(decision, "es")) == [
        "Se conserva «Billing» porque el mensaje anterior llegó 41 minutos antes (R4).",
        "La próxima cita es en «Elm Street» (L1).",
        "La conversación está en Sin asignar (M3).",
        "Se avisa a Bo: tiene suscritos estos mensajes (M1, M2).",
    ]


@pytest.mark.rule("X1")
def test_why_somebody_was_not_told_reads_in_the_readers_language() -> None:
    rules = policy()
    found = mismatches(rules, FAY, BILLING, RIVER, RIVER)

    said = why_not(rules, FAY, "unassigned", found, "es")

    assert said == "la suscripción s1 no coincide en motivo y sede"


def test_every_language_has_the_same_sentences_with_the_same_places_to_fill() -> None:
    def places(language: Mapping[str, str]) -> dict[str, list[str]]:
        return {key: sorted(re.findall(r"{\w+}", words)) for key, words in language.items()}

    english, *others = map(places, SENTENCES.values())
    assert others
    assert all(one == english for one in others)


@pytest.mark.rule("X1")
@pytest.mark.parametrize(
    ("rules", "destination", "sentence"),
    [
        (policy(subscribed(FAY, active=False)), "unassigned", "This person is deactivated (D4)."),
        (
            policy(subscribed(FAY, to({"billing"}, {"river"}))),
            "member",
            "The conversation is in somebody's inbox: subscriptions do not apply (D2, D3).",
        ),
        (policy(subscribed(FAY, to({"billing"}, {"river"}))), "unassigned", "A subscription of this person matches."),
        (
            policy(subscribed(FAY, to({"other"}, None), to(None, {"elm"}, "s2"))),
            "unassigned",
            "subscription s1 does not match in reason; subscription s2 does not match in location",
        ),
        (
            policy(
                subscribed(FAY, Subscription("s1", None, None, frozenset({"dr-ash"}))),
                provider_routing=True,
            ),
            "unassigned",
            "subscription s1 does not match in provider",
        ),
        (
            policy(subscribed(FAY, to({"other"}, {"elm"})), reason_routing=False),
            "unassigned",
            "subscription s1 does not match in location",
        ),
    ],
)
def test_why_somebody_was_not_told(rules: Policy, destination: str, sentence: str) -> None:
    found = mismatches(rules, FAY, BILLING, RIVER, PlaceId("dr-birch"))
    assert why_not(rules, FAY, destination, found) == sentence


@pytest.mark.rule("X1")
def test_no_reason_and_other_are_one_for_why_somebody_was_not_told() -> None:
    assert mismatches(policy(subscribed(FAY, to({"other"}, None))), FAY, None, RIVER, RIVER) == ()
    assert mismatches(policy(), StaffId("who"), None, RIVER, RIVER) == ()


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


@pytest.mark.rule("X3")
def test_coverage_has_a_cell_for_every_value_of_what_is_on_and_none_of_what_is_off() -> None:
    rules = policy(location_routing=False, provider_routing=True)
    cells = coverage(rules, [ELM], [PlaceId("dr-ash")])
    assert [(cell.reason_id, cell.location_id, cell.provider_id) for cell in cells] == [
        (reason, None, provider) for reason in ("billing", "refills", "other") for provider in ("dr-ash", "unknown")
    ]
    (only,) = coverage(policy(reason_routing=False, location_routing=False), [ELM], [])
    assert (only.reason_id, only.location_id, only.provider_id) == (None, None, None)


@pytest.mark.rule("X3")
def test_a_new_cell_without_anybody_is_lost_too_and_one_that_was_empty_is_not() -> None:
    nobody = policy(subscribed(BO))
    assert {cell.location_id for cell in lost(coverage(nobody, [ELM], []), coverage(nobody, [ELM, RIVER], []))} == {
        RIVER
    }
    assert lost(coverage(nobody, [ELM], []), coverage(nobody, [ELM], [])) == ()
