"""Looks after what only time brings: people come on duty and go, messages stay unseen, patients write to nobody.

Everything is in PostgreSQL. Each practice has a turn every few seconds, in whatever process is free: its row is locked
while somebody looks at it, so a process that dies leaves nothing behind but a turn that another one takes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter

from notifier.domain.escalation import People, Waiting, escalate
from notifier.storage.duty import (
    Arrangement,
    State,
    arrangements_of,
    claim_turns,
    drop_output,
    keep_output,
    next_turn,
    note_auto_replies,
    save_states,
    states_of,
    unsent_output,
)
from notifier.storage.escalations import (
    LastMessage,
    end_escalations,
    escalations_going_on,
    save_escalations,
    waiting_in,
)
from notifier.storage.practices import Practices
from shared_messaging import Outgoing
from shared_messaging.outgoing import pack, unpack
from shared_schemas import topics
from shared_schemas.conversation_changes import Actor, StaffRepliedV1
from shared_schemas.ids import content_id
from shared_schemas.staff_notifications import DutyAnnouncedV1, Escalation, EscalationAnnouncedV1
from shared_schemas.values import Event

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

log = structlog.get_logger()

SOURCE = "/switchboard/notifier"
LOOK_SECONDS = 1.0
TURN = timedelta(seconds=10)
"""How late a step may be. The ladder counts minutes."""
AT_ONCE = 50
"""Practices in one transaction."""
QUIET = timedelta(hours=12)
"""A patient gets no second automatic reply within this time."""
FRESH = timedelta(minutes=15)
"""Nobody is answered automatically that much later, as after an outage."""

ESCALATED = Counter(
    "switchboard_escalation_steps", "Further people were rung for a message that nobody saw, by whom.", ["ring"]
)
AUTO_REPLIES = Counter("switchboard_auto_replies", "Patients who were answered because nobody was on duty.")

Publish = Callable[[Sequence[Outgoing]], Awaitable[object]]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Found:
    """A few practices as they are."""

    people: Mapping[str, People]
    arrangements: Mapping[str, Arrangement]
    waiting: Sequence[tuple[Waiting, LastMessage]]
    going_on: Mapping[Key, Escalation]
    states: Mapping[str, State]


@dataclass(frozen=True, slots=True)
class Watch:
    """The turns of all practices. Any number of processes may take them."""

    pool: "Pool"
    practices: Practices
    publish: Publish
    clock: Callable[[], datetime]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                while await self.take_turns():
                    pass
            except Exception as error:  # noqa: BLE001 - whatever it was, the next turn tries again
                log.warning("duty_turn_failed", error=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def take_turns(self) -> int:
        """Look at the practices whose turn it is, and return how many that were.

        What is announced is kept first, together with its events: after a crash in between, the next turn sends them.
        """
        now = self.clock()
        async with self.pool.acquire() as connection, connection.transaction():
            practice_ids = await claim_turns(connection, now, AT_ONCE)
            if practice_ids:
                found = await self._find(connection, practice_ids)
                events = [
                    *await _escalate(connection, found, now),
                    *await _tell_duty(connection, found, now),
                    *await _answer(connection, found, now),
                ]
                await keep_output(connection, _packed(events, now))
                await next_turn(connection, practice_ids, now + TURN)
        if practice_ids:
            await self._send(practice_ids)
        return len(practice_ids)

    async def _send(self, practice_ids: Sequence[str]) -> None:
        unsent = await unsent_output(self.pool, practice_ids)
        if unsent:
            await self.publish([one for _, packed in unsent for one in unpack(packed)])
            await drop_output(self.pool, practice_ids, [number for number, _ in unsent])

    async def _find(self, connection: "Connection", practice_ids: Sequence[str]) -> _Found:
        arrangements = await arrangements_of(connection, practice_ids)
        practices = await self.practices.of(connection, practice_ids)
        return _Found(
            {
                practice_id: People(practice, arrangements[practice_id].duty, arrangements[practice_id].ladder)
                for practice_id, practice in practices.items()
                if practice_id in arrangements
            },
            arrangements,
            await waiting_in(connection, practice_ids),
            await escalations_going_on(connection, practice_ids),
            await states_of(connection, practice_ids),
        )


async def _escalate(connection: "Connection", found: _Found, now: datetime) -> list[Event]:
    """Take what is due a step further, and end what somebody has seen."""
    changed: dict[Key, Escalation] = {}
    for waiting, _ in found.waiting:
        key = (waiting.practice_id, waiting.escalation_id)
        people, before = found.people.get(waiting.practice_id), found.going_on.get(key)
        after = escalate(waiting, before, people, now) if people is not None else None
        if after is not None and after != before:
            changed[key] = after
            for step in after.steps[len(before.steps) if before is not None else 0 :]:
                ESCALATED.labels(step.ring).inc()
    await save_escalations(connection, changed)
    still_waiting = {(one.practice_id, one.escalation_id) for one, _ in found.waiting}
    ended = await end_escalations(connection, sorted(found.going_on.keys() - still_waiting), now)
    announced = [*ended, *((practice_id, one) for (practice_id, _), one in changed.items())]
    return [EscalationAnnouncedV1(practice_id=practice_id, escalation=one) for practice_id, one in announced]


async def _tell_duty(connection: "Connection", found: _Found, now: datetime) -> list[Event]:
    """Say who is on duty where that has changed."""
    changed: dict[str, State] = {}
    for practice_id, people in found.people.items():
        active = (one.staff_id for one in people.practice.members if one.is_active)
        on_duty, before = people.duty.on_duty(active, now), found.states.get(practice_id)
        if before is None or before.on_duty != on_duty:
            changed[practice_id] = State(on_duty, now)
    await save_states(connection, changed)
    return [DutyAnnouncedV1(practice_id=id_, on_duty=one.on_duty, as_of=one.as_of) for id_, one in changed.items()]


async def _answer(connection: "Connection", found: _Found, now: datetime) -> list[Event]:
    """Answer patients who wrote while nobody was on duty, where the practice has words for it."""
    wanted: dict[Key, tuple[Waiting, LastMessage, str]] = {}
    for waiting, message in found.waiting:
        people = found.people.get(waiting.practice_id)
        words = people.duty.hours.auto_reply if people is not None else None
        if people is None or words is None or now - message.sent_at > FRESH:
            continue
        active = [one.staff_id for one in people.practice.members if one.is_active]
        if not people.duty.on_duty(active, message.sent_at):
            wanted[(waiting.practice_id, message.patient_id)] = (waiting, message, words)
    noted = await note_auto_replies(connection, wanted.keys(), now, now - QUIET)
    AUTO_REPLIES.inc(len(noted))
    return [_auto_reply(*wanted[key], now) for key in sorted(noted)]


def _auto_reply(waiting: Waiting, message: LastMessage, words: str, now: datetime) -> StaffRepliedV1:
    change_id = content_id("auto-reply", waiting.practice_id, message.message_id)
    return StaffRepliedV1(
        practice_id=waiting.practice_id,
        patient_id=message.patient_id,
        change_id=change_id,
        conversation_id=waiting.conversation_id,
        actor=Actor(kind="system"),
        occurred_at=now,
        message_id=content_id("reply", change_id),
        body=words,
        channel=message.channel,
    )


def _packed(events: Sequence[Event], now: datetime) -> dict[str, bytes]:
    by_practice: dict[str, list[Outgoing]] = {}
    for one in events:
        by_practice.setdefault(one.practice_id, []).append(_outgoing(one, now))
    return {practice_id: pack(messages) for practice_id, messages in by_practice.items()}


def _outgoing(event: Event, now: datetime) -> Outgoing:
    topic = topics.CONVERSATION_CHANGES if isinstance(event, StaffRepliedV1) else topics.STAFF_NOTIFICATIONS
    return Outgoing.of(topic.name, event, source=SOURCE, time=now)
