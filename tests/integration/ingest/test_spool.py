"""Nothing that was accepted is lost while Kafka is away, slow or killed (promise 1): the real service, from outside."""

import asyncio
import signal
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from twilio.request_validator import RequestValidator

from ingest.spooling import Spool, SpoolLimits
from shared_database import DatabaseLogin, create_pool
from shared_messaging import KafkaConnection, Outgoing, Publisher
from shared_schemas.ids import message_id
from tests.faults.parts import PARTITIONS, Parts, open_directory, running_parts, until

if TYPE_CHECKING:
    from shared_database.pools import Connection

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRACTICE = "spool-practice"
AUTH_TOKEN = "made-up-token"  # noqa: S105 - of this test
PUBLIC_URL = "http://localhost"
PATH = "/hooks/twilio/sms/spool-sms"
KEY = b"spool-practice/waits-for-its-turn"
MOST_ROWS = 200
AVOIDS_KAFKA = 1.1
"""Seconds, and a little: so long after a failure nothing but the spool is tried."""
WITHOUT_WAITING = 3.0
"""Seconds. A webhook that waits for Kafka takes the producer's own patience, many times as long; what an answer takes on a
quiet machine is a benchmark's to say (`just bench channels`)."""


@dataclass
class Door:
    """ingest's webhook, and eyes on what came of it."""

    parts: Parts
    http: httpx.AsyncClient
    count: int = 0
    seconds: list[float] = field(default_factory=list)

    async def text(self, patient: int) -> tuple[int, str]:
        """The answer's status, and the message's id."""
        self.count += 1
        sid = f"SM{self.count:032}"
        form = {
            "MessageSid": sid,
            "From": f"+13125550{100 + patient}",
            "To": "+12125550100",
            "Body": "A made-up question",
        }
        signature = RequestValidator(AUTH_TOKEN).compute_signature(PUBLIC_URL + PATH, form)
        started = perf_counter()
        answer = await self.http.post(PATH, data=form, headers={"X-Twilio-Signature": signature})
        self.seconds.append(perf_counter() - started)
        return answer.status_code, message_id("sms", PRACTICE, sid)

    async def accepted(self, patient: int) -> str:
        status, id_ = await self.text(patient)
        assert status == 200
        return id_

    async def waiting(self) -> int:
        return int((await self.parts.query("SELECT count(*) FROM ingest.spooled"))[0][0])

    async def metric(self, name: str) -> float:
        text = (await self.http.get("/metrics")).text
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))

    async def drained(self) -> None:
        async def is_empty() -> bool:
            return await self.waiting() == 0

        await until(is_empty, "the spool is empty", 60)

    async def log(self) -> dict[str, list[str]]:
        """The ids of all messages in Kafka, by patient, in order, each once: later copies are downstream's to drop."""
        consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=self.parts.kafka_bootstrap_servers, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            partitions = [TopicPartition("patient-messages", number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found: dict[str, list[str]] = {}
            while any([await consumer.position(one) < ends[one] for one in partitions]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        ids = found.setdefault(record.key.decode(), [])
                        id_ = dict(record.headers)["ce_id"].decode()
                        if id_ not in ids:
                            ids.append(id_)
            return found
        finally:
            await consumer.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door() -> AsyncGenerator[Door]:
    with open_directory() as directory:
        settings = {"SWITCHBOARD_PUBLIC_URL": PUBLIC_URL, "SWITCHBOARD_INGEST_SPOOL_ROWS": str(MOST_ROWS)}
        async with (
            running_parts(directory, ("ingest",), settings) as parts,
            httpx.AsyncClient(base_url=parts.services["ingest"].url, timeout=20) as http,
        ):
            token = parts.issuer.token(role="operator", practice_id=None, staff_id="op")
            operator = {"Authorization": f"Bearer {token}"}
            base = f"/v1/practices/{PRACTICE}"
            profile = {"slug": PRACTICE, "name": "Spool Practice", "country": "US"}
            channel = {"kind": "twilio-sms", "number": "+12125550100", "account_sid": "AC" + "0" * 32}
            channel["auth_token"] = AUTH_TOKEN
            (await http.put(f"{base}/profile", json=profile, headers=operator)).raise_for_status()
            (await http.put(f"{base}/channels/spool-sms", json=channel, headers=operator)).raise_for_status()
            yield Door(parts, http)


async def in_order(door: Door, sent: dict[int, list[str]]) -> None:
    """Every message of every patient is in Kafka, in the order in which it was accepted."""
    log = list((await door.log()).values())
    for ids in sent.values():
        assert [id_ for one in log for id_ in one if id_ in ids] == ids


async def test_while_kafka_is_unreachable_messages_are_accepted_and_follow_in_order(door: Door) -> None:
    sent: dict[int, list[str]] = {patient: [await door.accepted(patient)] for patient in range(4)}
    await door.drained()
    await door.parts.kafka_proxy.down()
    for number in range(40):
        sent[number % 4].append(await door.accepted(number % 4))
    assert await door.waiting() == 40
    await until(lambda: _is(door, "switchboard_ingest_spool_rows", 40), "the metric says 40", 10)
    assert await door.metric("switchboard_ingest_spool_oldest_seconds") > 0

    await door.parts.kafka_proxy.up()
    for number in range(40):
        sent[number % 4].append(await door.accepted(number % 4))
    await door.drained()

    await in_order(door, sent)
    await until(lambda: _is(door, "switchboard_ingest_spool_rows", 0), "the metric says 0", 10)


async def test_a_paused_broker_costs_a_webhook_no_wait_for_it(door: Door) -> None:
    door.parts.kafka.send(signal.SIGSTOP)
    door.seconds.clear()
    try:
        sent = {1: [await door.accepted(1) for _ in range(60)]}
    finally:
        door.parts.kafka.send(signal.SIGCONT)
    await door.drained()

    assert max(door.seconds) < WITHOUT_WAITING
    await in_order(door, sent)


async def test_a_slow_kafka_costs_a_webhook_no_wait_for_it(door: Door) -> None:
    door.parts.kafka_proxy.latency = 0.4
    door.seconds.clear()
    try:
        sent = {2: [await door.accepted(2) for _ in range(30)]}
    finally:
        door.parts.kafka_proxy.heal()
    await door.drained()

    assert max(door.seconds) < WITHOUT_WAITING
    await in_order(door, sent)


async def test_whoever_waits_for_their_turn_asks_again_what_waits(door: Door) -> None:
    """The first is still being put into the spool when Kafka is back; the second had found the spool empty before."""
    kafka = KafkaConnection(door.parts.kafka_bootstrap_servers, "test-turns")
    limits = SpoolLimits(timedelta(seconds=5), most_rows=MOST_ROWS)
    owner = await asyncpg.connect(door.parts.postgres_dsn)
    async with await create_pool(DatabaseLogin(door.parts.postgres_dsn, "ingest"), min_size=1) as pool:
        publisher = Publisher(kafka)  # not started yet: Kafka is away
        spool = Spool(pool, publisher, lambda: datetime.now(UTC), limits)
        events = [Outgoing("patient-messages", KEY, b"", (("ce_id", b"%d" % number),)) for number in range(2)]
        async with owner.transaction():
            await owner.execute("LOCK TABLE ingest.spooled IN SHARE ROW EXCLUSIVE MODE")
            both = [asyncio.create_task(spool.take(PRACTICE, event, is_empty=True)) for event in events]
            await until(lambda: _is_waiting(owner), "the first waits to be put into the spool", 10)
            await asyncio.sleep(AVOIDS_KAFKA)
            await publisher.__aenter__()
        await asyncio.gather(*both)
        await publisher.__aexit__()
    await owner.close()
    await door.drained()

    assert (await door.log())[KEY.decode()] == ["0", "1"]


async def test_what_waits_outlives_the_death_of_broker_and_service(door: Door) -> None:
    await door.parts.kafka.die()
    sent = {3: [await door.accepted(3) for _ in range(20)]}
    door.parts.services["ingest"].send(signal.SIGKILL)
    await door.parts.restart_kafka()
    await door.parts.until_ready()
    sent[3] += [await door.accepted(3) for _ in range(5)]
    await door.drained()

    await in_order(door, sent)


async def test_a_service_that_starts_while_kafka_is_away_accepts_messages(door: Door) -> None:
    await door.parts.kafka_proxy.down()
    try:
        door.parts.services["ingest"].send(signal.SIGKILL)

        await until(door.parts.services["ingest"].is_ready, "ingest is ready", 20)
        sent = {4: [await door.accepted(4) for _ in range(5)]}
    finally:
        await door.parts.kafka_proxy.up()
    await door.drained()

    await in_order(door, sent)


async def test_a_full_spool_answers_503_and_empties_again(door: Door) -> None:
    await door.parts.kafka_proxy.down()
    try:
        answers = [await door.text(5) for _ in range(MOST_ROWS + 5)]
    finally:
        await door.parts.kafka_proxy.up()
    await door.drained()

    assert [status for status, _ in answers] == [200] * MOST_ROWS + [503] * 5
    await in_order(door, {5: [id_ for status, id_ in answers if status == 200]})


async def test_with_both_away_the_answer_is_503_in_time_for_the_provider_to_hear_it(door: Door) -> None:
    await door.parts.kafka_proxy.down()
    await door.parts.postgres_proxy.down()
    try:
        refused, _ = await door.text(6)
        await door.parts.postgres_proxy.up()
        door.parts.postgres_proxy.blackholed = True
        door.seconds.clear()
        unheard, _ = await door.text(6)
    finally:
        door.parts.postgres_proxy.heal()
        await door.parts.postgres_proxy.up()
        await door.parts.kafka_proxy.up()

    async def accepts() -> bool:
        return (await door.text(6))[0] == 200

    await until(accepts, "texts are accepted again", 30)
    await door.drained()
    assert (refused, unheard) == (503, 503)
    assert door.seconds[0] < 12


async def _is_waiting(owner: "Connection") -> bool:
    return bool(await owner.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))


async def _is(door: Door, metric: str, value: float) -> bool:
    await asyncio.sleep(0)
    return await door.metric(metric) == value
