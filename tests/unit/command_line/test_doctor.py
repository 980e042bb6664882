"""What the doctor says of clocks and of connections to practice-management systems."""

from datetime import UTC, datetime, timedelta

import pytest

from pm_sync.storage.connections import StoredConnection
from switchboard_cli.doctor import clock_finding, pm_finding

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "status"), [(0.2, "ok"), (-1, "warning"), (29, "warning"), (-30, "failure")])
def test_a_clock_may_differ_by_less_than_what_tokens_tolerate(seconds: float, status: str) -> None:
    assert clock_finding(timedelta(seconds=seconds)).status == status


@pytest.mark.parametrize(
    ("last_success", "problem", "status"),
    [
        (None, None, "failure"),
        (timedelta(minutes=5), None, "ok"),
        (timedelta(minutes=5), "unreadable", "warning"),
        (timedelta(hours=24), None, "ok"),
        (timedelta(hours=24, seconds=1), None, "failure"),
    ],
)
def test_a_pm_connection_is_in_order_while_its_appointments_are_fresh(
    last_success: timedelta | None, problem: str | None, status: str
) -> None:
    at = None if last_success is None else NOW - last_success
    connection = StoredConnection("elm-pm", "{}", at, NOW, problem)

    assert pm_finding(connection, "maple-street", NOW).status == status
