"""Where the log and the stored progress do not fit, a person has to look: stop, and say so."""

from datetime import timedelta

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete

from shared_messaging import MissingTopics, partition_counts

from .conftest import PARTITIONS, Stage

pytestmark = pytest.mark.asyncio


async def stops(stage: Stage) -> str:
    async with stage.engine() as engine:
        await stage.until(lambda: bool(stage.stopped))
        assert not engine.health.ready
        assert engine.health.reason == stage.stopped[0]
    return stage.stopped[0]


async def test_a_topic_that_was_made_anew_stops_the_consumer(stage: Stage) -> None:
    await stage.produce([stage.message(n) for n in range(5)])
    async with stage.engine():
        await stage.until_handled(5)
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap_servers)
    await admin.start()
    await admin.delete_topics([stage.topic.name])

    async def is_made_anew() -> bool:
        created = await admin.create_topics([NewTopic(stage.topic.name, PARTITIONS, 1)])
        return all(error == 0 for _, error, *_ in created.topic_errors)

    await stage.until(is_made_anew)
    await admin.close()
    assert "made anew" in await stops(stage)


async def test_retention_that_overtook_the_consumer_stops_it(stage: Stage) -> None:
    await stage.produce([stage.message(n, patient=n) for n in range(40)])
    async with stage.engine():
        await stage.until_handled(40)
    await stage.produce([stage.message(n, patient=n) for n in range(40)])
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(stage.topic.name, n): RecordsToDelete(-1) for n in range(PARTITIONS)})
    await admin.close()
    assert "retention has removed" in await stops(stage)


async def test_a_log_that_begins_late_is_no_loss_the_first_time(stage: Stage) -> None:
    await stage.produce([stage.message(n, patient=n) for n in range(40)])
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(stage.topic.name, n): RecordsToDelete(-1) for n in range(PARTITIONS)})
    await admin.close()
    async with stage.engine():
        await stage.produce([stage.message(99)])
        await stage.until(lambda: bool(stage.batch_sizes))
    assert await stage.effects() == {"m000099": 1}
    assert stage.stopped == []


async def test_a_changed_number_of_partitions_stops_the_consumer(stage: Stage) -> None:
    async with stage.engine():
        await stage.produce([stage.message(1)])
        await stage.until_handled(1)
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap_servers)
    await admin.start()
    await admin.create_partitions({stage.topic.name: NewPartitions(PARTITIONS + 1)})
    await admin.close()
    assert f"{PARTITIONS + 1} partitions and had {PARTITIONS}" in await stops(stage)


async def test_missing_topics_are_named_before_anything_starts(stage: Stage) -> None:
    with pytest.raises(MissingTopics, match="no-such-topic"):
        await partition_counts(stage.kafka, {stage.topic.name, "no-such-topic"}, patience=timedelta(seconds=0.1))


async def test_holes_in_the_log_are_read_over(stage: Stage) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.kafka.bootstrap_servers, transactional_id=f"holes-{stage.topic.name}"
    )
    await producer.start()
    async with stage.engine():
        for n in range(5):  # each transaction leaves a marker that takes an offset and is no record
            async with producer.transaction():
                out = stage.outgoing(stage.message(n))
                await producer.send(out.topic, out.value, key=out.key, headers=list(out.headers))
            await stage.until_handled(2 * n + 1)
    await producer.stop()
    assert list(await stage.effects()) == [f"m{n:06d}" for n in range(5)]
    assert stage.stopped == []
