"""Past decisions made again, by their own settings and by a draft (rule X2)."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from router.domain.facts import AssignedTo, Facts, Message
from router.domain.policy import Policy
from router.domain.replay import PastDecision, Replayed, Told, replay
from router.domain.route import route
from tests.oracle.happenings import Happening, Practice, Said, Saved
from tests.unit.router.practice import (
    ADA,
    BILLING,
    BO,
    ELM,
    FAY,
    HOUR,
    NINE,
    at,
    facts,
    policy,
    sms,
    subscribed,
    to,
    voicemail,
    web,
)
from tests.unit.router.test_oracle import EXAMPLES, Played, message

NOW = policy()
BREAKS_NOTHING = policy(broken_by=frozenset())
MOVED = policy(subscribed(FAY, to({"billing"}, None)))


def past(*messages: Message, known: Facts | None = None, by: Policy = NOW) -> list[PastDecision]:
    """What was decided of these, one after the other; appointments are only there for the first one."""
    current, decisions = known or facts(None, at(ELM)), []
    for one in messages:
        decision = route(one, current, by)
        decisions.append(PastDecision("pt-1", one, current, 7, Told.of(decision)))
        current = replace(current, conversation=decision.conversation, appointments=())
    return decisions


def again(decisions: list[PastDecision], draft: Policy | None = None, *, by: Policy = NOW) -> list[Replayed]:
    return list(replay([(one, by) for one in decisions], draft))


@pytest.mark.rule("X2")
def test_the_same_inputs_give_the_same_result() -> None:
    assert all(one.is_reproduced for one in again(past(web(reason=BILLING), sms(NINE + HOUR), web(NINE + HOUR))))


@pytest.mark.rule("X2")
def test_a_record_that_was_tampered_with_is_not_reproduced() -> None:
    (one,) = past(web(reason=BILLING))
    (replayed,) = again([replace(one, told=replace(one.told, audience=((FAY, "subscription", "s1"),)))])
    assert not replayed.is_reproduced


@pytest.mark.rule("X2")
def test_a_draft_shows_who_would_have_been_told_instead() -> None:
    (replayed,) = again(past(web(reason=BILLING)), MOVED)
    assert replayed.differs
    assert (replayed.past.told.people, replayed.under_draft.people) == ({BO}, {FAY})


@pytest.mark.rule("X2")
def test_the_draft_finds_what_it_left_behind_itself() -> None:
    """A text does not remove the reason under the draft, so the message after it still carries it."""
    messages = past(web(reason=BILLING), sms(NINE + HOUR / 2), web(NINE + HOUR))
    by_draft = [one.under_draft.reason_id for one in again(messages, BREAKS_NOTHING)]
    assert [one.told.reason_id for one in messages] == [BILLING, None, None]
    assert by_draft == [BILLING, BILLING, BILLING]


@pytest.mark.rule("X2", "L2", "L8")
def test_the_draft_carries_labels_of_its_own() -> None:
    off = policy(reason_routing=False, location_routing=False, default_subscribers=(ADA,))
    on = policy(provider_routing=True)
    messages = past(web(), web(NINE + HOUR), by=off)
    _, second = again(messages, on, by=off)
    assert (second.past.told.location_id, second.past.told.provider_id) == (None, None)
    assert (second.under_draft.location_id, second.under_draft.provider_id) == ("elm", "dr-ash")


@pytest.mark.rule("X2", "R16")
def test_the_draft_offers_its_own_menu_once() -> None:
    messages = past(sms(), sms(NINE + HOUR))
    first, second = again(messages, policy(sms_reason_menu=True))
    assert "R16" in first.under_draft.rules
    assert "R16" not in second.under_draft.rules


@pytest.mark.rule("X2", "R6", "D3")
def test_the_draft_has_inboxes_of_its_own() -> None:
    """Under the draft the voicemail went nowhere special; what was decided in the shared inbox is in Unassigned there."""
    messages = past(voicemail(extension="3"), web(NINE + HOUR))
    _, second = again(messages, policy(extensions={}))
    assert (second.past.told.destination, second.under_draft.destination) == ("shared_inbox:nurses", "unassigned")


@pytest.mark.rule("X2")
def test_a_conversation_that_staff_closed_is_closed_for_the_draft_too() -> None:
    first, second = past(web(reason=BILLING), web(NINE + 2 * HOUR))
    closed = replace(second.facts, conversation=replace(second.facts.conversation, is_open=False))
    decided_then = replace(second, facts=closed, told=Told.of(route(second.message, closed, NOW)))
    _, replayed = again([first, decided_then], NOW)
    assert replayed.under_draft.rules == replayed.past.told.rules
    assert "D1" in replayed.under_draft.rules


@pytest.mark.rule("X2", "D2")
def test_what_staff_did_in_between_stays_as_it_happened() -> None:
    first, second = past(web(reason=BILLING), web(NINE + HOUR))
    assigned = replace(second.facts, conversation=replace(second.facts.conversation, destination=AssignedTo(FAY)))
    decided = route(second.message, assigned, NOW)
    _, replayed = again([first, replace(second, facts=assigned, told=Told.of(decided))], MOVED)
    assert replayed.is_reproduced
    assert replayed.under_draft.destination == "member:fay"


@pytest.mark.rule("X2")
def test_everything_that_anybody_notices_is_compared() -> None:
    told = again(past(web(reason=BILLING)))[0].past.told
    changes = {
        "reason_id": "refills", "location_id": "river", "provider_id": "dr-birch", "destination": "member:bo",
        "audience": (),
    }  # fmt: skip
    unnoticed = {"reason_source": "menu", "is_late": True, "rules": ()}
    (one,) = again(past(web(reason=BILLING)))
    assert not one.differs
    assert all(replace(one, under_draft=replace(told, **{name: value})).differs for name, value in changes.items())
    assert not any(
        replace(one, under_draft=replace(told, **{name: value})).differs for name, value in unnoticed.items()
    )


@pytest.mark.rule("X2")
@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_a_draft_that_is_what_was_saved_changes_nothing_whatever_happened(random: Random, length: int) -> None:
    """Labels, inboxes, menus and windows that the draft leaves behind are those that were found."""
    for history in decided(Practice(random, patients=1).happenings(length)):
        for one, settings_then in history:
            assert one.told == Told.of(route(one.message, one.facts, settings_then))
        (first, policy_then), *_ = history
        same = [(past_one, policy_then) for past_one, then in history if then is policy_then]
        assert [one.past.told for one in replay(same, policy_then)] == [
            one.under_draft for one in replay(same, policy_then)
        ]
        assert first.patient_id == "pt-0"


def decided(happenings: list[Happening]) -> list[list[tuple[PastDecision, Policy]]]:
    """The decisions of a history, cut where the settings changed."""
    played, runs = Played(), [[]]  # type: ignore[var-annotated]
    for one in happenings:
        if isinstance(one, Saved):
            runs.append([])
        if isinstance(one, Said):
            facts_then = played.facts(one)
            known = Told.of(route(message(one), facts_then, played.policy))
            runs[-1].append((PastDecision(one.patient, message(one), facts_then, 1, known), played.policy))
        played.happens(one)
    return [run for run in runs if run]
