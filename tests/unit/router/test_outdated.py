"""An appointment that moves or vanishes marks the labels that came from it, and changes none of them (L3)."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from router.domain.actions import CompareLabels, apply
from router.domain.facts import CarriedPlace, PlaceId
from router.outdating import Labels, appointment_changes
from shared_schemas.practice_management import AppointmentSyncedV1
from tests.unit.router.practice import DIRECTORY, NINE, policy, wrote_at

ELM = CarriedPlace(PlaceId("elm"), "a1", NINE)
ASH = CarriedPlace(PlaceId("dr-ash"), "a1", NINE)
LATER = NINE + timedelta(minutes=1)
KEY = ("maple", "p1", "a1")


def synced(location: str = "elm", **more: str) -> AppointmentSyncedV1:
    fields = {"appointment_id": "a1", "status": "booked", "provider_id": "dr-ash", "source": "pm"} | more
    start = NINE + timedelta(days=1)
    fixed = {"practice_id": "maple", "patient_id": "p1", "start": start, "location_id": location, "as_of": LATER}
    return AppointmentSyncedV1.model_validate(fixed | fields)


def is_told(event: AppointmentSyncedV1, labels: Labels = (ELM, ASH)) -> bool:
    return bool(list(appointment_changes([event], {KEY: labels}, LATER)))


@pytest.mark.rule("L3")
def test_only_what_makes_a_label_wrong_or_right_again_is_told() -> None:
    outdated = (replace(ELM, is_outdated=True), ASH)

    assert [
        is_told(synced("river")),
        is_told(synced(status="cancelled")),
        is_told(synced(status="entered-in-error")),
        is_told(synced(provider_id="dr-birch")),
        is_told(synced("elm"), outdated),
    ] == [True] * 5
    assert [
        is_told(synced("elm")),
        is_told(synced("river"), outdated),
        is_told(synced("river", appointment_id="a2")),
        is_told(synced("river"), (None, None)),
    ] == [False] * 4


def test_a_conversation_that_nobody_waits_for_is_not_looked_at() -> None:
    assert list(appointment_changes([synced("river")], {}, LATER)) == []


@pytest.mark.rule("L3")
def test_a_label_stays_and_says_that_it_may_be_out_of_date() -> None:
    before = wrote_at(NINE, location=ELM, provider=ASH)
    outcome = apply(CompareLabels("a1", PlaceId("river"), PlaceId("dr-ash")), before, policy(), DIRECTORY)
    again = apply(CompareLabels("a1", PlaceId("elm"), PlaceId("dr-ash")), outcome.conversation, policy(), DIRECTORY)

    assert outcome.conversation == replace(before, location=replace(ELM, is_outdated=True), version=1)
    assert again.conversation == replace(before, version=2)


def test_the_same_change_of_an_appointment_is_the_same_change_of_the_conversation() -> None:
    first, second = (list(appointment_changes([synced("river")], {KEY: (ELM, ASH)}, now)) for now in (NINE, LATER))

    assert first[0].change_id == second[0].change_id
