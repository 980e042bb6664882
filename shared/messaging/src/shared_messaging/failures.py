"""What can go wrong with a batch, and what follows. Anything that is not named here is transient and tried again.

No message of these errors ever repeats what a record holds: they are logged, and written into dead-letter headers.
"""

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_messaging.records import Record


class UnreadableMessage(Exception):  # noqa: N818 - the glossary's word
    """The record cannot be decoded: it goes to the dead letters at once. `reason` holds nothing of the record."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PermanentFailure(Exception):  # noqa: N818 - the glossary's word
    """No retry can help this record: the batch is handled again without it, and it goes to the dead letters.

    `reason` is a fixed sentence of the program, never text from the record.
    """

    def __init__(self, record: "Record", reason: str) -> None:
        super().__init__(reason)
        self.record = record
        self.reason = reason


class Conflict(Exception):  # noqa: N818 - a state that was found, not a fault
    """Somebody changed what the batch was decided on: read again, decide again."""


class Fenced(Exception):  # noqa: N818 - a state that was found, not a fault
    """The progress of these partitions is not what the writer believed; nothing was written.

    `superseded` partitions have a newer epoch: somebody else owns them. `moved` ones have our epoch and another
    offset: an earlier write of ours was committed although its answer never arrived.
    """

    def __init__(self, superseded: "Sequence[tuple[str, int]]", moved: "Sequence[tuple[str, int]]") -> None:
        super().__init__(f"{len(superseded)} partitions superseded, {len(moved)} moved")
        self.superseded = frozenset(superseded)
        self.moved = frozenset(moved)


class PublishFailed(Exception):  # noqa: N818 - the caller decides whether it is an error
    """Kafka did not acknowledge in time. The events may be in the log or not: send them again with the same ids."""


class ConsumptionStopped(Exception):  # noqa: N818 - a decision, with its reason
    """Going on would lose or damage data: a person has to look. The process stops with this reason."""

    runbook: ClassVar[str] = ""
    """What that person does: a page in docs/runbooks."""


class ProgressLost(ConsumptionStopped):
    """The log and the stored progress do not fit: a topic that was made anew, or retention that overtook us."""

    runbook = "progress-lost"


class PartitionsChanged(ConsumptionStopped):
    """A topic has another number of partitions than before: keys are elsewhere, and their order is not kept."""

    runbook = "partitions-changed"


class TooManyDeadLetters(ConsumptionStopped):
    """One record after the other is refused: more likely our fault than theirs."""

    runbook = "dead-letters-in-a-row"


class MissingTopics(ConsumptionStopped):
    """Topics that this program reads or writes do not exist."""
