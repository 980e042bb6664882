"""What a decision says of itself: where each label came from, and the ids of the rules that fired, in order (rule X1)."""

from datetime import timedelta

import pytest

from router.domain.facts import (
    OTHER,
    AssignedTo,
    CarriedPlace,
    Directory,
    Facts,
    InSharedInbox,
    Message,
    Place,
    PlaceId,
    ReasonId,
)
from router.domain.policy import Policy, ToReason
from tests.unit.router.practice import (
    BILLING,
    BO,
    DIRECTORY,
    ELM,
    FAY,
    HOUR,
    NIA,
    NINE,
    REFILLS,
    RETIRED,
    RIVER,
    after,
    at,
    carried,
    facts,
    policy,
    sms,
    subscribed,
    to,
    voicemail,
    web,
    wrote_at,
)

HALF_PAST = NINE + timedelta(minutes=30)
NOON = NINE + 3 * HOUR
NO_BREAKING = policy(broken_by=frozenset())
NO_PLACE = ("L2", "D1")
OPEN_NO_PLACE = ("L2", "M3")
SUBSCRIBED, DEFAULT = ("M1", "M2"), ("M4",)


@pytest.mark.rule("X1")
@pytest.mark.parametrize(
    ("message", "known", "rules", "source", "reason", "fired"),
    [
        pytest.param(
            web(reason=BILLING), facts(), policy(), "picked", BILLING, ("R1", *NO_PLACE, *SUBSCRIBED), id="picked"
        ),
        pytest.param(
            web(reason=RETIRED), facts(), policy(), "picked", OTHER, ("R1", "R14", *NO_PLACE, *SUBSCRIBED),
            id="picked, retired meanwhile",
        ),
        pytest.param(
            web(reason=OTHER), facts(), policy(), "picked", OTHER, ("R1", *NO_PLACE, *SUBSCRIBED), id="picked other"
        ),
        pytest.param(
            web(HALF_PAST), facts(wrote_at(NINE)), policy(), "sticky", BILLING, ("R4", *OPEN_NO_PLACE, *SUBSCRIBED),
            id="sticky",
        ),
        pytest.param(
            web(HALF_PAST, REFILLS), facts(wrote_at(NINE)), policy(), "sticky", BILLING,
            ("R4", "R11", *OPEN_NO_PLACE, *SUBSCRIBED), id="sticky wins over picked",
        ),
        pytest.param(
            web(HALF_PAST, REFILLS), facts(wrote_at(NINE, reason=None)), policy(), "picked", REFILLS,
            ("R11", *OPEN_NO_PLACE, *SUBSCRIBED), id="picked within the window, none carried",
        ),
        pytest.param(
            web(HALF_PAST), facts(wrote_at(NINE, reason=None)), policy(), "none", None,
            ("R10", "R8", *OPEN_NO_PLACE, *SUBSCRIBED), id="none within the window",
        ),
        pytest.param(
            web(NOON), facts(wrote_at(NINE)), policy(), "carried", BILLING, ("R12", *OPEN_NO_PLACE, *SUBSCRIBED),
            id="carried by an open conversation",
        ),
        pytest.param(
            web(NOON), facts(wrote_at(NINE, is_open=False)), policy(), "none", None,
            ("R12", "R8", *NO_PLACE, *SUBSCRIBED), id="none on a closed conversation",
        ),
        pytest.param(
            web(HALF_PAST, REFILLS), facts(wrote_at(NINE)), policy(broken_by=frozenset({"web"})), "picked", REFILLS,
            ("R15", *OPEN_NO_PLACE, *SUBSCRIBED), id="web breaks, picked",
        ),
        pytest.param(
            web(HALF_PAST), facts(wrote_at(NINE)), policy(broken_by=frozenset({"web"})), "none", None,
            ("R15", "R8", *OPEN_NO_PLACE, *SUBSCRIBED), id="web breaks, nothing picked",
        ),
        pytest.param(
            sms(HALF_PAST), facts(wrote_at(NINE)), policy(), "none", None, ("R5", "R8", *OPEN_NO_PLACE, *SUBSCRIBED),
            id="a text breaks",
        ),
        pytest.param(
            sms(HALF_PAST), facts(wrote_at(NINE, is_open=False)), NO_BREAKING, "sticky", BILLING,
            ("R15", "R4", *NO_PLACE, *SUBSCRIBED), id="a text does not break, within the window",
        ),
        pytest.param(
            sms(NOON), facts(wrote_at(NINE, is_open=False)), NO_BREAKING, "none", None,
            ("R15", "R8", *NO_PLACE, *SUBSCRIBED), id="a text does not break, too late",
        ),
        pytest.param(
            sms(HALF_PAST), facts(wrote_at(NINE, reason=None)), NO_BREAKING, "none", None,
            ("R15", "R8", *OPEN_NO_PLACE, *SUBSCRIBED), id="a text does not break, nothing carried",
        ),
        pytest.param(
            voicemail(extension="2"), facts(), policy(), "extension", REFILLS, ("R6", *NO_PLACE, *SUBSCRIBED),
            id="an extension of a reason",
        ),
        pytest.param(
            voicemail(extension="4"), facts(), policy(), "extension", OTHER, ("R6", "R14", *NO_PLACE, *SUBSCRIBED),
            id="an extension of a retired reason",
        ),
        pytest.param(
            voicemail(extension="3"), facts(), policy(), "none", None, ("R6", "L2", "D3"),
            id="an extension of a shared inbox",
        ),
        pytest.param(
            voicemail(), facts(), policy(extensions={"": ToReason(REFILLS), "XXXX": ToReason(REFILLS)}), "extension",
            REFILLS, ("R6", *NO_PLACE, *SUBSCRIBED), id="no extension is the empty one",
        ),
        pytest.param(
            voicemail(extension="9"), facts(), policy(), "none", None, ("R5", "R8", *NO_PLACE, *SUBSCRIBED),
            id="an extension that is mapped to nothing",
        ),
        pytest.param(
            web(reason=BILLING), facts(), policy(reason_routing=False), "none", None, ("R7", *NO_PLACE, *SUBSCRIBED),
            id="reasons are off",
        ),
        pytest.param(
            web(NINE - HOUR), facts(wrote_at(NINE)), policy(), "carried", BILLING,
            ("R13", *OPEN_NO_PLACE, *SUBSCRIBED), id="late",
        ),
        pytest.param(
            web(NINE - HOUR), facts(wrote_at(NINE, reason=None)), policy(), "none", None,
            ("R13", *OPEN_NO_PLACE, *SUBSCRIBED), id="late, nothing carried",
        ),
    ],
)  # fmt: skip
def test_a_reason_says_where_it_came_from_and_by_which_rules(  # noqa: PLR0913 - a row of the table
    message: Message, known: Facts, rules: Policy, source: str, reason: ReasonId | None, fired: tuple[str, ...]
) -> None:
    decision = after(message, known=known, rules=rules)
    assert (decision.reason.source, decision.reason.reason_id, decision.rules) == (source, reason, fired)


@pytest.mark.rule("X1")
@pytest.mark.parametrize(
    ("known", "rules", "fired"),
    [
        pytest.param(facts(None, at(ELM)), policy(), ("L1", "D1", *SUBSCRIBED), id="the next appointment"),
        pytest.param(facts(None, at(RIVER)), policy(), ("L1", "D1", *DEFAULT), id="nobody is subscribed"),
        pytest.param(
            facts(wrote_at(NINE - HOUR, location=carried(ELM))), policy(), ("L2", "M3", *SUBSCRIBED), id="carried"
        ),
        pytest.param(
            facts(wrote_at(NINE - HOUR, location=CarriedPlace(ELM, "a0", NINE - timedelta(days=2)))), policy(),
            ("L2", "L9", "M3", *SUBSCRIBED), id="carried, and stale",
        ),
        pytest.param(
            facts(None, at(ELM), directory=Directory({ELM: Place("Elm Street", is_retired=True)})), policy(),
            ("L1", "L7", "D1", *SUBSCRIBED), id="retired",
        ),
        pytest.param(
            facts(None, at(ELM)), policy(location_routing=False), ("L4", "D1", *SUBSCRIBED), id="locations are off"
        ),
        pytest.param(
            facts(None, at(ELM)), policy(provider_routing=True), ("L1", "L8", "D1", *SUBSCRIBED), id="providers are on"
        ),
        pytest.param(
            facts(None), policy(provider_routing=True), ("L2", "L8", "D1", *SUBSCRIBED), id="no provider is known"
        ),
        pytest.param(
            facts(wrote_at(NINE - HOUR, destination=AssignedTo(FAY))), policy(), ("L2", "D2"), id="assigned"
        ),
        pytest.param(
            facts(wrote_at(NINE - HOUR, destination=AssignedTo(FAY))), policy(subscribed(FAY, active=False)),
            ("L2", "D4", *DEFAULT), id="assigned to somebody who left",
        ),
        pytest.param(
            facts(wrote_at(NINE - HOUR, destination=InSharedInbox("nurses"))), policy(), ("L2", "D3"),
            id="in a shared inbox",
        ),
        pytest.param(
            facts(wrote_at(NINE - HOUR, destination=InSharedInbox("gone"))), policy(), ("L2", "D3", *SUBSCRIBED),
            id="in a shared inbox that is gone",
        ),
        pytest.param(
            facts(None), policy(subscribed(NIA, unassigned=True), reason_routing=False, location_routing=False),
            ("R7", "L4", "D1", "M5"), id="all routing is off",
        ),
    ],
)  # fmt: skip
def test_a_place_and_an_inbox_say_by_which_rules(known: Facts, rules: Policy, fired: tuple[str, ...]) -> None:
    by_reason = () if fired[0].startswith("R") else ("R5", "R8")
    assert after(sms(), known=known, rules=rules).rules == (*by_reason, *fired)


@pytest.mark.rule("L9")
def test_fresh_knowledge_at_the_limit_is_not_stale_and_beyond_it_is() -> None:
    def is_stale(age: timedelta) -> bool:
        known = facts(None, at(ELM, as_of=NINE - age), directory=Directory(DIRECTORY.locations))
        return after(sms(), known=known).location.is_stale

    assert not is_stale(timedelta(hours=24))
    assert is_stale(timedelta(hours=24, microseconds=1))


@pytest.mark.rule("R13")
def test_a_message_whose_clock_was_ahead_makes_those_after_it_late_and_loses_none() -> None:
    """Doors replace instants of the future; a record that another program wrote to the topic may still have one."""
    ahead, ordinary = web(NINE + timedelta(days=3), BILLING), web(HALF_PAST, REFILLS)
    decision = after(ahead, ordinary)
    assert (decision.is_late, decision.reason.reason_id) == (True, BILLING)
    assert [one.staff_id for one in decision.audience] == [BO]
    assert decision.conversation.last_message_at == ahead.received_at


@pytest.mark.rule("M1", "L8")
def test_a_subscription_to_one_provider_is_told_of_that_provider_only() -> None:
    ash, birch = (to(None, None, name) for name in ("ash", "birch"))
    staff = (
        subscribed(FAY, type(ash)("ash", None, None, frozenset({"dr-ash"}))),
        subscribed(BO, type(birch)("birch", None, None, frozenset({"dr-birch"}))),
    )
    decision = after(sms(), known=facts(None, at(ELM)), rules=policy(*staff, provider_routing=True))
    assert [one.staff_id for one in decision.audience] == [FAY]
    assert decision.provider.carried == CarriedPlace(PlaceId("dr-ash"), "a1", NINE)
