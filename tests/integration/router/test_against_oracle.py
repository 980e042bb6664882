"""The router as it runs, with Kafka and PostgreSQL, held against the naive reading of the rules."""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from router.app import SCHEMA, subscriptions
from router.handlers import Handlers
from router.storage.settings import save_settings
from router.what_if import Span, what_if
from shared_database import DatabaseLogin, create_pool
from shared_database.migrations import migrate
from shared_messaging import Engine, KafkaConnection, Outgoing, Publisher, partition_counts
from shared_schemas import topics
from shared_schemas.conversation_changes import (
    Actor,
    ConversationAssignedV1,
    ConversationChange,
    ConversationClosedV1,
    ConversationMovedV1,
    LabelCorrectedV1,
    NewTopicStartedV1,
    PracticeMessageReadV1,
    RerouteRequestedV1,
    StaffRepliedV1,
)
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_management import AppointmentSyncedV1, DirectorySyncedV1, Location, Provider
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.values import Event
from tests.oracle.happenings import LOCATIONS, NINE, PROVIDERS, Did, Happening, Listed, Practice, Said, Saved, Synced
from tests.oracle.rules import Oracle, Outcome, Verdict

if TYPE_CHECKING:
    from shared_database.pools import Pool

HAPPENINGS = 5_000
PATIENTS = 40
PATIENCE = 120.0
AGAIN_EVERY, AGAIN_LATER = 7, 25
"""A provider that was not answered in time sends a message again, when others have come meanwhile."""
EVER = Span(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
RUNS = ("said", "did", "said", "synced", "said", "did", "saved", "listed")


@dataclass
class RunningRouter:
    """A router, what was told to it, and what it answered."""

    practice: str
    kafka: KafkaConnection
    pool: "Pool"
    publisher: Publisher
    consumer: AIOKafkaConsumer
    history: list[Happening] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = 0

    async def happens(self, run: Sequence[Happening]) -> None:
        """Let a run of one kind happen, and wait until the router has dealt with all of it. Some of it comes again later."""
        self.history.extend(run)
        for one in run:
            if isinstance(one, Saved):
                await self._save(one)
        events = [self._event(one) for one in run if not isinstance(one, Saved)]
        for again in range(0, len(events), AGAIN_EVERY):
            events.insert(again + AGAIN_LATER, events[again])
        await self.publisher.send([Outgoing.of(topic, event, source="/test", time=NINE) for topic, event in events])
        async with asyncio.timeout(PATIENCE):
            await self._answered(run)
            for topic in {topic for topic, _ in events} & {topics.APPOINTMENTS.name, topics.PRACTICE_DIRECTORY.name}:
                await self._kept(topic)

    async def _save(self, saved: Saved) -> None:
        self.version += 1
        settings = RoutingSettingsPublishedV1.model_validate(
            {"practice_id": self.practice, "version": self.version, **saved.settings}
        )
        over = self.version - 1
        assert await save_settings(self.pool, settings, over=over, saved_by="ada", saved_at=datetime.now(UTC))

    async def _answered(self, run: Sequence[Happening]) -> None:
        wanted = {id_of(one) for one in run if isinstance(one, Said | Did)}
        while wanted - self.answers.keys():
            for records in (await self.consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    answer = json.loads(record.value)
                    if answer["practice_id"] == self.practice:
                        self.answers[answer.get("message_id") or answer["change_id"]] = answer

    async def _kept(self, topic: str) -> None:
        """Appointments and directories are not answered: wait until the router has come to the end of their topic."""
        count = (await partition_counts(self.kafka, [topic]))[topic]
        ends = await self.consumer.end_offsets([TopicPartition(topic, part) for part in range(count)])
        while await self._progress(topic) < sum(ends.values()):  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)

    async def _progress(self, topic: str) -> int:
        done: int = (
            await self.pool.fetchval("SELECT sum(next_offset)::bigint FROM progress WHERE topic = $1", topic) or 0
        )
        return done

    def _event(self, one: Happening) -> tuple[str, Event]:
        match one:
            case Said():
                return topics.PATIENT_MESSAGES.name, self._message(one)
            case Did():
                return topics.CONVERSATION_CHANGES.name, self._change(one)
            case Synced():
                return topics.APPOINTMENTS.name, AppointmentSyncedV1.model_validate(
                    {
                        "practice_id": self.practice, "patient_id": one.patient, "appointment_id": one.appointment_id,
                        "status": one.status, "start": one.start, "location_id": one.location,
                        "provider_id": one.provider, "source": "test", "as_of": one.as_of,
                    }
                )  # fmt: skip
            case Listed():
                return topics.PRACTICE_DIRECTORY.name, DirectorySyncedV1(
                    practice_id=self.practice,
                    locations=tuple(Location(id=id_, name=id_, retired=id_ in one.retired) for id_ in LOCATIONS),
                    providers=tuple(Provider(id=id_, name=id_, retired=id_ in one.retired) for id_ in PROVIDERS),
                    as_of=one.as_of,
                )
            case Saved():
                pytest.fail("settings are saved, not published")

    def _message(self, said: Said) -> MessageReceivedV1:
        return MessageReceivedV1.model_validate(
            {
                "message_id": said.message_id, "practice_id": self.practice, "patient_id": said.patient,
                "channel": said.channel, "provider_message_id": said.message_id, "received_at": said.at,
                "body": "A made-up question", "requested_reason_id": said.requested, "extension": said.extension,
                "identity": "matched",
            }
        )  # fmt: skip

    def _change(self, did: Did) -> ConversationChange:  # noqa: PLR0911 - one for each
        common: dict[str, Any] = {
            "change_id": did.change_id, "practice_id": self.practice, "patient_id": did.patient,
            "actor": Actor(kind="staff", id="ada"), "occurred_at": NINE,
        }  # fmt: skip
        match did.action:
            case "assign":
                return ConversationAssignedV1(**common, to=did.to, expected_version=did.expected_version)
            case "move":
                return ConversationMovedV1(**common, to=did.to or "")
            case "close":
                return ConversationClosedV1(**common)
            case "label":
                return LabelCorrectedV1(**common, reason_id=did.to, location_id=did.place)
            case "topic":
                return NewTopicStartedV1(**common)
            case "reroute":
                return RerouteRequestedV1(**common, settings_version=self.version)
            case "reply":
                return StaffRepliedV1(**common, message_id=did.change_id, body="Made up", channel="web")
            case _:
                return PracticeMessageReadV1(**common, message_id=did.change_id)


@pytest.fixture
async def running_router(kafka_bootstrap_servers: str, postgres_dsn: str) -> AsyncGenerator[RunningRouter]:
    await asyncio.to_thread(migrate, postgres_dsn, [SCHEMA])
    kafka = KafkaConnection(kafka_bootstrap_servers, "test-router")
    async with AsyncExitStack() as exits:
        pool = await exits.enter_async_context(
            await create_pool(DatabaseLogin(postgres_dsn, SCHEMA.schema), max_size=16)
        )
        publisher = await exits.enter_async_context(Publisher(kafka))
        consumer = await exits.enter_async_context(_reader(kafka_bootstrap_servers))
        handlers = Handlers(lambda: datetime.now(UTC))
        engine = Engine(
            "router", subscriptions(handlers), kafka=kafka, pool=pool, publisher=publisher, on_stopped=pytest.fail
        )
        await exits.enter_async_context(engine)
        yield RunningRouter(f"oracle-{uuid4().hex[:8]}", kafka, pool, publisher, consumer)


@asynccontextmanager
async def _reader(servers: str) -> AsyncGenerator[AIOKafkaConsumer]:
    topic = topics.ROUTED_MESSAGES.name
    count = (await partition_counts(KafkaConnection(servers, "test"), [topic]))[topic]
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="latest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, part) for part in range(count)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        yield consumer
    finally:
        await consumer.stop()


@pytest.mark.rule("X1", "X2")
async def test_the_router_decides_a_long_history_as_the_naive_reading_does(running_router: RunningRouter) -> None:
    """Thousands of messages, actions, syncs and settings; then every record reproduces itself."""
    seed = int(os.environ.get("SWITCHBOARD_TEST_SEED") or Random().randrange(1_000_000))  # noqa: S311 - a test's
    print("seed", seed)  # noqa: T201 - shown when it fails
    random = Random(seed)  # noqa: S311 - a test's
    practice = Practice(random, PATIENTS)
    await running_router.happens(practice.many("saved", 1))
    while len(running_router.history) < HAPPENINGS:
        kind = random.choice(RUNS)
        count = 1 if kind in ("saved", "listed") else random.randrange(20, 200)
        await running_router.happens(practice.many(kind, count))

    answers = running_router.answers
    history = with_own_changes(running_router.history, answers)
    oracle = Oracle(history)
    for index, one in enumerate(history):
        if isinstance(one, Said):
            assert verdict(answers[one.message_id]) == oracle.verdict(index), one
        elif isinstance(one, Did) and one.action != "compare":
            assert outcome(answers[one.change_id]) == shown(oracle.outcome(index)), one
    proof = what_if(running_router.pool, running_router.practice, EVER, None)
    *_, summary = [line async for line in proof]
    assert summary["messages"] == sum(isinstance(one, Said) for one in running_router.history)
    assert summary["unreproduced"] == 0


def with_own_changes(history: Sequence[Happening], answers: dict[str, dict[str, Any]]) -> list[Happening]:
    """The history, and in it what the router changed of itself (a label's appointment has moved): only its answers tell
    when that was, by what it answered next about the same patient.
    """
    asked = {id_of(one) for one in history}
    waiting: dict[str, list[Did]] = defaultdict(list)
    before: dict[str, list[Did]] = {}
    for id_, answer in answers.items():
        patient = answer["patient_id"]
        if id_ in asked:
            before[id_] = waiting.pop(patient, [])
        else:
            waiting[patient].append(Did(patient, id_, "compare"))
    return [each for one in history for each in (*before.get(id_of(one), ()), one)]


def id_of(one: Happening) -> str:
    return one.message_id if isinstance(one, Said) else one.change_id if isinstance(one, Did) else ""


def verdict(routed: dict[str, Any]) -> Verdict:
    location, provider = routed["location"], routed["provider"]
    return Verdict(
        reason=routed["reason"]["id"],
        location=location["id"],
        provider=provider["id"],
        stale=(location["stale"], provider["stale"]),
        retired=(location["retired"], provider["retired"]),
        destination=destination(routed),
        audience=audience(routed),
        unrouted=routed["unrouted"],
        late=routed["late"],
        menu=routed["reason_menu"],
    )


def outcome(told: dict[str, Any]) -> tuple[object, ...]:
    if "rejection" in told:
        return told["rejection"], destination(told), told["conversation_version"]
    is_open = told["status"] == "open"
    return (
        is_open,
        destination(told),
        told["reason"]["id"],
        told["location"]["id"],
        audience(told),
        told["conversation_version"],
    )


def shown(expected: Outcome) -> tuple[object, ...]:
    """As much of it as the events say."""
    if expected.rejected is not None:
        return expected.rejected, expected.destination, expected.version
    return (
        expected.is_open, expected.destination, expected.reason, expected.location, expected.audience, expected.version,
    )  # fmt: skip


def destination(told: dict[str, Any]) -> str:
    kind, id_ = told["destination"]["kind"], told["destination"]["id"]
    return kind if id_ is None else f"{kind}:{id_}"


def audience(told: dict[str, Any]) -> tuple[tuple[str, str, str | None], ...]:
    return tuple((one["staff_id"], one["because"], one["subscription_id"]) for one in told["audience"])
