"""How long to wait before trying again."""

from collections.abc import Iterator
from random import random

FIRST_SECONDS = 0.5
MOST_SECONDS = 20.0


def delays(first: float = FIRST_SECONDS) -> Iterator[float]:
    """Seconds, doubling up to a limit, each a random part of that: those who fail together do not come back together."""
    longest = first
    while True:
        yield longest * random()  # noqa: S311 - no secret
        longest = min(MOST_SECONDS, 2 * longest)
