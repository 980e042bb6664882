"""The fence: a batch's progress, its results and its events are written in one statement, or nothing of it is.

Each input partition has a row in `progress` with an epoch and the next offset to handle. Owning a partition means having
raised its epoch last. A write names the epoch and the offset it started from; where one of them is not as named it
divides by zero, which undoes the whole statement in one round trip. So a consumer that lost its partition and does not
know it yet (a pause, a network partition) cannot write, and a batch that was handled before cannot be handled again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import asyncpg

from shared_messaging.failures import Conflict, Fenced, PartitionsChanged

if TYPE_CHECKING:
    from shared_database.pools import Connection

_FENCE_PARAMETERS = 7

_WRITE = """
WITH engine_fence AS (
    UPDATE progress SET next_offset = step.next_offset
    FROM unnest(${0}::text[], ${1}::int[], ${2}::bigint[], ${3}::bigint[], ${4}::bigint[])
        AS step (topic, part, epoch, start_offset, next_offset)
    WHERE progress.topic = step.topic AND progress.part = step.part
        AND progress.epoch = step.epoch AND progress.next_offset = step.start_offset
    RETURNING 1
), engine_output AS (
    INSERT INTO batch_output (topics, parts, events) SELECT ${0}, ${1}, ${5}::bytea WHERE ${5} IS NOT NULL RETURNING id
), engine_sent AS (
    DELETE FROM batch_output WHERE id = ANY (${6}::bigint[])
){callers}
SELECT (SELECT id FROM engine_output), (SELECT 1 / (count(*) = cardinality(${0}))::int FROM engine_fence),
    CASE WHEN ${5} IS NOT NULL THEN ARRAY(SELECT id FROM batch_output WHERE parts && ${1} ORDER BY id) END{checks}
"""

_STANDING = """
SELECT step.topic, step.part, progress.epoch IS NOT DISTINCT FROM step.epoch AS is_ours,
    progress.next_offset IS NOT DISTINCT FROM step.start_offset AS is_unmoved
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS step (topic, part, epoch, start_offset)
LEFT JOIN progress USING (topic, part)
"""

_CLAIM = """
INSERT INTO progress (topic, part, epoch, next_offset)
SELECT topic, part, 1, first_offset FROM unnest($1::text[], $2::int[], $3::bigint[]) AS claim (topic, part, first_offset)
ORDER BY topic, part
ON CONFLICT (topic, part) DO UPDATE SET epoch = progress.epoch + 1
RETURNING topic, part, epoch, next_offset
"""

_UP_TO = """
WITH RECURSIVE due AS (
    SELECT id, parts FROM batch_output WHERE id = ANY ($1::bigint[])
    UNION
    SELECT earlier.id, earlier.parts
    FROM due JOIN batch_output AS earlier ON earlier.parts && due.parts AND earlier.id < due.id
)
SELECT id, events FROM batch_output WHERE id IN (SELECT id FROM due) ORDER BY id
"""

_UNSENT = """
SELECT id, events FROM batch_output
WHERE EXISTS (
    SELECT FROM unnest(topics, parts) AS input (topic, part)
    JOIN unnest($1::text[], $2::int[]) AS claim (topic, part) USING (topic, part)
)
ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What a batch does to the progress of one partition."""

    topic: str
    part: int
    epoch: int
    start_offset: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Written:
    """What a write kept to be sent, and the ids of what others kept before it and may not have sent yet.

    Others are those that handle partitions of the same numbers: topics that are keyed alike have as many partitions, so
    that is where events of the same keys come from.
    """

    output_id: int | None
    earlier: Sequence[int]


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition that is ours since its epoch was raised to `epoch`."""

    topic: str
    part: int
    epoch: int
    next_offset: int


async def write_fenced(
    connection: "Connection",
    steps: Sequence[Step],
    sql: str,
    arguments: Sequence[object],
    *,
    expecting: Mapping[str, int],
    output: bytes | None,
    sent: Sequence[int],
) -> Written:
    """Move the progress, run the caller's CTEs, keep `output`, forget the `sent` outputs.

    Raises `Fenced` or `Conflict` when nothing was written because the progress, or one of `expecting`, was not as
    thought. Any other exception leaves open whether it was written: the next write will find out.
    """
    statement = _statement(sql, len(arguments), tuple(expecting))
    fence = (
        [step.topic for step in steps],
        [step.part for step in steps],
        [step.epoch for step in steps],
        [step.start_offset for step in steps],
        [step.next_offset for step in steps],
        output,
        sent,
    )
    try:
        row = await connection.fetchrow(statement, *arguments, *fence, *expecting.values())
    except asyncpg.DivisionByZeroError:
        raise await _why(connection, steps) from None
    except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
        message = "another transaction was in the way"
        raise Conflict(message) from None
    return Written(row[0], row[2] or ()) if row is not None else Written(None, ())


@lru_cache(maxsize=1_000)
def _statement(sql: str, arguments: int, expected: tuple[str, ...]) -> str:
    """The whole text. The caller's parameters stay $1 and up: the fence's are numbered after them."""
    first = arguments + 1
    numbers = range(first, first + _FENCE_PARAMETERS)
    checks = "".join(
        f",\n    (SELECT 1 / (count(*) = ${number}::bigint)::int FROM {name})"
        for number, name in enumerate(expected, first + _FENCE_PARAMETERS)
    )
    callers = f", {sql}" if sql else ""
    return _WRITE.format(*numbers, callers=callers, checks=checks)


async def _why(connection: "Connection", steps: Sequence[Step]) -> Fenced | Conflict:
    rows = await connection.fetch(
        _STANDING,
        [step.topic for step in steps],
        [step.part for step in steps],
        [step.epoch for step in steps],
        [step.start_offset for step in steps],
    )
    superseded = [(row["topic"], row["part"]) for row in rows if not row["is_ours"]]
    moved = [(row["topic"], row["part"]) for row in rows if row["is_ours"] and not row["is_unmoved"]]
    if superseded or moved:
        return Fenced(superseded, moved)
    return Conflict("fewer or more rows changed than expected")


async def claim_partitions(connection: "Connection", first_offsets: Mapping[tuple[str, int], int]) -> list[Claim]:
    """Raise the epoch of these partitions: from now on nobody else can write for them.

    A partition that nobody has owned yet starts at its `first_offsets`, where the log begins.
    """
    rows = await connection.fetch(
        _CLAIM,
        [topic for topic, _ in first_offsets],
        [part for _, part in first_offsets],
        list(first_offsets.values()),
    )
    return [Claim(*row) for row in rows]


async def unsent_outputs(connection: "Connection", partitions: Sequence[tuple[str, int]]) -> list[tuple[int, bytes]]:
    """What earlier owners of these partitions wrote and may not have sent: ids and packed events, oldest first.

    To be asked after `claim_partitions`, in a statement of its own: only then can no more rows come.
    """
    rows = await connection.fetch(_UNSENT, [topic for topic, _ in partitions], [part for _, part in partitions])
    return [(row["id"], row["events"]) for row in rows]


async def outputs_up_to(connection: "Connection", ids: Sequence[int]) -> list[tuple[int, bytes]]:
    """These outputs and all that must be sent before them, packed, oldest first. What is not kept any more was sent.

    Before an output goes what was written earlier for a partition of one of its numbers, and before that what was written
    still earlier for one of *its* partitions: a batch of several partitions ties them together.
    """
    rows = await connection.fetch(_UP_TO, ids)
    return [(row["id"], row["events"]) for row in rows]


async def forget_outputs(connection: "Connection", ids: Sequence[int]) -> None:
    """Delete outputs that Kafka has acknowledged."""
    await connection.execute("DELETE FROM batch_output WHERE id = ANY ($1::bigint[])", ids)


async def check_partition_counts(connection: "Connection", counts: Mapping[str, int]) -> None:
    """Compare with how many partitions each topic had when it was first read.

    Raises `PartitionsChanged` when the number is another one.
    """
    await connection.execute(
        "INSERT INTO consumed_topic SELECT * FROM unnest($1::text[], $2::int[]) ON CONFLICT DO NOTHING",
        list(counts),
        list(counts.values()),
    )
    rows = await connection.fetch(
        "SELECT topic, partitions FROM consumed_topic WHERE topic = ANY ($1::text[])", list(counts)
    )
    for topic, known in rows:
        if counts[topic] != known:
            message = f"topic {topic} has {counts[topic]} partitions and had {known} when it was first read"
            raise PartitionsChanged(message)
