"""Reading the PM system's export."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from pm_sync.adapters.csv_file import BadFile, CsvFormat, read_csv

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
NEW_YORK = CsvFormat(ZoneInfo("America/New_York"), "US", {}, NOW)
HEADER = "appointment_id,patient_id,given_name,family_name,birth_date,phone,status,start,location_id,location_name"


def mistakes(*rows: str) -> list[tuple[int, str]]:
    with pytest.raises(BadFile) as refused:
        read_csv("\r\n".join((HEADER, *rows)).encode(), NEW_YORK)
    return [(one.line, one.column) for one in refused.value.mistakes]


def test_a_row_becomes_an_appointment_a_patient_and_a_location() -> None:
    found = read_csv(
        f"{HEADER}\na1,p1,Testy,McSample,1980-01-31,(312) 555-0101,booked,2027-01-04T14:30,elm,Elm Street".encode(),
        NEW_YORK,
    )
    assert found.appointments[0].start == datetime(2027, 1, 4, 19, 30, tzinfo=UTC)
    assert found.patients[0].phones == ("+13125550101",)
    assert found.patients[0].birth_date == date(1980, 1, 31)
    assert found.locations == {"elm": "Elm Street"}


def test_a_row_without_an_appointment_is_a_patient_alone() -> None:
    found = read_csv(f"{HEADER}\n,p1,Testy,McSample,,,,,,".encode(), NEW_YORK)
    assert (found.appointments, [one.patient_id for one in found.patients]) == ((), ["p1"])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_what_spreadsheets_write_is_read(encoding: str) -> None:
    found = read_csv(f"{HEADER}\n,p1,Zoë,McSample,,,,,,".encode(encoding), NEW_YORK)
    assert found.patients[0].given_name == "Zoë"


def test_an_hour_that_occurs_twice_is_the_first_one() -> None:
    found = read_csv(f"{HEADER}\na1,p1,,,,,booked,2026-11-01T01:30,,".encode(), NEW_YORK)
    assert found.appointments[0].start == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def test_every_mistake_is_told_by_line_and_column_and_none_by_its_content() -> None:
    rows = (
        "a 1,p1,,,,,booked,2027-01-04T14:30,,",
        "a2,,,,31.1.1980,,gone,tomorrow,,",
        "a3,p3,,,,call me,booked,2027-01-04,,",
    )
    assert mistakes(*rows) == [
        (2, "appointment_id"),
        (3, "patient_id"),
        (3, "birth_date"),
        (3, "status"),
        (3, "start"),
        (4, "phone"),
    ]


def test_two_lines_with_one_appointment_are_refused() -> None:
    assert mistakes("a1,p1,,,,,booked,2027-01-04T14:30,,", "a1,p1,,,,,booked,2027-01-05T14:30,,") == [
        (3, "appointment_id")
    ]


def test_columns_may_have_other_names() -> None:
    form = CsvFormat(ZoneInfo("UTC"), "US", {"patient_id": "MRN"}, NOW)
    assert [one.patient_id for one in read_csv(b"MRN,phone\np1,", form).patients] == ["p1"]
    with pytest.raises(BadFile):
        read_csv(b"patient_id\np1", form)
