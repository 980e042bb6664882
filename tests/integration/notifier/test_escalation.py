"""What only time brings, on a clock that the test drives: duty, substitutes, the ladder, automatic replies."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from notifier.app import SCHEMA
from notifier.domain.duty import DutyTimes, PracticeHours
from notifier.domain.escalation import Ladder
from notifier.storage.duty import save_hours, save_ladder, save_times
from notifier.storage.escalations import escalations_of
from notifier.storage.practices import Practices
from notifier.storage.projection import Shown, project
from notifier.storage.seen import mark_read, mark_seen
from notifier.watching import Watch
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate
from shared_messaging import Batch, Outgoing, PublishFailed
from shared_messaging.tracing import Spans
from shared_schemas import ids
from shared_schemas.cloudevents import decode
from shared_schemas.conversation_changes import StaffRepliedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1
from shared_schemas.staff_notifications import DutyAnnouncedV1, EscalationAnnouncedV1
from shared_schemas.values import Event

if TYPE_CHECKING:
    from shared_database.pools import Pool

MONDAY = datetime(2026, 11, 23, 10, tzinfo=UTC)
LADDER = {
    "steps": [{"after_minutes": 15, "ring": "same_reason"}, {"after_minutes": 15, "ring": "administrators"}],
}
NOTHING: dict[str, Any] = {"source": "none"}


@dataclass
class Clinic:
    """A practice in the database, a clock, and whatever was published."""

    pool: "Pool"
    practice_id: str = field(default_factory=lambda: f"p-{uuid4().hex[:12]}")
    now: datetime = MONDAY
    published: list[Event] = field(default_factory=list[Event])
    is_kafka_away: bool = False
    versions: dict[str, int] = field(default_factory=dict[str, int])
    numbers: Any = field(default_factory=count)

    async def _publish(self, messages: Sequence[Outgoing]) -> None:
        if self.is_kafka_away:
            raise PublishFailed("away")
        self.published += [decode(dict(one.headers), one.value or b"") for one in messages]

    async def take_turns(self) -> list[Event]:
        """Every turn that is due, in a process that has just been started; what was published for our practice."""
        before = len(self.published)
        watch = Watch(self.pool, Practices(), self._publish, lambda: self.now)
        while await watch.take_turns():
            pass
        return [one for one in self.published[before:] if one.practice_id == self.practice_id]

    async def after(self, **passed: float) -> list[Event]:
        self.now += timedelta(**passed)
        return await self.take_turns()

    async def message(self, patient: str, *audience: str, reason: str = "refills") -> RoutedMessageV1:
        message = RoutedMessageV1.model_validate(
            self._common(patient, audience, reason)
            | {
                "message_id": f"{self.practice_id}-{next(self.numbers)}", "channel": "sms", "received_at": self.now,
                "body": "Hello", "unrouted": False, "late": False, "rules": [], "decided_at": self.now,
            }
        )  # fmt: skip
        await self._project(message)
        return message

    async def change(self, patient: str, change: str, actor: str | None = "fay", **more: object) -> None:
        kind = {"kind": "staff", "id": actor} if actor else {"kind": "system"}
        event = ConversationUpdatedV1.model_validate(
            self._common(patient, (), None)
            | {
                "change_id": f"{self.practice_id}-{next(self.numbers)}", "change": change, "occurred_at": self.now,
                "actor": kind, "status": "closed" if change == "closed" else "open",
            }
            | more
        )  # fmt: skip
        await self._project(event)

    def _common(self, patient: str, audience: tuple[str, ...], reason: str | None) -> dict[str, Any]:
        version = self.versions[patient] = self.versions.get(patient, 0) + 1
        return {
            "practice_id": self.practice_id, "patient_id": patient, "conversation_version": version,
            "conversation_id": self.conversation(patient), "destination": {"kind": "unassigned"},
            "reason": {"id": reason, "source": "picked"}, "location": NOTHING, "provider": NOTHING, "settings_version": 1,
            "audience": [{"staff_id": one, "because": "subscription"} for one in audience],
        }  # fmt: skip

    def conversation(self, patient: str) -> str:
        return ids.conversation_id(self.practice_id, patient)

    async def _project(self, event: Shown) -> None:
        async with practice_scope(self.pool, self.practice_id) as connection:
            batch = Batch(
                [], connection, steps=[], refused={}, attempts=1, sent=[], spans=Spans(), before_write=lambda: None
            )
            await project(batch, [event], [])

    async def settle(self) -> None:
        wishes = [{"id": "s-1", "reasons": ["refills"]}]
        members = [
            {"staff_id": "ada", "name": "Ada Madeup", "role": "administrator"},
            {"staff_id": "fay", "name": "Fay Madeup", "subscriptions": wishes},
            {"staff_id": "mia", "name": "Mia Madeup", "subscriptions": wishes},
        ]
        content = {"practice_id": self.practice_id, "version": 1, "members": members}
        settings = RoutingSettingsPublishedV1.model_validate(content)
        async with practice_scope(self.pool, self.practice_id) as connection:
            row = (self.practice_id, 1, settings.model_dump_json())
            await connection.execute("INSERT INTO practice VALUES ($1, $2, $3)", *row)

    async def ladder(self, ladder: dict[str, Any] = LADDER) -> None:
        await save_ladder(self.pool, self.practice_id, Ladder.model_validate(ladder), self.now)

    async def hours(self, **hours: Any) -> None:  # noqa: ANN401 - JSON
        await save_hours(self.pool, self.practice_id, PracticeHours.model_validate(hours), self.now)

    async def times(self, staff_id: str, **times: Any) -> None:  # noqa: ANN401 - JSON
        await save_times(self.pool, self.practice_id, staff_id, DutyTimes.model_validate(times), self.now)


@pytest.fixture
async def clinic(postgres_dsn: str) -> AsyncGenerator[Clinic]:
    migrate(postgres_dsn, [SCHEMA])
    async with await create_pool(DatabaseLogin(postgres_dsn, SCHEMA.schema), min_size=1) as pool:
        found = Clinic(pool)
        await found.settle()
        yield found


def rung(events: Sequence[Event]) -> list[tuple[str, tuple[str, ...]]]:
    """The newest step of each escalation that was announced, or why it ended."""
    told = [one.escalation for one in events if isinstance(one, EscalationAnnouncedV1)]
    return [(one.ended, ()) if one.ended else (one.steps[-1].ring, one.steps[-1].staff_ids) for one in told]


async def test_the_ladder_climbs_step_by_step_until_somebody_answers(clinic: Clinic) -> None:
    await clinic.ladder()
    await clinic.message("pt-1", "mia")
    steps = [rung(await clinic.after(minutes=minutes)) for minutes in (14, 2, 10, 5, 60)]
    await clinic.change("pt-1", "replied", reply={"message_id": "r-1", "body": "Yes", "channel": "sms"})
    ended = rung(await clinic.after(minutes=1))
    (kept,) = await escalations_of(clinic.pool, clinic.practice_id, clinic.conversation("pt-1"))

    assert steps == [[], [("same_reason", ("fay",))], [], [("administrators", ("ada",))], []]
    assert ended == [("answered", ())]
    assert [step.ring for step in kept.steps] == ["same_reason", "administrators"]
    assert await escalations_of(clinic.pool, clinic.practice_id, None) == []


async def test_a_look_stops_it_and_a_later_message_starts_it_anew(clinic: Clinic) -> None:
    await clinic.ladder()
    message = await clinic.message("pt-1", "mia")
    first = rung(await clinic.after(minutes=16))
    notified = ids.notification_id(message.message_id, "mia")
    await mark_seen(clinic.pool, clinic.practice_id, "mia", [notified], clinic.now)
    seen = rung(await clinic.after(minutes=30))
    await clinic.message("pt-1", "mia")
    soon, later = rung(await clinic.take_turns()), rung(await clinic.after(minutes=1))
    version = clinic.versions["pt-1"]
    await mark_read(clinic.pool, clinic.practice_id, "fay", clinic.conversation("pt-1"), version, clinic.now)
    read = rung(await clinic.after(minutes=1))

    assert (first, seen) == ([("same_reason", ("fay",))], [("seen", ())])
    assert (soon, later) == ([], [("administrators", ("ada",))])
    assert read == [("seen", ())]


async def test_a_message_that_was_closed_or_an_automatic_reply_is_told_apart(clinic: Clinic) -> None:
    await clinic.ladder()
    await clinic.message("pt-1", "mia")
    await clinic.message("pt-2", "mia")
    await clinic.after(minutes=16)
    await clinic.change("pt-1", "closed")
    await clinic.change("pt-2", "replied", None, reply={"message_id": "r-2", "body": "Later", "channel": "sms"})

    assert rung(await clinic.after(minutes=1)) == [("closed", ())]


async def test_nothing_that_came_before_the_ladder_is_escalated(clinic: Clinic) -> None:
    await clinic.message("pt-1", "mia")
    clinic.now += timedelta(minutes=1)
    await clinic.ladder()

    assert rung(await clinic.after(hours=5)) == []


async def test_what_could_not_be_sent_is_sent_at_the_next_turn_and_once(clinic: Clinic) -> None:
    await clinic.ladder()
    await clinic.message("pt-1", "mia")
    await clinic.take_turns()
    clinic.is_kafka_away = True
    with pytest.raises(PublishFailed):
        await clinic.after(minutes=16)
    clinic.is_kafka_away = False

    assert rung(await clinic.after(seconds=11)) == [("same_reason", ("fay",))]
    assert rung(await clinic.after(seconds=11)) == []


async def test_open_minutes_go_on_after_the_night_in_which_the_clocks_change(clinic: Clinic) -> None:
    zone = ZoneInfo("America/New_York")
    clinic.now = datetime(2026, 10, 31, 16, 50, tzinfo=zone).astimezone(UTC)
    open_ = [{"days": ["sat", "sun"], "start": "08:00", "end": "17:00"}]
    await clinic.hours(time_zone="America/New_York", open=open_)
    await clinic.ladder()
    await clinic.message("pt-1", "mia")
    night = rung(await clinic.after(hours=16))  # 07:50 on Sunday: there was an hour more
    clinic.now = datetime(2026, 11, 1, 8, 4, tzinfo=zone).astimezone(UTC)
    before = rung(await clinic.take_turns())

    assert (night, before) == ([], [])
    assert rung(await clinic.after(minutes=1)) == [("same_reason", ("fay",))]


async def test_a_substitute_is_rung_at_once_and_everybody_hears_who_is_on_duty(clinic: Clinic) -> None:
    await clinic.times("mia", away=[{"first": "2026-11-23", "last": "2026-11-23"}], substitute="ada")
    first = await clinic.take_turns()
    await clinic.message("pt-1", "mia")
    told = rung(await clinic.after(seconds=11))
    back = await clinic.after(hours=14)

    assert [one.on_duty for one in first if isinstance(one, DutyAnnouncedV1)] == [("ada", "fay")]
    assert told == [("substitutes", ("ada",))]
    assert [one.on_duty for one in back if isinstance(one, DutyAnnouncedV1)] == [("ada", "fay", "mia")]


async def test_a_patient_who_writes_to_nobody_is_answered_once_in_twelve_hours(clinic: Clinic) -> None:
    hours = {"open": [{"days": ["mon", "tue"], "start": "09:00", "end": "17:00"}], "auto_reply": "We are back at nine."}
    await clinic.hours(**hours)
    await clinic.message("pt-1", "mia")
    open_, nobody = await clinic.take_turns(), await clinic.after(hours=8)
    await clinic.message("pt-1", "mia")
    await clinic.message("pt-2", "mia")
    first = await clinic.after(seconds=11)
    await clinic.message("pt-1", "mia")
    again = await clinic.after(seconds=11)
    clinic.now += timedelta(hours=12)
    await clinic.message("pt-1", "mia")
    later = await clinic.after(seconds=11)

    def answered(events: list[Event]) -> list[tuple[str, str, str]]:
        return [(one.patient_id, one.body, one.actor.kind) for one in events if isinstance(one, StaffRepliedV1)]

    assert answered(open_) + answered(nobody) == []
    assert [one.on_duty for one in nobody if isinstance(one, DutyAnnouncedV1)] == [()]
    assert answered(first) == [("pt-1", hours["auto_reply"], "system"), ("pt-2", hours["auto_reply"], "system")]
    assert answered(again) == []
    assert answered(later) == answered(first)[:1]
