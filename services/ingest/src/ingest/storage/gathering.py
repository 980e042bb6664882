"""Of little, each is handled at once; of much, some is waited for: a round costs many hardly more than it costs one."""

import asyncio
from collections import deque
from math import inf

LATELY_SECONDS = 0.012
APART_SECONDS = 0.002
"""For each that came lately, so far apart rounds begin."""
_MOST = 12
"""So many count: rounds are 24 ms apart at most."""


class Gathering:
    """When a round may begin of what comes one by one (decisions 41 and 42)."""

    def __init__(self) -> None:
        self._came: deque[float] = deque(maxlen=_MOST)
        self._began = -inf

    def came(self) -> None:
        """One more has come."""
        self._came.append(asyncio.get_running_loop().time())

    async def round(self) -> None:
        """Wait until a round may begin; it begins when this returns."""
        now = asyncio.get_running_loop().time()
        lately = sum(now - at < LATELY_SECONDS for at in self._came)
        wait = self._began + lately * APART_SECONDS - now
        if wait > 0:
            await asyncio.sleep(wait)
        self._began = asyncio.get_running_loop().time()
