"""Scheduling messages in our form. The messages are built by hl7apy, by the standard's own grammar."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hl7apy.core import Message as BuiltMessage
from hypothesis import given
from hypothesis import strategies as st

from pm_sync.adapters.hl7.answer import acknowledgement
from pm_sync.adapters.hl7.message import Message, NoMessage
from pm_sync.adapters.hl7.scheduling import Hl7Form, NotScheduling, page_of
from pm_sync.domain.snapshot import Appointment, Page

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
FORM = Hl7Form(ZoneInfo("America/New_York"), "US", 1, NOW)


def built(event: str = "S12", version: str = "2.5.1", **fields: str) -> bytes:
    """A message of hl7apy's; `sch_25="Noshow"` sets a field."""
    message = BuiltMessage(f"SIU_{'S12'}", version=version)
    message.msh.msh_3, message.msh.msh_4 = "SCHED", "MAPLE"
    message.msh.msh_7 = "20261124120000-0500"
    message.msh.msh_9 = f"SIU^{event}^SIU_S12"
    message.msh.msh_10, message.msh.msh_11 = "4711", "P"
    message.sch.sch_1, message.sch.sch_2 = "PL1", "FL1^SCHED"
    patient = message.add_group("SIU_S12_PATIENT")
    patient.pid.pid_3 = "pt-001^^^MAPLE^MR~999^^^SSN"
    patient.pid.pid_5, patient.pid.pid_7 = "McSample^Testy", "19800131"
    patient.pid.pid_13 = "(312)555-0101"
    resources = message.add_group("SIU_S12_RESOURCES")
    resources.rgs.rgs_1 = "1"
    place = resources.add_group("SIU_S12_LOCATION_RESOURCE")
    place.ail.ail_1, place.ail.ail_3 = "1", "elm^^^maple^^^^^Elm Street"
    person = resources.add_group("SIU_S12_PERSONNEL_RESOURCE")
    person.aip.aip_1, person.aip.aip_3 = "1", "dr-ash^Example^Ash^^^Dr."
    segments = {"msh": message.msh, "sch": message.sch, "pid": patient.pid, "ail": place.ail, "aip": person.aip}
    if not any(name.startswith("tq1") for name in fields):
        message.sch.sch_11 = "^^30^20261201143000^20261201150000"
    for name, value in fields.items():
        setattr(segments[name.split("_")[0]], name, value)
    return message.to_er7().encode()


def read(raw: bytes, form: Hl7Form = FORM) -> Page:
    return page_of(Message.of(raw), raw, form)


def appointment(raw: bytes) -> Appointment:
    page = read(raw)
    assert not page.unreadable, page.unreadable[0].reason
    return page.appointments[0]


def wrong(raw: bytes) -> str:
    (one,) = read(raw).unreadable
    assert one.raw == raw
    return one.reason


def test_a_new_appointment_comes_with_its_patient_location_and_provider() -> None:
    page = read(built())

    (one,), (patient,) = page.appointments, page.patients
    assert (one.appointment_id, one.patient_id, one.status) == ("FL1", "pt-001", "booked")
    assert (one.location_id, one.provider_id) == ("elm", "dr-ash")
    assert one.start == datetime(2026, 12, 1, 19, 30, tzinfo=UTC)
    assert one.end == datetime(2026, 12, 1, 20, tzinfo=UTC)
    assert (one.as_of, one.sequence) == (datetime(2026, 11, 24, 17, tzinfo=UTC), 4711)
    assert (patient.family_name, patient.birth_date, patient.phones) == (
        "McSample",
        date(1980, 1, 31),
        ("+13125550101",),
    )
    assert (page.locations, page.providers) == ({"elm": "Elm Street"}, {"dr-ash": "Dr. Ash Example"})


@pytest.mark.parametrize(
    ("event", "filler_status", "status"),
    [
        ("S12", "", "booked"), ("S13", "", "booked"), ("S14", "Pending", "pending"), ("S12", "Waitlist", "waitlist"),
        ("S15", "", "cancelled"), ("S16", "Booked", "cancelled"), ("S17", "", "entered-in-error"),
        ("S26", "", "noshow"), ("S14", "No-show", "noshow"), ("S14", "Complete", "fulfilled"),
    ],
)  # fmt: skip
def test_the_event_or_the_filler_status_says_what_becomes_of_it(event: str, filler_status: str, status: str) -> None:
    assert appointment(built(event, sch_25=filler_status)).status == status


def test_without_the_fillers_id_the_placers_counts_and_without_both_it_goes_to_quarantine() -> None:
    assert appointment(built(sch_2="")).appointment_id == "PL1"
    assert wrong(built(sch_1="", sch_2="")) == "SCH-1 and SCH-2: the appointment has no id"
    assert wrong(built(pid_3="")) == "PID-3: the patient has no id"
    assert wrong(built(sch_11="")) == "SCH-11.4 and TQ1-7: the appointment has no time"
    assert wrong(built(sch_11="^^^tomorrow")) == "SCH-11.4: no time to the minute"
    assert wrong(built(sch_11="^^^20261301250000")) == "SCH-11.4: no such time"


def test_a_cancellation_may_leave_out_the_time() -> None:
    assert appointment(built("S15", sch_11="")).start is None


def test_a_duration_gives_the_end() -> None:
    assert appointment(built(sch_9="45", sch_11="^^^20261201143000")).end == datetime(2026, 12, 1, 20, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "time", "instant"),
    [
        ("20261124120000-0500", "20261201143000", "2026-12-01T19:30Z"),  # the connection's zone
        ("20261124120000-0500", "20261201143000-0800", "2026-12-01T22:30Z"),  # the field's own
        ("20261124120000+0000", "20261201143000", "2026-12-01T14:30Z"),  # the header's
        ("20261024120000-0400", "20261201143000", "2026-12-01T19:30Z"),  # made in summer, meant by the clock in winter
        ("20261124120000", "202612011430", "2026-12-01T19:30Z"),
        ("20261124120000-0500", "20261101013000", "2026-11-01T05:30Z"),  # an hour that occurs twice: the first one
        ("20261124120000-0500", "20270314023000", "2027-03-14T07:30Z"),  # an hour that does not occur
    ],
)
def test_a_time_is_of_its_own_zone_else_the_headers_else_the_connections(header: str, time: str, instant: str) -> None:
    assert appointment(built(msh_7=header, sch_11=f"^^^{time}")).start == datetime.fromisoformat(instant)


def test_a_sender_whose_clock_is_ahead_cannot_outrank_what_comes_later() -> None:
    assert appointment(built(msh_7="20991124120000-0500")).as_of == NOW


@pytest.mark.parametrize(
    ("named", "encoding"), [("8859/1", "iso8859-1"), ("UNICODE UTF-8", "utf-8"), ("", "utf-8"), ("", "cp1252")]
)
def test_names_are_read_in_the_character_set_of_the_header(named: str, encoding: str) -> None:
    raw = built(msh_18=named, pid_5="McSample^Zoë").decode().encode(encoding)

    assert read(raw).patients[0].given_name == "Zoë"


def test_escapes_are_undone_and_separators_in_an_answer_are_escaped() -> None:
    raw = built(ail_3="elm^^^^^^^^Elm \\T\\ Oak").replace(b"|4711|", b"|47\\F\\11|")

    assert read(raw).locations == {"elm": "Elm & Oak"}
    assert b"MSA|AA|47\\F\\11\r" in acknowledgement(Message.of(raw), "AA", "", NOW, 1)


def test_slots_without_a_patient_say_nothing_and_other_kinds_are_not_taken() -> None:
    assert read(built("S23")) == Page()
    with pytest.raises(NotScheduling):
        read(built().replace(b"SIU^S12", b"ADT^A01"))


@given(st.binary(max_size=300), st.integers(0, 600))
def test_no_bytes_at_all_break_the_reading(noise: bytes, at: int) -> None:
    whole = built()
    for raw in (noise, b"MSH|^~\\&|" + noise, whole[:at] + noise + whole[at:], whole[:at]):
        try:
            page_of(Message.of(raw), raw, FORM)
        except (NoMessage, NotScheduling):
            continue
