"""How fast a host may be asked, by all connections together."""

import asyncio
from collections.abc import Callable


class Pace:
    """Lets one caller through at a time, evenly spaced, in the order of asking."""

    def __init__(self, per_second: float, now: Callable[[], float]) -> None:
        self._interval = 1 / per_second
        self._now = now
        self._free_at = 0.0

    async def turn(self) -> None:
        """Return when it is the caller's turn."""
        now = self._now()
        mine = max(now, self._free_at)
        self._free_at = mine + self._interval
        if mine > now:
            await asyncio.sleep(mine - now)
