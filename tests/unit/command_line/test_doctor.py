"""What the doctor says of clocks and of connections to practice-management systems."""

from datetime import UTC, datetime, timedelta

import pytest

from pm_sync.storage.connections import StoredConnection
from switchboard_cli.doctor import clock_finding, pm_finding

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
FHIR = '{"kind": "fhir-r4", "base_url": "https://ehr.example.com/fhir", "time_zone": "America/New_York"}'


@pytest.mark.parametrize(("seconds", "status"), [(0.2, "ok"), (-1, "warning"), (29, "warning"), (-30, "failure")])
def test_a_clock_may_differ_by_less_than_what_tokens_tolerate(seconds: float, status: str) -> None:
    assert clock_finding(timedelta(seconds=seconds)).status == status


@pytest.mark.parametrize(
    ("last_success", "problem", "status"),
    [
        (None, None, "warning"),
        (None, "the server cannot be reached", "failure"),
        (timedelta(minutes=1), None, "ok"),
        (timedelta(minutes=10), None, "warning"),
        (timedelta(minutes=1), "the server cannot be reached", "failure"),
        (timedelta(hours=24, seconds=1), None, "failure"),
    ],
)
def test_a_pm_connection_is_told_as_its_status_shows_it(
    last_success: timedelta | None, problem: str | None, status: str
) -> None:
    at = None if last_success is None else NOW - last_success
    finding = pm_finding(StoredConnection("elm-pm", FHIR, at, NOW, problem), "maple-street", NOW)

    assert finding.status == status
    assert problem is None or problem in finding.detail
