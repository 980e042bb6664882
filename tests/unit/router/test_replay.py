"""Past decisions made again, by their own settings and by a draft (rule X2)."""

from dataclasses import replace

import pytest

from router.domain.facts import AssignedTo, Message
from router.domain.policy import Policy
from router.domain.replay import PastDecision, Replayed, Told, replay
from router.domain.route import route
from tests.unit.router.practice import BILLING, BO, ELM, FAY, HOUR, NINE, at, facts, policy, sms, subscribed, to, web

NOW = policy()
BREAKS_NOTHING = policy(broken_by=frozenset())
MOVED = policy(subscribed(FAY, to({"billing"}, None)))


def past(*messages: Message) -> list[PastDecision]:
    """What was decided of these, one after the other."""
    known, decided = facts(None, at(ELM)), []
    for message in messages:
        decision = route(message, known, NOW)
        decided.append(PastDecision("pt-1", message, known, 7, Told.of(decision)))
        known = replace(known, conversation=decision.conversation)
    return decided


def again(decisions: list[PastDecision], draft: Policy | None = None) -> list[Replayed]:
    return list(replay([(one, NOW) for one in decisions], draft))


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


@pytest.mark.rule("X2", "D2")
def test_what_staff_did_in_between_stays_as_it_happened() -> None:
    first, second = past(web(reason=BILLING), web(NINE + HOUR))
    assigned = replace(second.facts, conversation=replace(second.facts.conversation, destination=AssignedTo(FAY)))
    decided = route(second.message, assigned, NOW)
    _, replayed = again([first, replace(second, facts=assigned, told=Told.of(decided))], MOVED)
    assert replayed.is_reproduced
    assert replayed.under_draft.destination == "member:fay"
