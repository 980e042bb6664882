"""When a connection is asked next."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pm_sync.domain.schedule import LONGEST_PAUSE, SPREAD, next_due

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
POLL = timedelta(seconds=30)
INTERVALS = st.timedeltas(timedelta(seconds=1), timedelta(days=1))
FRACTIONS = st.floats(0, 1)


@given(INTERVALS, st.integers(0, 10_000), FRACTIONS)
def test_a_connection_is_never_left_alone_for_longer_than_the_longest_pause_or_its_own(
    interval: timedelta, failures: int, fraction: float
) -> None:
    pause = next_due(NOW, interval, failures, None, fraction) - NOW

    assert interval * (1 - 2 * SPREAD) <= pause <= max(interval, LONGEST_PAUSE) * (1 + 2 * SPREAD)


@given(INTERVALS, st.integers(1, 20), st.timedeltas(timedelta(), timedelta(days=1)), FRACTIONS)
def test_a_server_that_asks_for_patience_gets_it(
    interval: timedelta, failures: int, retry_after: timedelta, fraction: float
) -> None:
    assert next_due(NOW, interval, failures, retry_after, fraction) - NOW >= retry_after


def test_each_failure_doubles_the_pause() -> None:
    pauses = [next_due(NOW, POLL, failures, None, 0.5) - NOW for failures in range(6)]

    assert pauses == [POLL, POLL * 2, POLL * 4, POLL * 8, POLL * 16, LONGEST_PAUSE]
