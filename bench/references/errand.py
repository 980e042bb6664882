"""What a reference program is told, and how it tells how far it is."""

import sys
from dataclasses import dataclass


@dataclass
class Errand:
    """Read `warm_up` and then `messages` records of `source`, write one for each to `target`."""

    servers: str
    dsn: str
    source: str
    target: str
    directory: str
    warm_up: int
    messages: int
    seen: int = 0

    @classmethod
    def of_arguments(cls) -> "Errand":
        """As the benchmark calls it."""
        servers, dsn, source, target, directory, warm_up, messages = sys.argv[1:]
        return cls(servers, dsn, source, target, directory, int(warm_up), int(messages))

    def did(self, count: int) -> bool:
        """So many more are done; True with the last one."""
        before, self.seen = self.seen, self.seen + count
        if before < self.warm_up <= self.seen:
            print("first", flush=True)  # noqa: T201 - what the benchmark waits for
        is_last = before < self.warm_up + self.messages <= self.seen
        if is_last:
            print("last", flush=True)  # noqa: T201 - as above
        return is_last
