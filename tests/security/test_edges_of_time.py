"""Moments at the edge of the years that there are: some systems write the last minute of 9999 for "never". They are read or
refused as what they are; nothing falls over, and no partition stands still for them.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from pm_sync.adapters.csv_file import BadFile, CsvFormat, read_csv
from pm_sync.adapters.fhir.client import retry_after
from pm_sync.adapters.fhir.resources import FhirForm, appointment_of
from pm_sync.adapters.fhir.vendors import vendor
from pm_sync.adapters.hl7.message import Message
from pm_sync.adapters.hl7.scheduling import Hl7Form, page_of
from pm_sync.domain.snapshot import Unreadable
from shared_schemas.cloudevents import UnreadableEvent, decode
from shared_schemas.json_schemas import file_name
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.topics import EVENT_TYPES
from shared_schemas.values import Event

EXAMPLES = Path(__file__).resolve().parents[2] / "shared/schemas/examples"
NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
BEYOND = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59")
EDGES = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
WEST, EAST = ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")


def example(event: type[Event]) -> Any:  # noqa: ANN401 - JSON
    return json.loads((EXAMPLES / file_name(event)).read_text("utf-8"))


def with_moments(content: Any, moment: str) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """The content once for each moment in it, with another one there."""
    if isinstance(content, dict):
        for name, part in content.items():
            yield from (content | {name: other} for other in with_moments(part, moment))
    elif isinstance(content, list):
        for index, part in enumerate(content):
            yield from ([*content[:index], other, *content[index + 1 :]] for other in with_moments(part, moment))
    elif isinstance(content, str) and content[4:5] == "-" and "T" in content:
        yield moment


def read(event: type[Event], content: object) -> Event:
    headers = {"ce_specversion": b"1.0", "ce_type": event.ce_type.encode()}
    return decode(headers, json.dumps(content).encode())


@pytest.mark.parametrize("event", EVENT_TYPES.values(), ids=lambda event: event.__name__)
def test_an_event_from_beyond_is_unreadable_and_one_from_the_edge_is_read_or_unreadable(event: type[Event]) -> None:
    for moment in BEYOND:
        for content in with_moments(example(event), moment):
            with pytest.raises(UnreadableEvent):
                read(event, content)
    for moment in EDGES:
        for content in with_moments(example(event), moment):
            try:
                assert isinstance(read(event, content), event)
            except UnreadableEvent as refused:
                assert moment not in str(refused)  # noqa: PT017 - both are right


def test_there_are_moments_to_try() -> None:
    assert sum(1 for event in EVENT_TYPES.values() for _ in with_moments(example(event), "")) > 30


@pytest.mark.parametrize("year", ["0001", "1969", "9999"])
def test_no_message_is_of_a_year_from_which_nobody_can_count(year: str) -> None:
    with pytest.raises(UnreadableEvent, match="received_at"):
        read(MessageReceivedV1, example(MessageReceivedV1) | {"received_at": f"{year}-06-01T00:00:00Z"})


@pytest.mark.parametrize("zone", [WEST, EAST], ids=str)
@pytest.mark.parametrize("start", [*BEYOND, "9999-12-31T23:59:59", "0001-01-01T00:00:00"])
def test_a_row_of_a_file_from_beyond_is_a_mistake_in_its_line(zone: ZoneInfo, start: str) -> None:
    content = f"appointment_id,patient_id,status,start\na1,p1,booked,{start}\n".encode()
    try:
        (one,) = read_csv(content, CsvFormat(zone, "US", {}, NOW)).appointments
    except BadFile as refused:
        assert [(mistake.line, mistake.column) for mistake in refused.mistakes] == [(2, "start")]  # noqa: PT017
    else:
        assert one.start is not None
        assert one.start.tzinfo == UTC


@pytest.mark.parametrize("zone", [WEST, EAST], ids=str)
@pytest.mark.parametrize("place", ["start", "end"])
@pytest.mark.parametrize("moment", [*BEYOND, "9999-12-31T23:59:59", "0001-01-01T00:00:00"])
def test_a_resource_from_beyond_goes_to_quarantine(zone: ZoneInfo, place: str, moment: str) -> None:
    told = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "start": "2026-12-01T19:30:00Z",
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
        place: moment,
    }
    found = appointment_of(told, FhirForm(vendor("generic"), zone, "US", NOW))

    assert found is not None
    if isinstance(found, Unreadable):
        assert found.reason == "start or end: no instant"
    if moment in BEYOND:
        assert isinstance(found, Unreadable)


@pytest.mark.parametrize("zone", [WEST, EAST], ids=str)
@pytest.mark.parametrize("moment", ["00010101000000", "99991231235900", "00010101000000+2359", "99991231235900-2359"])
@pytest.mark.parametrize("place", ["MSH-7", "SCH-11"])
def test_an_hl7_message_from_beyond_is_read_or_goes_to_quarantine(zone: ZoneInfo, moment: str, place: str) -> None:
    sent, start = (moment, "20261201143000") if place == "MSH-7" else ("20261124120000", moment)
    raw = (
        f"MSH|^~\\&|SCHED|MAPLE|||{sent}||SIU^S12^SIU_S12|4711|P|2.5.1\r"
        f"SCH|PL1|FL1|||||||30|MIN|^^30^{start}|||||||||||||Booked\rPID|||pt-001||McSample^Testy\r"
    ).encode()
    page = page_of(Message.of(raw), raw, Hl7Form(zone, "US", 1, NOW))

    assert len(page.appointments) + len(page.unreadable) == 1


@pytest.mark.parametrize("value", ["9" * 40, "Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 9999 23:59:59 GMT", "1"])
def test_a_server_that_says_never_again_is_asked_tomorrow(value: str) -> None:
    wait = retry_after(httpx.Response(503, headers={"Retry-After": value}), NOW)

    assert wait is None or wait.days <= 1
