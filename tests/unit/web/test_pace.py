"""How fast somebody may ask."""

from http import HTTPStatus

import pytest

from shared_web import Problem
from shared_web.pace import BURST_SECONDS, MOST_KEYS, Pace


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def let_through(pace: Pace, key: str, times: int) -> int:
    """How many were, before the first that was not."""
    try:
        for number in range(times):
            done = number
            pace.check(key)
    except Problem:
        return done
    return times


def test_a_burst_passes_and_then_the_pace_holds() -> None:
    clock = Clock()
    pace = Pace(4, clock)

    assert let_through(pace, "a", 1_000) == 4 * BURST_SECONDS
    for _ in range(10):
        clock.now += 1
        assert let_through(pace, "a", 1_000) == 4


def test_whoever_asks_too_fast_is_told_when_to_ask_again() -> None:
    pace = Pace(1, Clock())
    let_through(pace, "a", 1_000)
    with pytest.raises(Problem) as refused:
        pace.check("a")

    assert (refused.value.status, refused.value.headers) == (HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "1"})


def test_one_who_asks_too_fast_slows_nobody_else() -> None:
    pace = Pace(1, Clock())
    let_through(pace, "a", 1_000)

    assert let_through(pace, "b", 3) == 3


def test_what_is_refused_does_not_count() -> None:
    clock = Clock()
    pace = Pace(1, clock)
    for _ in range(100):
        let_through(pace, "a", 1_000)
    clock.now += BURST_SECONDS

    assert let_through(pace, "a", 1_000) == BURST_SECONDS


def test_zero_is_no_bound() -> None:
    assert let_through(Pace(0), "a", 10_000) == 10_000


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_those_who_are_quiet_are_forgotten(seconds: float) -> None:
    clock = Clock()
    pace = Pace(1, clock)
    for number in range(MOST_KEYS):
        pace.check(str(number))
    clock.now += seconds
    pace.check("one more")

    assert len(pace._even_at) == (MOST_KEYS + 1 if seconds == 0 else 1)  # noqa: SLF001 - how much memory it takes
