"""Dead letters: what could not be processed, with its original bytes and the reason, out of the way of the rest."""

from collections.abc import Collection, Sequence

from shared_messaging.failures import PermanentFailure, UnreadableMessage
from shared_messaging.outgoing import Outgoing
from shared_messaging.records import Record
from shared_schemas.topics import DEAD_LETTER_SUFFIX

Refusal = UnreadableMessage | PermanentFailure


def dead_letter(record: Record, refusal: Refusal, attempts: int) -> Outgoing:
    """The record with its own key, bytes and headers, and six headers that say what happened.

    `attempts` counts how often its batch was tried. The added headers hold no patient data.
    """
    reasons = (
        ("dlq_error", type(refusal).__name__),
        ("dlq_reason", refusal.reason),
        ("dlq_topic", record.topic),
        ("dlq_partition", str(record.partition)),
        ("dlq_offset", str(record.offset)),
        ("dlq_attempts", str(attempts)),
    )
    headers = (*record.raw_headers, *((name, value.encode()) for name, value in reasons))
    return Outgoing(record.topic + DEAD_LETTER_SUFFIX, record.key, record.value, headers)


def run_of_refusals(before: int, records: Sequence[Record], refused: Collection[Record]) -> tuple[int, int]:
    """The longest run of refused records in a row, and the run that is open at the end, after `before` earlier ones."""
    offsets = {record.offset for record in refused if record[:2] == records[0][:2]}
    if not offsets:
        return before, 0
    longest = run = before
    for record in records:
        run = run + 1 if record.offset in offsets else 0
        longest = max(longest, run)
    return longest, run
