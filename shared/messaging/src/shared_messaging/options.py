"""The engine's numbers, with the reasons for their defaults."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How much at once, how patient, how strict. The defaults are measured (`bench/`) or explained here."""

    max_batch: int = 2_000
    """Records in one batch. The cost per record stops falling between 500 and 2,000."""
    max_batch_bytes: int = 3 * 1024 * 1024
    """Of the records of one batch; handling takes several times as much. A record that is larger comes by itself."""
    own_lane_from: int = 300
    """A partition with so many records waiting gets a batch of its own; the others share one statement."""
    lanes: int = 8
    """Batches at the same time in this process, from their records to Kafka's acknowledgement: they bound its memory. Each
    uses a connection to PostgreSQL until it is written."""
    queue_limit: int = 4_000
    """Records of one partition in memory before its fetching is paused."""
    queue_bytes: int = 2 * 1024 * 1024
    """The same in bytes: a backlog of long messages must not end us, or it would again after each start."""
    dead_letter_limit: int = 50
    """So many dead letters in a row on one partition stop the process."""
    max_conflicts: int = 20
    """Re-runs at once after an optimistic conflict; from then on it counts as a failure, with backoff."""
    first_backoff: timedelta = timedelta(milliseconds=100)
    longest_backoff: timedelta = timedelta(seconds=5)
    unready_after: timedelta = timedelta(seconds=10)
    """A partition that has failed for so long makes the process unready. It keeps trying at the longest backoff."""
    poll_silence: timedelta = timedelta(seconds=30)
    """No poll of Kafka for so long makes the process unready."""
    drain: timedelta = timedelta(seconds=10)
    """How long batches in flight may take to finish when partitions are given up. Below Kafka's rebalance timeout."""
    reclaim_after: timedelta = timedelta(seconds=4)
    """A partition that was found superseded while it is still assigned to us is claimed again after so long: a late claim
    by a consumer that has lost the partition must not stop its rightful owner for ever. Longer than a heartbeat, in
    which the one who is wrong learns it."""
    session_timeout: timedelta = timedelta(seconds=10)
    heartbeat: timedelta = timedelta(seconds=3)
