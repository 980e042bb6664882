"""What waits on a partition, and how it recovers from trouble."""

from datetime import timedelta

import pytest

from shared_messaging import EngineOptions, Record, UnreadableMessage
from shared_messaging.dead_letters import run_of_refusals
from shared_messaging.partition import AssignedPartition
from shared_messaging.records import OVERHEAD_BYTES

OPTIONS = EngineOptions(max_batch=8, own_lane_from=4, queue_limit=6, first_backoff=timedelta(seconds=1))
MANY_BYTES = 1_000_000


def record(offset: int, key: bytes | None = b"p1/c1", value: bytes | None = b"{}") -> Record:
    return Record("messages", 0, offset, key, value, (), 0)


def claimed(next_offset: int = 0) -> AssignedPartition:
    partition = AssignedPartition("messages", 0, OPTIONS, OPTIONS.max_batch)
    partition.claim(3, next_offset)
    return partition


def test_records_that_are_handled_or_waiting_already_are_left_out() -> None:
    partition = claimed(next_offset=5)
    partition.accept([record(n) for n in range(3, 8)])
    partition.accept([record(n) for n in range(6, 10)])
    assert [waiting.offset for waiting in partition.waiting] == [5, 6, 7, 8, 9]


def test_a_step_goes_from_the_stored_offset_to_after_the_last_record() -> None:
    partition = claimed(next_offset=5)
    partition.accept([record(7), record(9)])
    step = partition.step(partition.first(8, MANY_BYTES))
    assert (step.epoch, step.start_offset, step.next_offset) == (3, 5, 10)
    partition.written(step)
    assert partition.next_offset == 10
    assert not partition.waiting


def test_a_batch_is_bounded_in_bytes_and_has_one_record_at_least() -> None:
    partition = claimed()
    partition.accept(
        [record(0, value=b"x" * 5_000), record(1, value=None), *(record(n, value=b"x" * 400) for n in range(2, 9))]
    )
    assert [one.offset for one in partition.first(8, 4_000)] == [0]
    partition.written(partition.step(partition.first(1, 4_000)))
    assert [one.offset for one in partition.first(8, 4_000)] == [1, 2, 3]
    assert len(partition.first(8, MANY_BYTES)) == 8


def test_long_records_fill_a_queue_as_many_do_and_it_has_room_again_once_they_are_handled() -> None:
    partition = claimed()
    half = b"x" * (OPTIONS.queue_bytes // 2 - OVERHEAD_BYTES)
    partition.accept([record(0, value=half), record(1, value=half)])
    assert partition.has_room()
    partition.accept([record(2)])
    assert not partition.has_room()
    partition.written(partition.step(partition.first(1, MANY_BYTES)))
    assert partition.has_room()
    assert not partition.has_room(0.5)
    partition.lose()
    assert partition.has_room(0)
    partition.claim(4, 1)
    partition.accept([record(number) for number in range(1, OPTIONS.queue_limit + 1)])
    assert partition.has_room()
    partition.accept([record(OPTIONS.queue_limit + 1)])
    assert not partition.has_room()


def test_missing_offsets_are_noticed_once() -> None:
    partition = claimed(next_offset=5)
    assert not partition.has_gap(record(5))
    assert partition.has_gap(record(6))
    partition.gap_seen_at = 5
    assert not partition.has_gap(record(6))


def test_failures_wait_longer_each_time_up_to_the_bound_and_success_forgets_them() -> None:
    partition = claimed()
    partition.accept([record(0)])
    longest = OPTIONS.longest_backoff.total_seconds()
    for attempt in range(1, 20):
        partition.failed("ConnectionError", now=100.0)
        delay = min(longest, 2 ** (attempt - 1))
        assert delay / 2 <= partition.retry_at - 100.0 <= delay
        assert not partition.is_ready(100.0)
        assert partition.is_ready(100.0 + longest)
    assert partition.failing_since == 100.0
    assert partition.wants_own_lane
    partition.written(partition.step(partition.first(1, MANY_BYTES)))
    partition.sent()
    assert partition.failing_since is None
    assert not partition.wants_own_lane


def test_a_batch_is_handled_while_the_one_before_it_is_sent_and_no_more_of_them() -> None:
    partition = claimed()
    partition.accept([record(n) for n in range(3)])
    partition.written(partition.step(partition.first(1, MANY_BYTES)))
    assert partition.is_ready(0)
    partition.written(partition.step(partition.first(1, MANY_BYTES)))
    assert not partition.is_ready(0)
    partition.sent()
    assert partition.is_ready(0)


def test_a_backlog_wants_a_lane_of_its_own() -> None:
    partition = claimed()
    partition.accept([record(n) for n in range(3)])
    assert not partition.wants_own_lane
    partition.accept([record(3)])
    assert partition.wants_own_lane


def test_batches_that_were_narrowed_grow_again() -> None:
    partition = claimed()
    partition.accept([record(n) for n in range(8)])
    partition.limit = 1
    sizes: list[int] = []
    while partition.waiting:
        records = partition.first(partition.limit, MANY_BYTES)
        sizes.append(len(records))
        partition.written(partition.step(records))
    assert sizes == [1, 2, 4, 1]
    assert partition.limit == OPTIONS.max_batch


@pytest.mark.parametrize(
    ("before", "refused", "longest", "open_at_the_end"),
    [
        (0, [], 0, 0),
        (7, [], 7, 0),
        (0, [1, 2], 2, 0),
        (3, [0, 1], 5, 0),
        (3, [0, 4], 4, 1),
        (2, [0, 1, 2, 3, 4], 7, 7),
    ],
)
def test_dead_letters_in_a_row_are_counted_across_batches(
    before: int, refused: list[int], longest: int, open_at_the_end: int
) -> None:
    records = [record(n) for n in range(5)]
    assert run_of_refusals(before, records, [records[n] for n in refused]) == (longest, open_at_the_end)


@pytest.mark.parametrize("key", [None, b"", b"/", b"p1/", b"/c1", b"p1/c1/x", b"p 1", b"p1,p2", b"\xff", b"p1\n"])
def test_a_key_that_names_no_practice_is_unreadable(key: bytes | None) -> None:
    with pytest.raises(UnreadableMessage):
        _ = record(0, key).practice_id


def test_a_key_names_its_practice_and_patient() -> None:
    assert (record(0).practice_id, record(0).patient_id) == ("p1", "c1")
    assert (record(0, b"p1").practice_id, record(0, b"p1").patient_id) == ("p1", None)
