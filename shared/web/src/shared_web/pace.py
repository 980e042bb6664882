"""How fast somebody may ask: so many times a second on the long run, and many at once after a while of silence."""

import math
import time
from collections.abc import Callable
from http import HTTPStatus

from shared_web.problems import Problem

BURST_SECONDS = 10.0
"""What was not used lately may be used at once: as much as this many seconds give."""
MOST_KEYS = 10_000


class Pace:
    """A bound for each key, in this process' memory: N instances let N times as much through.

    The generic cell rate algorithm: of each key only the moment is kept at which all that it asked would have been asked at
    the pace. https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        """Zero: there is no bound."""
        self._clock = clock
        self._even_at: dict[str, float] = {}

    def check(self, key: str) -> None:
        """Count one more. Raises a 429 problem for what is too fast; it is not counted then."""
        if not self._interval:
            return
        now = self._clock()
        even_at = max(self._even_at.get(key, now), now) + self._interval
        too_early = even_at - now - max(BURST_SECONDS, self._interval)
        if too_early > 0:
            headers = {"Retry-After": str(math.ceil(too_early))}
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests: ask more slowly", headers=headers)
        self._even_at[key] = even_at
        if len(self._even_at) > MOST_KEYS:
            self._even_at = {one: moment for one, moment in self._even_at.items() if moment > now}
