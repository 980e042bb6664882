"""Failure classes, end to end: an outage of ours is waited out, damage stops loudly, and the runbooks lead out of it."""

import re
import signal
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from shared_messaging import Outgoing
from shared_schemas import topics
from shared_schemas.ids import message_id
from shared_schemas.patient_messages import MessageReceivedV1
from tests.faults.parts import Parts, Service, open_directory, running_parts, until
from tests.faults.reading import records_of

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

LIMIT = 10
PATIENCE = 120.0
PRACTICE = "loud-practice"
MESSAGES = topics.PATIENT_MESSAGES


@dataclass
class Desk:
    """A router, what patients write to it, and what it makes of that."""

    parts: Parts
    producer: AIOKafkaProducer
    admin: AIOKafkaAdminClient
    count: int = 0

    @property
    def router(self) -> Service:
        return self.parts.services["router"]

    async def write(self, messages: int, patient: str = "patient-1") -> list[str]:
        """Messages of one patient; their ids, in order."""
        numbers = [str(self.count + number) for number in range(messages)]
        self.count += messages
        for number in numbers:
            event = MessageReceivedV1(
                practice_id=PRACTICE,
                patient_id=patient,
                message_id=message_id("web", PRACTICE, number),
                channel="web",
                provider_message_id=number,
                received_at=datetime.now(UTC),
                body="A made-up question",
                identity="matched",
            )
            out = Outgoing.of(MESSAGES.name, event, source="/made-up", time=event.received_at)
            await self.producer.send_and_wait(out.topic, out.value, key=out.key, headers=list(out.headers))
        return [message_id("web", PRACTICE, number) for number in numbers]

    async def poison(self, values: Sequence[bytes], patient: str) -> None:
        """In one request, so that they are handled together."""
        batch = self.producer.create_batch()
        for value in values:
            batch.append(key=f"{PRACTICE}/{patient}".encode(), value=value, timestamp=None)
        sent = await self.producer.send_batch(batch, MESSAGES.name, partition=0)
        await sent

    async def decided(self, ids: Sequence[str]) -> None:
        """Wait until these are decided; fail when one of them is twice, or in another order."""

        async def all_of_them() -> bool:
            rows = await self.parts.query(
                "SELECT message_id FROM router.decision WHERE message_id = ANY ($1::text[]) "
                "ORDER BY conversation_version",
                list(ids),
            )
            found = [row["message_id"] for row in rows]
            assert found == list(ids)[: len(found)]
            return len(found) == len(ids)

        await until(all_of_them, f"{len(ids)} messages are decided", PATIENCE)

    async def dead_letters(self) -> list[bytes | None]:
        """The bytes of all of them, in order."""
        return [record.value async for record in records_of(self.parts, MESSAGES.dead_letters)]

    async def stop(self) -> None:
        self.router.is_wanted = False
        self.router.send(signal.SIGTERM)
        await until(self._is_down, "router has stopped", PATIENCE)

    async def start(self) -> None:
        self.router.is_wanted = True
        await until(self.router.is_ready, "router is ready", PATIENCE)

    async def last_word(self) -> str:
        """Start it, and wait until it ends by itself; it stays down. The line that it ends with."""
        before = len(self.router.last_words)
        self.router.is_wanted = True

        async def has_spoken() -> bool:
            return len(self.router.last_words) > before

        await until(has_spoken, "router stops by itself", PATIENCE)
        self.router.is_wanted = False
        await until(self._is_down, "router is down", PATIENCE)
        return self.router.last_words[before]

    async def _is_down(self) -> bool:
        return not self.router.pid


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncGenerator[Desk]:
    with open_directory() as directory:
        settings = {"SWITCHBOARD_DEAD_LETTER_LIMIT": str(LIMIT)}
        async with running_parts(directory, ("router",), settings) as parts:
            producer = AIOKafkaProducer(bootstrap_servers=parts.kafka_bootstrap_servers)
            admin = AIOKafkaAdminClient(bootstrap_servers=parts.kafka_bootstrap_servers)
            await producer.start()
            await admin.start()
            try:
                yield Desk(parts, producer, admin)
            finally:
                await producer.stop()
                await admin.close()


async def test_an_outage_of_ours_is_waited_out_and_readiness_says_so(desk: Desk) -> None:
    await desk.decided(await desk.write(1))
    before, letters = desk.router.restarts, await desk.dead_letters()
    await desk.parts.postgres_proxy.down()
    written = await desk.write(5)

    async def is_unready() -> bool:
        return not await desk.router.is_ready()

    await until(is_unready, "router says that it is not ready", PATIENCE)
    await desk.parts.postgres_proxy.up()
    await until(desk.router.is_ready, "router is ready again", PATIENCE)
    await desk.decided(written)
    assert desk.router.restarts == before
    assert await desk.dead_letters() == letters


async def test_too_many_dead_letters_in_a_row_stop_it_and_wait_for_a_decision(desk: Desk) -> None:
    known = await desk.dead_letters()
    poison = [b"poison %d" % number for number in range(LIMIT)]
    await desk.stop()
    await desk.poison(poison, "patient-2")
    word = await desk.last_word()
    assert "TooManyDeadLetters" in word
    assert "docs/runbooks/dead-letters-in-a-row.md" in word
    assert await desk.dead_letters() == known

    environment = desk.router.environment
    desk.router.environment = {**environment, "SWITCHBOARD_ROUTER_DEAD_LETTER_LIMIT": "1000000"}
    await desk.start()
    await desk.decided(await desk.write(2, "patient-2"))

    async def are_there() -> bool:
        return await desk.dead_letters() == known + poison

    await until(are_there, "the letters are in the dead letters", PATIENCE)
    desk.router.environment = environment


async def test_retention_that_overtook_the_router_stops_it_until_somebody_has_looked(desk: Desk) -> None:
    await desk.decided(await desk.write(3))
    await desk.stop()
    lost = await desk.write(3)
    partitions = range(len((await desk.admin.describe_topics([MESSAGES.name]))[0]["partitions"]))
    await desk.admin.delete_records(
        {TopicPartition(MESSAGES.name, number): RecordsToDelete(-1) for number in partitions}
    )
    word = await desk.last_word()
    assert "docs/runbooks/progress-lost.md" in word
    removed = re.search(r"removed offsets \d+ to (\d+) of ([a-z-]+), partition (\d+)", word)
    assert removed is not None, word

    update = "UPDATE router.progress SET next_offset = $1 WHERE topic = $2 AND part = $3"
    await desk.parts.query(update, int(removed[1]) + 1, removed[2], int(removed[3]))
    await desk.start()
    await desk.decided(await desk.write(2))
    rows = await desk.parts.query("SELECT FROM router.decision WHERE message_id = ANY ($1::text[])", lost)
    assert rows == []


async def test_another_number_of_partitions_stops_it_until_the_number_is_confirmed(desk: Desk) -> None:
    written = await desk.write(3)
    await desk.decided(written)
    count = len((await desk.admin.describe_topics([MESSAGES.name]))[0]["partitions"]) + 1
    await desk.stop()
    await desk.admin.create_partitions({MESSAGES.name: NewPartitions(count)})
    word = await desk.last_word()
    assert f"has {count} partitions and had {count - 1}" in word
    assert "docs/runbooks/partitions-changed.md" in word

    update = "UPDATE router.consumed_topic SET partitions = $1 WHERE topic = $2"
    await desk.parts.query(update, count, MESSAGES.name)
    await desk.start()
    await desk.decided(await desk.write(2))
