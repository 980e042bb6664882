"""When something that could not be delivered is tried again, and when it is given up."""

from datetime import timedelta

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Between one attempt and the next: ten attempts over three days."""
JITTER = 0.2
LONGEST_PAUSE = timedelta(minutes=5)
LONGEST_ASKED = timedelta(hours=24)


def wait_after(attempts: int, *, jitter: float, asked: timedelta | None = None) -> timedelta | None:
    """How long to wait after so many attempts that failed; None: it is given up.

    `jitter` is between 0 and 1, and moves the wait by up to a fifth either way, so that what failed together does not come
    back together. `asked` is what the other side asked for (Retry-After); a day of it is believed.
    """
    if attempts > len(WAITS):
        return None
    wait = WAITS[attempts - 1] * (1 + JITTER * (2 * jitter - 1))
    return max(wait, min(asked, LONGEST_ASKED)) if asked is not None else wait


def pause_after(failures: int) -> timedelta:
    """How long an endpoint is left alone that failed so many times in a row, whatever is waiting for it."""
    return min(timedelta(seconds=2 ** min(failures, 10) / 2), LONGEST_PAUSE)
