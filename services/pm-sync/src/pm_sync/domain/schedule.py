"""When a connection is asked next."""

from datetime import datetime, timedelta

SPREAD = 0.1
"""The share of an interval by which it is longer or shorter: connections that were made together drift apart."""
LONGEST_PAUSE = timedelta(minutes=15)
"""Between two tries of a source that has trouble, unless it asks for more or is asked less often anyway."""

_MOST_DOUBLINGS = 16


def next_due(
    now: datetime, interval: timedelta, failures: int, retry_after: timedelta | None, fraction: float
) -> datetime:
    """After a success the interval; after each failure in a row twice as long. `fraction` (0 to 1) makes the spread."""
    pause = interval
    if failures:
        doubled = interval * 2 ** min(failures, _MOST_DOUBLINGS)
        pause = max(interval, min(doubled, LONGEST_PAUSE))
    return now + max(pause * (1 - SPREAD + 2 * SPREAD * fraction), retry_after or timedelta())
