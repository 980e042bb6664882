"""What becomes of records that cannot be handled, and of those that cannot be handled now (promise 6)."""

from datetime import timedelta

import pytest

from shared_messaging import Batch, Conflict, PermanentFailure
from shared_schemas.patient_messages import MessageReceivedV1

from .conftest import WRITE_EFFECTS, Stage, write_effects

pytestmark = pytest.mark.asyncio


async def test_an_unreadable_record_goes_to_the_dead_letters_as_it_was_and_the_rest_goes_on(stage: Stage) -> None:
    await stage.produce([stage.message(1)])
    await stage.produce_raw(b"\xff not an event", headers=[("ce_type", b"\xfe"), ("x", b"\x00")])
    await stage.produce([stage.message(2)])
    async with stage.engine():
        await stage.until_handled(3)
        await stage.until_sent()
    assert list(await stage.effects()) == ["m000001", "m000002"]
    (letter,) = await stage.dead_letters()
    headers = dict(letter.headers)
    assert letter.value == b"\xff not an event"
    assert letter.key == f"{stage.practice}/patient-0".encode()
    assert (headers["ce_type"], headers["x"]) == (b"\xfe", b"\x00")
    assert headers["dlq_error"] == b"UnreadableMessage"
    assert headers["dlq_topic"] == stage.topic.name.encode()
    assert headers["dlq_offset"] == b"1"
    assert headers["dlq_attempts"] == b"1"
    assert {"dlq_reason", "dlq_partition"} <= headers.keys()


async def test_a_record_without_a_practice_in_its_key_is_a_dead_letter(stage: Stage) -> None:
    await stage.produce_raw(b"{}", key=b"no practice, no patient")
    async with stage.engine():
        await stage.until_handled(1)
        await stage.until_sent()
    assert [letter.key for letter in await stage.dead_letters()] == [b"no practice, no patient"]
    assert stage.batch_sizes == []


async def test_an_event_under_another_practices_key_is_a_dead_letter(stage: Stage) -> None:
    message = stage.outgoing(stage.message(1))
    await stage.produce_raw(message.value, key=b"other-practice/patient-0", headers=message.headers)
    async with stage.engine():
        await stage.until_handled(1)
        await stage.until_sent()
    assert len(await stage.dead_letters()) == 1
    assert await stage.effects() == {}


async def test_a_tombstone_is_no_dead_letter(stage: Stage) -> None:
    await stage.produce_raw(None)
    tombstones: list[bytes | None] = []

    async def handle(batch: Batch) -> None:
        tombstones.extend(record.key for record in batch.tombstones())
        await stage.handle(batch)

    async with stage.engine(handle):
        await stage.until_handled(1)
    assert tombstones == [f"{stage.practice}/patient-0".encode()]
    assert await stage.dead_letters() == []


async def test_a_permanent_failure_takes_only_its_own_record_out_of_the_batch(stage: Stage) -> None:
    await stage.produce([stage.message(n) for n in range(10)])

    async def handle(batch: Batch) -> None:
        received = batch.events(MessageReceivedV1)
        for record, event in received:
            if event.message_id == "m000004":
                raise PermanentFailure(record, "there is no such number")
        await write_effects(batch, received, stage.output)

    async with stage.engine(handle):
        await stage.until_handled(10)
        await stage.until_sent()
    assert list(await stage.effects()) == [f"m{n:06d}" for n in range(10) if n != 4]
    (letter,) = await stage.dead_letters()
    assert dict(letter.headers)["dlq_error"] == b"PermanentFailure"
    assert dict(letter.headers)["dlq_reason"] == b"there is no such number"
    assert letter.value == stage.outgoing(stage.message(4)).value


async def test_a_rejected_record_is_dead_lettered_with_the_batchs_write(stage: Stage) -> None:
    await stage.produce([stage.message(n) for n in range(3)])

    async def handle(batch: Batch) -> None:
        first, *rest = batch.events(MessageReceivedV1)
        batch.reject(first.record, PermanentFailure(first.record, "not this one"))
        await write_effects(batch, rest, stage.output)

    async with stage.engine(handle, max_batch=3):
        await stage.until_handled(3)
        await stage.until_sent()
    assert len(await stage.dead_letters()) + await stage.effect_count() == 3
    assert await stage.dead_letters() != []


async def test_a_transient_failure_is_tried_again_until_it_passes_in_order(stage: Stage) -> None:
    await stage.produce([stage.message(n) for n in range(10)])
    failures = iter(range(3))

    async def handle(batch: Batch) -> None:
        if next(failures, None) is not None:
            raise ConnectionError
        await stage.handle(batch)

    async with stage.engine(handle):
        await stage.until_handled(10)
        await stage.until_sent()
    assert list(await stage.effects()) == [f"m{n:06d}" for n in range(10)]
    assert await stage.dead_letters() == []


async def test_a_partition_that_keeps_failing_makes_the_service_unready_and_the_others_go_on(stage: Stage) -> None:
    await stage.produce([stage.message(n, patient=n % 20) for n in range(100)])

    async def handle(batch: Batch) -> None:
        if any(record.partition == 1 for record in batch.records):
            raise ConnectionError
        await stage.handle(batch)

    async with stage.engine(handle, unready_after=timedelta(seconds=0.5)) as engine:
        trouble = f"{stage.topic.name}, partition 1: ConnectionError"
        await stage.until(lambda: not engine.health.ready and trouble in engine.health.reason)
        waiting = sum(record.partition == 1 for record in await stage.read(stage.topic.name))
        await stage.until_handled(100 - waiting)
        progress = await stage.progress()
        assert progress[1][1] == 0
        assert 0 < waiting == 100 - await stage.effect_count()
    assert await stage.dead_letters() == []


async def test_content_that_the_database_refuses_is_found_and_dead_lettered_alone(stage: Stage) -> None:
    messages = [stage.message(n).model_copy(update={"body": "1"}) for n in range(40)]
    messages[17] = messages[17].model_copy(update={"body": "no number to PostgreSQL"})
    await stage.produce(messages)

    async def handle(batch: Batch) -> None:
        received = batch.events(MessageReceivedV1)
        bodies = [event.body for _, event in received]
        await batch.connection.fetchval("SELECT sum(body::int) FROM unnest($1::text[]) AS body", bodies)
        await write_effects(batch, received, stage.output)

    async with stage.engine(handle):
        await stage.until_handled(40)
        await stage.until_sent()
    assert list(await stage.effects()) == [f"m{n:06d}" for n in range(40) if n != 17]
    (letter,) = await stage.dead_letters()
    assert dict(letter.headers)["dlq_offset"] == b"17"


async def test_many_dead_letters_in_a_row_stop_the_consumer_before_it_drains_the_topic(stage: Stage) -> None:
    await stage.produce([stage.message(0)])
    for _ in range(10):
        await stage.produce_raw(b"nonsense")
    async with stage.engine(dead_letter_limit=5) as engine:
        await stage.until(lambda: bool(stage.stopped))
        assert not engine.health.ready
    assert "TooManyDeadLetters" in stage.stopped[0]
    assert len(await stage.dead_letters()) < 5


async def test_an_optimistic_conflict_reads_and_decides_again(stage: Stage) -> None:
    await stage.owner.execute("INSERT INTO tally VALUES ($1, 7)", stage.practice)
    await stage.produce([stage.message(1)])
    versions: list[int] = []

    async def handle(batch: Batch) -> None:
        version = await batch.connection.fetchval("SELECT version FROM tally WHERE practice_id = $1", stage.practice)
        versions.append(version)
        if version == 7:  # somebody else is faster
            await stage.pool.execute("UPDATE tally SET version = 8 WHERE practice_id = $1", stage.practice)
        await batch.write(
            "saved AS (UPDATE tally SET version = version + 1 WHERE practice_id = $1 AND version = $2 RETURNING 1)",
            stage.practice,
            version,
            expecting={"saved": 1},
        )

    async with stage.engine(handle):
        await stage.until_handled(1)
    assert versions == [7, 8]
    assert await stage.owner.fetchval("SELECT version FROM tally WHERE practice_id = $1", stage.practice) == 9


async def test_a_batch_is_written_once(stage: Stage) -> None:
    await stage.produce([stage.message(1)])
    errors: list[str] = []

    async def handle(batch: Batch) -> None:
        await stage.handle(batch)
        with pytest.raises(RuntimeError, match="written once"):
            await batch.write(WRITE_EFFECTS, [], [], [], [])
        errors.append("refused")

    async with stage.engine(handle):
        await stage.until_handled(1)
        await stage.until(lambda: bool(errors))


async def test_a_conflict_that_never_ends_counts_as_a_failure(stage: Stage) -> None:
    await stage.produce([stage.message(1)])
    runs: list[int] = []

    async def handle(_: Batch) -> None:
        runs.append(1)
        raise Conflict

    async with stage.engine(handle, max_conflicts=3, unready_after=timedelta(seconds=0.2)) as engine:
        await stage.until(lambda: "Conflict" in engine.health.reason)
    assert len(runs) > 3
    assert await stage.handled() == 0
