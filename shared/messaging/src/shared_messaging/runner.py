"""One batch from its records to Kafka's acknowledgement: read, decide, write, send."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import time
from typing import TypeAlias

from shared_messaging import metrics
from shared_messaging.batch import Batch
from shared_messaging.dead_letters import Refusal, run_of_refusals
from shared_messaging.failures import TooManyDeadLetters, UnreadableMessage
from shared_messaging.fence import Step, outputs_up_to
from shared_messaging.lane_connections import LaneConnections
from shared_messaging.options import EngineOptions
from shared_messaging.outgoing import Outgoing, unpack
from shared_messaging.partition import AssignedPartition
from shared_messaging.publisher import Publisher
from shared_messaging.records import Record
from shared_messaging.sent_outputs import SentOutputs
from shared_messaging.tracing import Spans

Handler: TypeAlias = Callable[[Batch], Awaitable[None]]
Work: TypeAlias = Mapping[AssignedPartition, Sequence[Record]]


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

    async def write(self, work: Work) -> Batch:
        """Handle these records, write what comes of it, and note it in their partitions.

        Raises whatever prevented the write. After it there is no way back: `send` has to follow.
        """
        steps = {partition: partition.step(records) for partition, records in work.items()}
        spans = Spans()
        try:
            batch = await self._write(work, steps, spans)
        except BaseException as error:
            spans.end(error)
            raise
        if batch.output_id is not None:
            self._sent.begin(batch.output_id)
        for partition, records in work.items():
            _, partition.dead_letters_in_a_row = run_of_refusals(
                partition.dead_letters_in_a_row, records, batch.refused
            )
            partition.written(steps[partition])
            metrics.RECORDS_HANDLED.labels(partition.topic).inc(len(records))
        for record, refusal in batch.refused.items():
            metrics.DEAD_LETTERS.labels(record.topic, type(refusal).__name__).inc()
        return batch

    async def send(self, work: Work, batch: Batch) -> None:
        """Send what is written, for as long as it takes Kafka to have it."""
        try:
            if batch.output_id is not None:
                with self._sent.sending(batch.output_id):
                    await self._send(batch, list(work))
        except BaseException as error:
            batch.spans.end(error)
            raise
        batch.spans.end()
        now = time()
        for partition, records in work.items():
            partition.sent()
            metrics.STAGE_SECONDS.labels(partition.topic).observe(max(0.0, now - records[0].timestamp / 1000))

    async def _write(self, work: Work, steps: Mapping[AssignedPartition, Step], spans: Spans) -> Batch:
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
                    spans=spans,
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
        while True:
            try:
                await self._publisher.send([*await self._unsent_before(batch), *batch.outputs])
            except Exception as error:  # noqa: BLE001 - Kafka or PostgreSQL is away: what is written must be sent
                now = asyncio.get_running_loop().time()
                for partition in partitions:
                    partition.failed(type(error).__name__, now)
                await asyncio.sleep(partitions[0].retry_at - now)
            else:
                return

    async def _unsent_before(self, batch: Batch) -> list[Outgoing]:
        """What others wrote before us about our keys and may not have sent: two topics can be about one key.

        Events of one key are sent in the order in which they were written, whoever wrote them. To send what its writer
        sends as well does no harm.
        """
        unknown = await self._sent.of_others(batch.earlier)
        if not unknown:
            return []
        async with self._connections.seeing(()) as connection:
            outputs = dict(await outputs_up_to(connection, unknown))
        ours = {(output.topic, output.key) for output in batch.outputs}
        return [
            event
            for output in await self._sent.of_others(list(outputs))
            for event in unpack(outputs[output])
            if (event.topic, event.key) in ours
        ]


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
