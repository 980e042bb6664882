"""One partition that is assigned to us: what waits, how far it is handled, and what trouble it has."""

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from shared_messaging.dead_letters import Refusal
from shared_messaging.fence import Step
from shared_messaging.options import EngineOptions
from shared_messaging.records import Record

_MOST_UNSENT = 2
"""Batches of one partition that wait for Kafka: more of them, and an outage would make us write ever more ahead."""


@dataclass(slots=True, eq=False)
class AssignedPartition:
    """The state of one partition from its assignment to its revocation. Times are of the event loop's clock."""

    topic: str
    number: int
    options: EngineOptions
    limit: int
    """The size of its next batch: halved to find the record that PostgreSQL refuses, doubled after each success."""
    epoch: int = 0
    next_offset: int = 0
    """The first offset that is not handled, as in PostgreSQL."""
    fetched_to: int = 0
    """The offset after the last record that waits."""
    waiting: deque[Record] = field(default_factory=deque[Record])
    waiting_bytes: int = 0
    refused: dict[Record, Refusal] = field(default_factory=dict[Record, Refusal])
    """Records that a handler failed on permanently, while their batch is handled again."""
    is_claimed: bool = False
    is_busy: bool = False
    """A batch of it is being handled, and not written yet."""
    unsent: int = 0
    """Batches of it that are written, and that Kafka has not acknowledged."""
    is_paused: bool = False
    is_checking_gap: bool = False
    gap_seen_at: int = -1
    dead_letters_in_a_row: int = 0
    attempts: int = 0
    conflicts: int = 0
    failing_since: float | None = None
    error: str = ""
    retry_at: float = 0

    @property
    def key(self) -> tuple[str, int]:
        """Topic and number."""
        return self.topic, self.number

    def is_ready(self, now: float) -> bool:
        """Whether a batch can be made of it: the next one is handled while the one before it is being sent."""
        is_free = not self.is_busy and self.unsent < _MOST_UNSENT
        return self.is_claimed and is_free and bool(self.waiting) and now >= self.retry_at

    @property
    def wants_own_lane(self) -> bool:
        """A backlog, or trouble that must not hold up the other partitions of a merged batch."""
        is_troubled = self.attempts > 0 or self.limit < self.options.max_batch
        return is_troubled or len(self.waiting) >= self.options.own_lane_from

    def has_room(self, share: float = 1) -> bool:
        """Whether less waits than may, or than this share of it."""
        is_short = len(self.waiting) <= self.options.queue_limit * share
        return is_short and self.waiting_bytes <= self.options.queue_bytes * share

    def claim(self, epoch: int, next_offset: int) -> None:
        """It is ours under this epoch; continue at `next_offset` with an empty queue."""
        self.epoch, self.next_offset, self.fetched_to = epoch, next_offset, next_offset
        self._empty()
        self.is_claimed = True

    def lose(self) -> None:
        """It is not ours at the moment."""
        self.is_claimed = False
        self._empty()
        self.refused.clear()

    def has_gap(self, first: Record) -> bool:
        """Whether offsets are missing before `first` that have not been explained yet."""
        return first.offset > self.fetched_to and self.gap_seen_at != self.fetched_to

    def accept(self, records: Sequence[Record]) -> None:
        """Append what follows on what waits; records that are known already are left out."""
        for record in records:
            if record.offset >= self.fetched_to:
                self.waiting.append(record)
                self.waiting_bytes += record.size
                self.fetched_to = record.offset + 1

    def first(self, count: int, most_bytes: int) -> list[Record]:
        """The records of the next batch, at least one. They stay in the queue until `written`."""
        taken: list[Record] = []
        for record in islice(self.waiting, count):
            most_bytes -= record.size
            if taken and most_bytes < 0:
                break
            taken.append(record)
        return taken

    def step(self, records: Sequence[Record]) -> Step:
        """What handling these records does to the progress."""
        return Step(self.topic, self.number, self.epoch, self.next_offset, records[-1].offset + 1)

    def written(self, step: Step) -> None:
        """A batch is written, and is to be sent."""
        while self.waiting and self.waiting[0].offset < step.next_offset:
            self.waiting_bytes -= self.waiting.popleft().size
        self.next_offset = step.next_offset
        self.limit = min(self.limit * 2, self.options.max_batch)
        self.conflicts = 0
        self.refused.clear()
        self.unsent += 1

    def sent(self) -> None:
        """Kafka has what came of a batch."""
        self.unsent -= 1
        self.attempts = 0
        self.failing_since = None
        self.error = ""
        self.retry_at = 0

    def failed(self, error: str, now: float) -> None:
        """Its batch failed: try again after a jittered backoff (half to the whole of a doubling delay)."""
        self.attempts += 1
        self.error = error
        self.failing_since = self.failing_since or now
        longest = self.options.longest_backoff.total_seconds()
        delay = min(longest, self.options.first_backoff.total_seconds() * 2 ** min(self.attempts - 1, 16))
        self.retry_at = now + delay * random.uniform(0.5, 1)  # noqa: S311 - jitter

    def _empty(self) -> None:
        self.waiting.clear()
        self.waiting_bytes = 0
