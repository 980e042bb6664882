"""How many batches run at once in one process, and waking the consumers when one more may start."""

import asyncio
from collections.abc import Callable


class Lanes:
    """A number of lanes that all consumers of an engine share: PostgreSQL is what they share."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._wakers: list[Callable[[], None]] = []

    def on_free(self, dispatch: Callable[[], None]) -> None:
        """Call `dispatch` whenever something may be able to start."""
        self._wakers.append(dispatch)

    def take(self) -> bool:
        """Take a lane, if one is free."""
        if not self._free:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """Free a lane, and let whoever waited longest for one start first."""
        self._free += 1
        self._wakers.append(self._wakers.pop(0))
        self.wake()

    def wake(self) -> None:
        """Let every consumer start what it can."""
        for dispatch in self._wakers:
            dispatch()

    def wake_at(self, when: float) -> None:
        """Wake at this time of the event loop's clock."""
        asyncio.get_running_loop().call_at(when + 0.001, self.wake)
