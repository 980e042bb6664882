"""What a change of the settings does, in words and as differences (rules V2, X3)."""

import pytest

from router.differences import Difference, differences
from router.domain.effect import Effect, effect_on
from router.domain.facts import PlaceId
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from tests.unit.router.practice import BO, ELM, FAY, RIVER, policy, subscribed, to


@pytest.mark.rule("V2")
def test_a_change_of_ones_subscriptions_says_what_one_will_and_will_not_be_told_of() -> None:
    before = policy(subscribed(BO, to({"billing"}, {"elm", "river"})), subscribed(FAY, to({"billing"}, {"river"})))
    after = policy(subscribed(BO, to({"refills"}, {"elm"})), subscribed(FAY, to({"billing"}, {"river"})))
    effect = effect_on(BO, before, after, [ELM, RIVER], [])
    assert [(cell.reason_id, cell.location_id) for cell in effect.newly_told] == [("refills", "elm")]
    assert [(cell.reason_id, cell.location_id) for cell in effect.no_longer_told] == [
        ("billing", "elm"), ("billing", "river"),
    ]  # fmt: skip
    assert [(cell.reason_id, cell.location_id) for cell in effect.told_to_nobody] == [("billing", "elm")]


@pytest.mark.rule("V2")
def test_what_a_member_goes_on_being_told_of_is_no_effect() -> None:
    rules = policy(subscribed(BO, to(None, None)), provider_routing=True)
    assert effect_on(BO, rules, rules, [ELM], [PlaceId("dr-ash")]) == Effect((), (), ())
    empty = effect_on(BO, rules, policy(subscribed(BO), provider_routing=True), [ELM], [PlaceId("dr-ash")])
    assert len(empty.no_longer_told) == len(empty.told_to_nobody) == 3 * 2 * 2
    assert {cell.provider_id for cell in empty.no_longer_told} == {"dr-ash", "unknown"}


def settings(**changes: object) -> RoutingSettingsPublishedV1:
    return RoutingSettingsPublishedV1.model_validate(
        {
            "practice_id": "p",
            "reasons": [{"id": "billing", "label": {"en": "Billing"}}, {"id": "refills", "label": {"en": "Refills"}}],
            "members": [{"staff_id": "bo", "name": "Bo Madeup"}],
        }
        | changes
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"version": 9}, []),
        ({"reason_routing": True}, [Difference("reason_routing", before=False, after=True)]),
        (
            {"members": [{"staff_id": "bo", "name": "Bo Madeup", "active": False}]},
            [Difference("members/bo/active", before=True, after=False)],
        ),
        (
            {"reasons": [{"id": "refills", "label": {"en": "Refills"}}, {"id": "billing", "label": {"en": "Billing"}}]},
            [Difference("reasons/order", ["billing", "refills"], ["refills", "billing"])],
        ),
        (
            {"reasons": [{"id": "billing", "label": {"en": "Bills"}}]},
            [
                Difference("reasons/billing/label/en", "Billing", "Bills"),
                Difference("reasons/refills", {"id": "refills", "label": {"en": "Refills"}, "retired": False}, None),
            ],
        ),
        ({"default_subscribers": ["bo"]}, [Difference("default_subscribers", [], ["bo"])]),
    ],
)
def test_two_versions_differ_in_what_was_changed_and_name_it_by_its_id(
    changes: dict[str, object], expected: list[Difference]
) -> None:
    assert differences(settings(), settings(**changes)) == expected
