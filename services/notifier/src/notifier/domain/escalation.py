"""Ringing wider when nobody sees a message: step by step, without taking it away from anybody."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, assert_never

from pydantic import ConfigDict, Field

from notifier.domain.duty import Duty, after_open_time
from notifier.domain.visibility import Practice
from shared_schemas.ids import content_id
from shared_schemas.staff_notifications import Escalation, EscalationStep
from shared_schemas.values import Value

Rung = Literal["same_reason", "default_subscribers", "administrators"]
MOST_MINUTES = 7 * 24 * 60


class LadderStep(Value):
    """Whom to ring so many minutes of open time after the step before; the first, after the message."""

    model_config = ConfigDict(extra="forbid")
    after_minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES)]
    ring: Rung


class Ladder(Value):
    """A practice's steps. None: nobody is rung but the audience and their substitutes."""

    model_config = ConfigDict(extra="forbid")
    steps: Annotated[tuple[LadderStep, ...], Field(max_length=10)] = ()
    through_quiet_hours: bool = False
    """Whether a step is told by push and e-mail at once, though somebody wants to be told nothing at that hour."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A conversation with a message that nobody has seen."""

    practice_id: str
    conversation_id: str
    since: datetime
    """When the oldest such message came, or somebody last looked."""
    reason_id: str | None
    audience: tuple[str, ...]

    @property
    def escalation_id(self) -> str:
        """One for each time that a conversation waits."""
        return content_id("escalation", self.practice_id, self.conversation_id, self.since.isoformat())


@dataclass(frozen=True, slots=True)
class People:
    """Who is there to be rung, and when."""

    practice: Practice
    duty: Duty
    ladder: Ladder


def escalate(waiting: Waiting, before: Escalation | None, people: People, now: datetime) -> Escalation | None:
    """The escalation with the steps that are due by now; None while there are none.

    A step rings whom no step before it rang. One that rings nobody is passed over at once. The same arguments give the
    same result, so it does not matter who asks, how often, or after what.
    """
    steps = list(before.steps) if before is not None else []
    rung = {*people.duty.on_duty(waiting.audience, waiting.since), *(one for it in steps for one in it.staff_ids)}
    standing_in = _new(people, people.duty.substitutes(waiting.audience, now), rung)
    if standing_in:
        steps.append(EscalationStep(ring="substitutes", staff_ids=standing_in, at=now))
    climbed = [it for it in steps if it.ring != "substitutes"]
    for number, step in enumerate(people.ladder.steps[len(climbed) :], start=len(climbed)):
        passed_over = bool(climbed) and not climbed[-1].staff_ids
        if not passed_over and not _is_due(waiting, people, number, now):
            break
        rung |= {one for it in steps for one in it.staff_ids}
        wanted = whom(step.ring, people.practice, waiting.reason_id)
        on_duty = people.duty.on_duty(wanted, now) + people.duty.substitutes(wanted, now)
        climbed.append(EscalationStep(ring=step.ring, staff_ids=_new(people, on_duty, rung), at=now))
        steps.append(climbed[-1])
    if not steps:
        return None
    return Escalation(
        escalation_id=waiting.escalation_id,
        conversation_id=waiting.conversation_id,
        since=waiting.since,
        steps=tuple(steps),
    )


def whom(ring: Rung, practice: Practice, reason_id: str | None) -> tuple[str, ...]:
    """The active members that a step rings, in the order of the settings. No reason is `other` (rule R8)."""
    match ring:
        case "same_reason":
            wanted = {one.staff_id for one in practice.members if one.wants(reason_id or "other")}
        case "default_subscribers":
            wanted = set(practice.default_subscribers)
        case "administrators":
            wanted = {one.staff_id for one in practice.members if one.is_administrator}
        case _:
            assert_never(ring)
    return tuple(one.staff_id for one in practice.members if one.is_active and one.staff_id in wanted)


def _is_due(waiting: Waiting, people: People, number: int, now: datetime) -> bool:
    minutes = sum(step.after_minutes for step in people.ladder.steps[: number + 1])
    due = after_open_time(people.duty.hours, waiting.since, timedelta(minutes=minutes))
    return due is not None and due <= now


def _new(people: People, staff_ids: Iterable[str], rung: Collection[str]) -> tuple[str, ...]:
    practice = people.practice
    return tuple(
        one
        for one in dict.fromkeys(staff_ids)
        if one not in rung and one in practice.by_id and not practice.is_deactivated(one)
    )
