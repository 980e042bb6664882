"""One batch from its records to Kafka's acknowledgement: read, decide, write, send."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from shared_messaging import metrics
from shared_messaging.batch import Batch
from shared_messaging.dead_letters import Refusal, run_of_refusals
from shared_messaging.failures import PublishFailed, TooManyDeadLetters, UnreadableMessage
from shared_messaging.fence import Step
from shared_messaging.lane_connections import LaneConnections
from shared_messaging.options import EngineOptions
from shared_messaging.partition import AssignedPartition
from shared_messaging.publisher import Publisher
from shared_messaging.records import Record

Handler: TypeAlias = Callable[[Batch], Awaitable[None]]
Work: TypeAlias = Mapping[AssignedPartition, Sequence[Record]]


class SentOutputs:
    """Ids of outputs that Kafka has acknowledged: the next write forgets them, so that forgetting costs no round trip."""

    def __init__(self) -> None:
        self._ids: list[int] = []

    def add(self, ids: Sequence[int]) -> None:
        """These may be forgotten."""
        self._ids += ids

    def take(self) -> list[int]:
        """All of them; whoever takes them forgets them or adds them again."""
        ids, self._ids = self._ids, []
        return ids


class BatchRunner:
    """Runs batches of one handler."""

    def __init__(
        self,
        handler: Handler,
        connections: LaneConnections,
        publisher: Publisher,
        sent: SentOutputs,
        options: EngineOptions,
    ) -> None:
        self._handler = handler
        self._connections = connections
        self._publisher = publisher
        self._sent = sent
        self._options = options

    async def run(self, work: Work) -> None:
        """Handle these records and note it in their partitions.

        Raises whatever prevented the write. After the write there is no way back: it keeps sending until Kafka has it.
        """
        steps = {partition: partition.step(records) for partition, records in work.items()}
        batch = await self._write(work, steps)
        await self._send(batch, list(work))
        if batch.output_id is not None:
            self._sent.add([batch.output_id])
        for partition, records in work.items():
            _, partition.dead_letters_in_a_row = run_of_refusals(
                partition.dead_letters_in_a_row, records, batch.refused
            )
            partition.handled(steps[partition])
            metrics.RECORDS_HANDLED.labels(partition.topic).inc(len(records))
        for record, refusal in batch.refused.items():
            metrics.DEAD_LETTERS.labels(record.topic, type(refusal).__name__).inc()

    async def _write(self, work: Work, steps: Mapping[AssignedPartition, Step]) -> Batch:
        refused = {
            record: refusal
            for partition, step in steps.items()
            for record, refusal in partition.refused.items()
            if record.offset < step.next_offset
        }
        practices, records = _readable(work, refused)

        def check_refusals() -> None:
            for partition, taken in work.items():
                longest, _ = run_of_refusals(partition.dead_letters_in_a_row, taken, refused)
                if longest >= self._options.dead_letter_limit:
                    message = f"{longest} dead letters in a row on {partition.topic}, partition {partition.number}"
                    raise TooManyDeadLetters(message)

        sent = self._sent.take()
        try:
            async with self._connections.seeing(practices) as connection:
                batch = Batch(
                    records,
                    connection,
                    steps=list(steps.values()),
                    refused=refused,
                    attempts=1 + max(partition.attempts for partition in work),
                    sent=sent,
                    before_write=check_refusals,
                )
                if records:
                    await self._handler(batch)
                if not batch.is_written:
                    await batch.write("")
        except BaseException:
            self._sent.add(sent)
            raise
        return batch

    async def _send(self, batch: Batch, partitions: Sequence[AssignedPartition]) -> None:
        while batch.outputs:
            try:
                await self._publisher.send(batch.outputs)
            except PublishFailed as error:
                now = asyncio.get_running_loop().time()
                for partition in partitions:
                    partition.failed(type(error).__name__, now)
                await asyncio.sleep(partitions[0].retry_at - now)
            else:
                return


def _readable(work: Work, refused: dict[Record, Refusal]) -> tuple[set[str], list[Record]]:
    """The records that are left to handle, and their practices. A malformed key is one more refusal."""
    practices: set[str] = set()
    readable: list[Record] = []
    for records in work.values():
        for record in records:
            if refused and record in refused:
                continue
            try:
                practices.add(record.practice_id)
            except UnreadableMessage as error:
                refused[record] = error
            else:
                readable.append(record)
    return practices, readable
