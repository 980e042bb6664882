"""A stage for the engine: real topics, a real schema, a handler that writes and publishes, and eyes on all of it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared_database import DatabaseLogin, create_pool
from shared_database.engine_tables import CREATE_ENGINE_TABLES
from shared_messaging import (
    Batch,
    Engine,
    EngineOptions,
    KafkaConnection,
    Outgoing,
    Publisher,
    Received,
    Subscription,
)
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.topics import Topic

if TYPE_CHECKING:
    from shared_database.pools import Pool

PATIENCE = 20.0
SCHEMA = "messaging_test"
PARTITIONS = 4
RECEIVED_AT = datetime(2026, 11, 23, 9, tzinfo=UTC)

WRITE_EFFECTS = """
effects AS (
    INSERT INTO effect (practice_id, message_id, times, part, log_offset)
    SELECT m.practice_id, m.message_id, 1, m.part, m.log_offset
    FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[]) AS m (practice_id, message_id, part, log_offset)
    ON CONFLICT (practice_id, message_id) DO UPDATE SET times = effect.times + 1
    RETURNING 1
)
"""

PREPARE = """
DROP SCHEMA IF EXISTS messaging_test CASCADE;
DO $$ BEGIN CREATE ROLE switchboard_messaging_test NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
GRANT switchboard_messaging_test TO CURRENT_USER;
CREATE SCHEMA messaging_test;
SET search_path TO messaging_test;
{engine_tables};
CREATE TABLE effect (
    practice_id text, message_id text, times int, part int, log_offset bigint, serial bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (practice_id, message_id)
);
CREATE TABLE tally (practice_id text PRIMARY KEY, version int NOT NULL);
ALTER TABLE effect ENABLE ROW LEVEL SECURITY;
ALTER TABLE effect FORCE ROW LEVEL SECURITY;
CREATE POLICY practice_isolation ON effect
    USING (practice_id = ANY (string_to_array(current_setting('app.practices', true), ',')));
GRANT USAGE ON SCHEMA messaging_test TO switchboard_messaging_test;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA messaging_test TO switchboard_messaging_test;
"""


@dataclass
class Stage:
    """One topic with its dead letters and its output, and all that a test does with them."""

    kafka: KafkaConnection
    dsn: str
    pool: "Pool"
    topic: Topic
    owner: asyncpg.Connection
    producer: AIOKafkaProducer
    practice: str
    exits: AsyncExitStack
    stopped: list[str] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)

    @property
    def output(self) -> str:
        return f"{self.topic.name}-out"

    def message(self, number: int, patient: int = 0) -> MessageReceivedV1:
        return MessageReceivedV1(
            practice_id=self.practice,
            patient_id=f"patient-{patient}",
            message_id=f"m{number:06d}",
            channel="sms",
            provider_message_id=f"SM{number}",
            received_at=RECEIVED_AT,
            body="I would like a refill",
            identity="matched",
        )

    def outgoing(self, message: MessageReceivedV1) -> Outgoing:
        return Outgoing.of(self.topic.name, message, source="/test", time=RECEIVED_AT)

    async def produce(self, messages: Sequence[MessageReceivedV1]) -> None:
        for message in messages:
            out = self.outgoing(message)
            await self.producer.send(out.topic, out.value, key=out.key, headers=list(out.headers))
        await self.producer.flush()

    async def produce_raw(
        self, value: bytes | None, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        key = key if key is not None else f"{self.practice}/patient-0".encode()
        await self.producer.send_and_wait(self.topic.name, value, key=key, headers=list(headers))

    async def handle(self, batch: Batch) -> None:
        """Note each message's effect, and publish its id under its practice."""
        self.batch_sizes.append(len(batch.records))
        await write_effects(batch, batch.events(MessageReceivedV1), self.output)

    @asynccontextmanager
    async def engine(
        self,
        handler: Callable[[Batch], Awaitable[None]] | None = None,
        *,
        service: str = "test",
        publisher: Publisher | None = None,
        is_hurried: bool = True,
        **options: object,
    ) -> AsyncGenerator[Engine]:
        chosen = EngineOptions(**options)  # type: ignore[arg-type]
        async with AsyncExitStack() as exits:
            if publisher is None:
                publisher = await exits.enter_async_context(Publisher(self.kafka))
            pool = await exits.enter_async_context(
                await create_pool(DatabaseLogin(self.dsn, SCHEMA), min_size=0, max_size=12)
            )
            engine = Engine(
                service,
                [Subscription((self.topic,), handler or self.handle, self.topic.name, is_hurried=is_hurried)],
                kafka=self.kafka,
                pool=pool,
                publisher=publisher,
                on_stopped=self.stopped.append,
                options=chosen,
            )
            yield await exits.enter_async_context(engine)

    async def effects(self) -> dict[str, int]:
        """How often each message had an effect, in the order of first effects."""
        rows = await self.owner.fetch(
            "SELECT message_id, times FROM effect WHERE practice_id = $1 ORDER BY serial", self.practice
        )
        return {row["message_id"]: row["times"] for row in rows}

    async def effect_count(self) -> int:
        return await self.owner.fetchval("SELECT count(*) FROM effect WHERE practice_id = $1", self.practice)

    async def progress(self) -> dict[int, tuple[int, int]]:
        """Epoch and next offset of each partition."""
        rows = await self.owner.fetch("SELECT part, epoch, next_offset FROM progress WHERE topic = $1", self.topic.name)
        return {row["part"]: (row["epoch"], row["next_offset"]) for row in rows}

    async def handled(self) -> int:
        return sum(offset for _, offset in (await self.progress()).values())

    async def unsent(self) -> list[bytes]:
        rows = await self.owner.fetch("SELECT events FROM batch_output WHERE $1 = ANY (topics)", self.topic.name)
        return [row["events"] for row in rows]

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """All records of a topic, by partition, in log order."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            await consumer.seek_to_beginning(*partitions)
            records: list[ConsumerRecord] = []
            while any([await consumer.position(tp) < end for tp, end in ends.items()]):
                for found in (await consumer.getmany(timeout_ms=500)).values():
                    records += found
        finally:
            await consumer.stop()
        return sorted(records, key=lambda record: (record.partition, record.offset))

    async def outputs(self) -> list[bytes]:
        return [record.value for record in await self.read(self.output)]

    async def dead_letters(self) -> list[ConsumerRecord]:
        return await self.read(self.topic.dead_letters)

    async def until(self, condition: Callable[[], Awaitable[bool] | bool], patience: float = PATIENCE) -> None:
        """Return when it holds; fail when it does not within the patience."""
        async with asyncio.timeout(patience):
            while True:
                outcome = condition()
                if outcome if isinstance(outcome, bool) else await outcome:
                    return
                await asyncio.sleep(0.02)

    async def until_handled(self, count: int, patience: float = PATIENCE) -> None:
        async def enough() -> bool:
            return await self.handled() >= count

        await self.until(enough, patience)

    async def until_rebalancing(self) -> None:
        """Until Kafka has asked the members of the engines' group to give up their partitions."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        await admin.start()

        async def is_rebalancing() -> bool:
            (answer,) = await admin.describe_consumer_groups([f"switchboard-test-{self.topic.name}"])
            return [state for _, _, state, *_ in answer.groups] == ["PreparingRebalance"]

        try:
            await self.until(is_rebalancing)
        finally:
            await admin.close()

    async def until_sent(self) -> None:
        async def nothing_left() -> bool:
            return not await self.unsent()

        await self.until(nothing_left)


async def write_effects(batch: Batch, received: Sequence[Received[MessageReceivedV1]], output: str) -> None:
    """What a handler does with messages, in the shape that all handlers have."""
    await batch.write(
        WRITE_EFFECTS,
        [event.practice_id for _, event in received],
        [event.message_id for _, event in received],
        [record.partition for record, _ in received],
        [record.offset for record, _ in received],
        publish=[
            Outgoing(output, event.key.encode(), event.message_id.encode(), (("ce_id", event.message_id.encode()),))
            for _, event in received
        ],
    )


@pytest.fixture(scope="session")
def prepared_dsn(postgres_dsn: str) -> str:
    """The database with the tests' schema in it."""

    async def prepare() -> None:
        connection = await asyncpg.connect(postgres_dsn)
        await connection.execute(PREPARE.format(engine_tables=";".join(CREATE_ENGINE_TABLES)))
        await connection.close()

    asyncio.run(prepare())
    return postgres_dsn


@pytest_asyncio.fixture
async def stage(kafka_bootstrap_servers: str, prepared_dsn: str) -> AsyncGenerator[Stage]:
    """A stage of its own for one test."""
    name = f"messages-{uuid4().hex[:10]}"
    topic = Topic(name, "practice/patient", (MessageReceivedV1,), ("ingest",), ("router",), None)
    kafka = KafkaConnection(kafka_bootstrap_servers, "test")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)
    await admin.start()
    names = [name, topic.dead_letters, f"{name}-out"]
    await admin.create_topics([NewTopic(each, PARTITIONS, 1) for each in names])
    async with AsyncExitStack() as exits:
        producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap_servers, linger_ms=5)
        await producer.start()
        exits.push_async_callback(producer.stop)
        owner = await asyncpg.connect(prepared_dsn, server_settings={"search_path": SCHEMA})
        exits.push_async_callback(owner.close)
        pool = await exits.enter_async_context(
            await create_pool(DatabaseLogin(prepared_dsn, SCHEMA), min_size=0, max_size=2)
        )
        yield Stage(kafka, prepared_dsn, pool, topic, owner, producer, f"p-{uuid4().hex[:8]}", exits)
    await admin.delete_topics(names)
    await admin.close()
