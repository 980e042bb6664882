"""One subscription at work: its partitions, which batch runs when, and what follows from how it ended."""

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import asyncpg
import structlog
from aiokafka import TopicPartition

from shared_messaging import metrics
from shared_messaging.batch import OversizedOutput
from shared_messaging.failures import Conflict, ConsumptionStopped, Fenced, PermanentFailure
from shared_messaging.lanes import Lanes
from shared_messaging.options import EngineOptions
from shared_messaging.partition import AssignedPartition
from shared_messaging.records import Record
from shared_messaging.runner import BatchRunner, Work

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord

log = structlog.get_logger()

_REFUSED_CONTENT = "the database or Kafka refuses what follows from this record"


class Consumer:
    """Queues records by partition and keeps their batches going. All methods run in the event loop's thread.

    Little waiting: all ready partitions share one batch, one statement, one fsync, and one such batch is handled at a
    time. A backlog: a partition has batches of its own, beside those of others. One partition is strictly serial: a batch
    begins when the one before it is written, while that is being sent, and is sent after it.
    """

    def __init__(
        self,
        name: str,
        runner: BatchRunner,
        lanes: Lanes,
        options: EngineOptions,
        *,
        reclaim: Callable[[Collection[AssignedPartition], float], None],
        check_gap: Callable[[AssignedPartition], None],
        halt: Callable[[ConsumptionStopped], None],
    ) -> None:
        self.name = name
        self.partitions: dict[tuple[str, int], AssignedPartition] = {}
        self.kafka_consumer: Callable[[], AIOKafkaConsumer | None] = lambda: None
        self._runner = runner
        self._lanes = lanes
        self._options = options
        self._reclaim = reclaim
        self._check_gap = check_gap
        self._stop_all = halt
        self._batches: set[asyncio.Task[None]] = set()
        self._is_merging = False
        self._is_accepting = True
        self._is_halted = False

    @property
    def kafka(self) -> "AIOKafkaConsumer | None":
        """The client underneath, from its start to its stop."""
        return self.kafka_consumer()

    def receive(self, records: "Sequence[ConsumerRecord[bytes, bytes]]") -> None:
        """Queue what one poll returned. Records of partitions that are not claimed (yet, or any more) are left out."""
        if not self._is_accepting or self._is_halted:
            return
        for key, group in groupby(records, attrgetter("topic", "partition")):
            partition = self.partitions.get(key)
            if partition is None or not partition.is_claimed or partition.is_checking_gap:
                continue
            taken = [_record(record) for record in group]
            if partition.has_gap(taken[0]):
                partition.is_checking_gap = True
                self._check_gap(partition)
                continue
            partition.accept(taken)
            if not partition.is_paused and not partition.has_room():
                self._pause(partition)
        self.dispatch()

    def dispatch(self) -> None:
        """Start every batch that can start now."""
        if not self._is_accepting or self._is_halted:
            return
        now = asyncio.get_running_loop().time()
        ready = [partition for partition in self.partitions.values() if partition.is_ready(now)]
        ready.sort(key=lambda partition: partition.waiting[0].timestamp)
        merged: dict[AssignedPartition, Sequence[Record]] = {}
        room, room_bytes = self._options.max_batch, self._options.max_batch_bytes
        for partition in ready:
            if partition.wants_own_lane:
                if self._lanes.take():
                    self._start({partition: partition.first(partition.limit, self._options.max_batch_bytes)})
            elif room > 0 and room_bytes > 0 and not self._is_merging:
                merged[partition] = partition.first(room, room_bytes)
                room -= len(merged[partition])
                room_bytes -= sum(record.size for record in merged[partition])
        if merged and self._lanes.take():
            self._is_merging = True
            self._start(merged, is_merged=True)

    def unhandled(self, partition: AssignedPartition) -> int:
        """How many records of a partition are not handled, as far as the last fetch has said where its log ends."""
        end = self.kafka.highwater(TopicPartition(*partition.key)) if self.kafka is not None else None
        return max(0, (end or partition.fetched_to) - partition.next_offset) if partition.is_claimed else 0

    def halt(self) -> None:
        """Handle nothing more, for good."""
        self._is_halted = True

    async def drain(self) -> None:
        """Let the batches in flight finish within the bound, abandon those that do not, and start no more."""
        self._is_accepting = False
        if self._batches:
            _, late = await asyncio.wait(self._batches, timeout=self._options.drain.total_seconds())
            for batch in late:
                batch.cancel()
            if late:
                await asyncio.wait(late)
                log.warning("batches were abandoned", consumer=self.name, count=len(late))

    def assign(self, partitions: Collection[AssignedPartition]) -> None:
        """These are ours now, and nothing else is. They wait for being claimed."""
        self.partitions = {partition.key: partition for partition in partitions}
        self._is_accepting = True

    def resume(self, partition: AssignedPartition) -> None:
        """Fetch this partition (again)."""
        partition.is_paused = False
        if self.kafka is not None and self.partitions.get(partition.key) is partition:
            self.kafka.resume(TopicPartition(*partition.key))

    def _pause(self, partition: AssignedPartition) -> None:
        partition.is_paused = True
        if self.kafka is not None:
            self.kafka.pause(TopicPartition(*partition.key))

    def _start(self, work: Work, *, is_merged: bool = False) -> None:
        for partition in work:
            partition.is_busy = True
        task = asyncio.create_task(self._run(work, is_merged=is_merged), name=f"batch {self.name}")
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _run(self, work: Work, *, is_merged: bool) -> None:
        try:
            with metrics.BATCH_SECONDS.labels(self.name).time():
                try:
                    batch = await self._runner.write(work)
                finally:
                    self._let_go(work, is_merged=is_merged)
                self.dispatch()
                await self._runner.send(work, batch)
            metrics.BATCHES.labels(self.name).inc()
        except Exception as error:  # noqa: BLE001 - what an exception means is decided here, for all of them
            self._note_failure(work, error)
        finally:
            self._lanes.give_back()

    def _let_go(self, work: Work, *, is_merged: bool) -> None:
        """What comes next may be handled."""
        for partition in work:
            partition.is_busy = False
            if partition.is_paused and partition.has_room(0.5):
                self.resume(partition)
        if is_merged:
            self._is_merging = False

    def _note_failure(self, work: Work, error: Exception) -> None:
        metrics.BATCH_RETRIES.labels(self.name, type(error).__name__).inc()
        now = asyncio.get_running_loop().time()
        match error:
            case ConsumptionStopped():
                self._stop_all(error)
            case Fenced():
                self._give_up(work, error)
            case Conflict():
                self._conflict(work, now)
            case PermanentFailure() if self._set_aside(work, error):
                pass
            case OversizedOutput() | asyncpg.DataError() | asyncpg.IntegrityConstraintViolationError():
                self._narrow(work, error, now)
            case asyncpg.InterfaceError() if isinstance(error, ValueError):  # a value that asyncpg cannot encode
                self._narrow(work, error, now)
            case _:
                self._back_off(work, error, now)

    def _back_off(self, work: Work, error: Exception, now: float) -> None:
        for partition in work:
            partition.failed(type(error).__name__, now)
        _log_failure(self.name, work, error)
        soonest = min(partition.retry_at for partition in work)
        self._lanes.wake_at(soonest)

    def _conflict(self, work: Work, now: float) -> None:
        for partition in work:
            partition.conflicts += 1
            partition.retry_at = now + random.uniform(0, 0.005) * partition.conflicts  # noqa: S311 - jitter
        if any(partition.conflicts > self._options.max_conflicts for partition in work):
            self._back_off(work, Conflict(), now)
        else:
            self._lanes.wake_at(min(partition.retry_at for partition in work))

    def _give_up(self, work: Work, error: Fenced) -> None:
        """Partitions whose progress is not as we thought are claimed again; the rest of a merged batch just goes on."""
        superseded = [partition for partition in work if partition.key in error.superseded]
        moved = [partition for partition in work if partition.key in error.moved]
        for partition in (*superseded, *moved):
            partition.lose()
            metrics.FENCED.labels(partition.topic).inc()
        log.warning("fenced", consumer=self.name, superseded=len(superseded), moved=len(moved))
        if superseded:
            self._reclaim(superseded, self._options.reclaim_after.total_seconds())
        if moved:
            self._reclaim(moved, 0)

    @staticmethod
    def _set_aside(work: Work, error: PermanentFailure) -> bool:
        """Whether the record that failed is one of the batch, and was not set aside before: then try without it."""
        for partition, records in work.items():
            if error.record in records and error.record not in partition.refused:
                partition.refused[error.record] = error
                return True
        return False

    def _narrow(self, work: Work, error: Exception, now: float) -> None:
        """Some record of the batch has content that is refused: search it with ever smaller batches."""
        _log_failure(self.name, work, error)
        if all(len(records) == 1 for records in work.values()) and len(work) == 1:
            for partition, (record,) in work.items():
                if record in partition.refused:  # refused even as a dead letter
                    partition.failed(type(error).__name__, now)
                    self._lanes.wake_at(partition.retry_at)
                partition.refused[record] = PermanentFailure(record, _REFUSED_CONTENT)
            return
        for partition, records in work.items():
            partition.limit = max(1, len(records) // 2)


def _record(record: "ConsumerRecord[bytes, bytes]") -> Record:
    return Record(
        record.topic, record.partition, record.offset, record.key, record.value, tuple(record.headers), record.timestamp
    )


def _log_failure(name: str, work: Work, error: Exception) -> None:
    """Where and what, without the error's text: that may quote a row."""
    trace = error.__traceback__
    while (
        trace is not None
        and trace.tb_next is not None
        and "site-packages" not in trace.tb_next.tb_frame.f_code.co_filename
    ):
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace is not None else ""
    log.warning(
        "batch failed",
        consumer=name,
        error=type(error).__name__,
        place=place,
        partitions=[f"{partition.topic}/{partition.number}" for partition in work],
        offsets=[records[0].offset for records in work.values()],
        attempts=max(partition.attempts for partition in work),
    )
