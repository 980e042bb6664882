"""What holds for every message, whatever happened before."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from router.domain.facts import Message, ReasonId
from router.domain.policy import Policy
from router.domain.route import Decision, route
from tests.unit.router.practice import HOUR, NINE, at, facts, policy

CHANNELS = st.sampled_from(["sms", "web", "voicemail"])
GAPS = st.integers(-3_600, 3 * 3_600).map(lambda seconds: timedelta(seconds=seconds))
MESSAGES = st.lists(
    st.tuples(
        CHANNELS,
        GAPS,
        st.sampled_from([None, "billing", "refills", "retired", "unheard-of", "other"]),
        st.sampled_from([None, "2", "3", "4", "9"]),
    ),
    max_size=12,
)


def history(
    steps: list[tuple[str, timedelta, str | None, str | None]], rules: Policy
) -> list[tuple[Message, Decision]]:
    """Decide message after message."""
    known, now, decided = facts(None, at("elm", days=0.1), at("river", appointment_id="a2")), NINE, []  # type: ignore[arg-type]
    for channel, gap, reason, extension in steps:
        now += gap
        message = Message("m", channel, now, ReasonId(reason) if reason else None, extension)  # type: ignore[arg-type]
        decision = route(message, known, rules)
        known = replace(known, conversation=decision.conversation)
        decided.append((message, decision))
    return decided


@given(MESSAGES)
def test_the_same_facts_give_the_same_decision(steps: list[tuple[str, timedelta, str | None, str | None]]) -> None:
    assert history(steps, policy()) == history(steps, policy())


@given(MESSAGES)
@pytest.mark.rule("R5")
def test_a_text_that_is_not_late_never_leaves_a_reason(
    steps: list[tuple[str, timedelta, str | None, str | None]],
) -> None:
    for message, decision in history(steps, policy()):
        if message.channel == "sms" and not decision.is_late:
            assert decision.conversation.reason_id is None


@given(MESSAGES)
@pytest.mark.rule("R4")
def test_a_sticky_reason_never_outlives_the_window(
    steps: list[tuple[str, timedelta, str | None, str | None]],
) -> None:
    previous = None
    for message, decision in history(steps, policy()):
        if decision.reason.source == "sticky":
            assert previous is not None
            assert message.received_at - previous <= HOUR
        previous = decision.conversation.last_message_at


@given(MESSAGES)
@pytest.mark.rule("M2", "D4")
def test_everybody_told_is_active_and_told_once(
    steps: list[tuple[str, timedelta, str | None, str | None]],
) -> None:
    rules = policy()
    for _, decision in history(steps, rules):
        people = [one.staff_id for one in decision.audience]
        assert len(people) == len(set(people))
        assert all(rules.active(staff_id) for staff_id in people)
