"""FHIR resources in our form, vendors' peculiarities included."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_sync.adapters.fhir.resources import FhirForm, appointment_of, names_in, patient_of, place_of
from pm_sync.adapters.fhir.vendors import vendor
from pm_sync.domain.snapshot import Appointment, Patient, Unreadable

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
FORM = FhirForm(vendor("generic"), ZoneInfo("America/New_York"), "US", NOW)


def actor(reference: str, status: str = "accepted", **more: str) -> dict[str, Any]:
    return {"actor": {"reference": reference, **more}, "status": status}


def resource(*participants: dict[str, Any], **more: object) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-12-01T19:30:00Z",
        "participant": [actor("Patient/p1"), *participants],
        **more,
    }


def read(told: dict[str, Any], form: FhirForm = FORM) -> Appointment:
    found = appointment_of(told, form)
    assert isinstance(found, Appointment)
    return found


def test_of_several_locations_the_first_that_has_not_declined_counts() -> None:
    told = resource(actor("Location/far", "declined"), actor("Location/elm"), actor("Location/river"))

    assert read(told).location_id == "elm"


@pytest.mark.parametrize(
    "reference",
    ["Location/elm", "https://ehr.example.com/fhir/Location/elm", "Location/elm/_history/3", "Location/elm/"],
)
def test_references_are_understood_in_every_form(reference: str) -> None:
    assert read(resource(actor(reference))).location_id == "elm"


def test_ids_with_dots_become_ids_of_ours_always_the_same() -> None:
    first, second = (read(resource(actor("Location/1.2.3"), id="e.1")) for _ in range(2))

    assert first == second
    assert "." not in f"{first.appointment_id}{first.location_id}"


@pytest.mark.parametrize(
    ("start", "instant"),
    [
        ("2026-12-01T14:30:00-05:00", "2026-12-01T19:30Z"),
        ("2026-12-01T14:30:00", "2026-12-01T19:30Z"),
        ("2026-07-01T14:30", "2026-07-01T18:30Z"),
        ("2026-11-01T01:30:00", "2026-11-01T05:30Z"),
        ("2027-03-14T02:30:00", "2027-03-14T07:30Z"),
    ],
)
def test_times_without_a_zone_are_the_practices_through_the_changes_of_the_clock(start: str, instant: str) -> None:
    assert read(resource(start=start)).start == datetime.fromisoformat(instant)


def test_what_is_no_patients_is_left_out_and_what_is_wrong_is_told_by_its_place() -> None:
    blocked = {"id": "a1", "status": "booked", "participant": [actor("Practitioner/x")]}
    wrong = [
        appointment_of(told, FORM)
        for told in (
            resource(status="perhaps"), resource(status=None), resource(start="soon"), resource(start="2026-12-01"),
            resource(participant="Testy McSample"), resource(id=None),
        )
    ]  # fmt: skip

    assert appointment_of(blocked, FORM) is None
    assert all(isinstance(one, Unreadable) for one in wrong)
    assert not any("McSample" in one.reason for one in wrong if isinstance(one, Unreadable))


@pytest.mark.parametrize(
    ("name", "told", "meant"),
    [
        ("openemr", "proposed", "proposed"), ("athenahealth", None, "cancelled"), ("athenahealth", "booked", "booked"),
        ("oracle", "checked-in", "checked-in"), ("epic", "waitlist", "waitlist"), ("generic", "noshow", "noshow"),
    ],
)  # fmt: skip
def test_each_vendors_status_is_meant_as_its_file_says(name: str, told: str | None, meant: str) -> None:
    assert read(resource(status=told), replace(FORM, vendor=vendor(name))).status == meant


def test_a_cancelled_appointment_may_leave_out_its_time() -> None:
    assert read(resource(status="cancelled", start=None)).start is None


def test_a_patient_has_the_official_name_all_phones_that_work_and_a_whole_birth_date() -> None:
    told = {
        "id": "p1",
        "name": [{"use": "old", "family": "Was"}, {"use": "official", "family": "McSample", "given": ["Testy", "T"]}],
        "telecom": [
            {"system": "phone", "value": "(312) 555-0101"}, {"system": "phone", "use": "old", "value": "312 555 0102"},
            {"system": "email", "value": "a@example.com"}, {"system": "sms", "value": "+13125550103"},
            {"system": "phone", "value": "call me"},
        ],
        "birthDate": "1980-01",
        "active": False,
        "link": [{"type": "replaced-by", "other": {"reference": "Patient/p2"}}],
    }  # fmt: skip
    patient = patient_of(told, FORM)

    assert patient == Patient(
        "p1", "Testy T", "McSample", None, ("+13125550101", "+13125550103"), NOW, is_active=False, merged_into="p2"
    )
    assert isinstance(again := patient_of(told | {"birthDate": "1980-01-31"}, FORM), Patient)
    assert again.birth_date == date(1980, 1, 31)


def test_places_have_names_from_their_own_resource_or_from_the_appointment() -> None:
    told = resource(actor("Location/elm", display="Elm Street"), actor("Practitioner/dr"))

    assert names_in(told) == ({"elm": "Elm Street"}, {"dr": "dr"})
    assert place_of({"id": "elm", "name": "Elm"}) == ("elm", "Elm")
    assert place_of({"id": "dr", "name": [{"prefix": ["Dr."], "given": ["Ash"], "family": "Example"}]}) == (
        "dr",
        "Dr. Ash Example",
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["id", "status", "start", "end", "participant", "name", "telecom", "meta"]), JSON)
)
def test_no_resource_at_all_breaks_the_reading(told: dict[str, Any]) -> None:
    appointment_of(told, FORM)
    patient_of(told, FORM)
    names_in(told)
    place_of(told)
