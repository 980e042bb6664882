"""Duty times of a practice and its people, and who was on duty when that was last told."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ConfigDict, TypeAdapter

from notifier.domain.duty import Duty, DutyTimes, PracticeHours
from notifier.domain.escalation import Ladder
from shared_database import columns, practice_scope, set_practices

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool, Row


ARRANGED = """
SELECT hours, ladder, since, (
    SELECT jsonb_object_agg(staff_id, times) FROM duty_times WHERE duty_times.practice_id = practice_duty.practice_id
) AS people
FROM practice_duty WHERE practice_id = asked.practice LIMIT 1"""
"""What an `Arrangement` is made of, for a lateral join to each `practice` that is `asked`."""

_PEOPLE = TypeAdapter(dict[str, DutyTimes], config=ConfigDict(hide_input_in_errors=True))


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What a practice has arranged. `since`: what patients wrote before is not escalated."""

    duty: Duty
    ladder: Ladder
    since: datetime


@dataclass(frozen=True, slots=True)
class State:
    """Who is on duty, as staff streams were told."""

    on_duty: tuple[str, ...]
    as_of: datetime


async def claim_turns(connection: "Connection", now: datetime, limit: int) -> list[str]:
    """The practices whose turn it is, and no other process's until this transaction ends; the connection sees them."""
    rows = await connection.fetch(
        "SELECT practice_id FROM duty_turn WHERE turn_at <= $1 ORDER BY turn_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        now,
        limit,
    )
    practice_ids = [row["practice_id"] for row in rows]
    if practice_ids:
        await set_practices(connection, practice_ids)
    return practice_ids


async def next_turn(connection: "Connection", practice_ids: Collection[str], at: datetime) -> None:
    """When these practices are looked at again."""
    await connection.execute(
        "UPDATE duty_turn SET turn_at = $2 WHERE practice_id = ANY ($1::text[])", list(practice_ids), at
    )


async def keep_output(connection: "Connection", events: Mapping[str, bytes]) -> None:
    """Keep what is to be sent about each practice, with what it is about."""
    await connection.executemany(
        "INSERT INTO duty_output (practice_id, events) VALUES ($1, $2)", sorted(events.items())
    )


async def unsent_output(pool: "Pool", practice_ids: Collection[str]) -> list[tuple[int, bytes]]:
    """What was kept to be sent about these practices, in order."""
    async with practice_scope(pool, *practice_ids) as connection:
        rows = await connection.fetch(
            "SELECT id, events FROM duty_output WHERE practice_id = ANY ($1::text[]) ORDER BY id", list(practice_ids)
        )
    return [(row["id"], row["events"]) for row in rows]


async def drop_output(pool: "Pool", practice_ids: Collection[str], sent: Collection[int]) -> None:
    """Forget what was sent."""
    async with practice_scope(pool, *practice_ids) as connection:
        await connection.execute(
            "DELETE FROM duty_output WHERE practice_id = ANY ($1::text[]) AND id = ANY ($2::bigint[])",
            list(practice_ids),
            list(sent),
        )


async def arrangements_of(connection: "Connection", practice_ids: Collection[str]) -> dict[str, Arrangement]:
    """What these practices have arranged; those that have nothing are left out."""
    rows = await connection.fetch(
        "SELECT practice AS practice_id, arranged.* FROM unnest($1::text[]) AS asked (practice) "
        f"CROSS JOIN LATERAL ({ARRANGED}) AS arranged",
        list(practice_ids),
    )
    return {row["practice_id"]: arrangement_from(row) for row in rows}


def arrangement_from(row: "Row") -> Arrangement:
    """What the columns of `ARRANGED` say."""
    return Arrangement(
        Duty(PracticeHours.model_validate_json(row["hours"], extra="ignore"), _people(row["people"])),
        Ladder.model_validate_json(row["ladder"], extra="ignore"),
        row["since"],
    )


def _people(found: str | None) -> dict[str, DutyTimes]:
    return _PEOPLE.validate_json(found, extra="ignore") if found is not None else {}


def rung_now(arrangements: Mapping[str, Arrangement], now: datetime) -> Callable[[str, str], bool]:
    """Answers whether a person of a practice (practice id, staff id) is on duty at `now`."""

    def is_rung(practice_id: str, staff_id: str) -> bool:
        found = arrangements.get(practice_id)
        return found is None or found.duty.is_on_duty(staff_id, now)

    return is_rung


async def duty_of(connection: "Connection", practice_id: str) -> Duty | None:
    """A practice's duty times; None while it has none: then everybody is on duty."""
    found = (await arrangements_of(connection, [practice_id])).get(practice_id)
    return found.duty if found is not None else None


async def save_hours(pool: "Pool", practice_id: str, hours: PracticeHours, now: datetime) -> None:
    """Keep what holds for the practice as a whole."""
    async with practice_scope(pool, practice_id) as connection:
        await _arrange(connection, practice_id, now)
        await connection.execute(
            "UPDATE practice_duty SET hours = $2 WHERE practice_id = $1", practice_id, hours.model_dump_json()
        )


async def save_ladder(pool: "Pool", practice_id: str, ladder: Ladder, now: datetime) -> None:
    """Keep the practice's ladder. Its first steps are for what comes from now on."""
    async with practice_scope(pool, practice_id) as connection:
        await _arrange(connection, practice_id, now)
        await connection.execute(
            "UPDATE practice_duty SET ladder = $2, "
            "since = CASE WHEN coalesce(ladder -> 'steps', '[]') = '[]' THEN $3 ELSE since END WHERE practice_id = $1",
            practice_id,
            ladder.model_dump_json(),
            now,
        )


async def save_times(pool: "Pool", practice_id: str, staff_id: str, times: DutyTimes, now: datetime) -> None:
    """Keep one person's times. Raises ValueError when the substitutes would go round in a circle."""
    async with practice_scope(pool, practice_id) as connection:
        await _arrange(connection, practice_id, now)
        # The row of the practice is locked by now: two people cannot close a circle together.
        duty = await duty_of(connection, practice_id)
        if duty is not None:
            duty.with_times(staff_id, times)
        await connection.execute(
            "INSERT INTO duty_times VALUES ($1, $2, $3) "
            "ON CONFLICT (practice_id, staff_id) DO UPDATE SET times = excluded.times",
            practice_id,
            staff_id,
            times.model_dump_json(),
        )


async def _arrange(connection: "Connection", practice_id: str, now: datetime) -> None:
    """Lock the practice's arrangement, made if need be, and have the practice looked at at once."""
    await connection.execute(
        "INSERT INTO practice_duty (practice_id, since) VALUES ($1, $2) "
        "ON CONFLICT (practice_id) DO UPDATE SET since = practice_duty.since",
        practice_id,
        now,
    )
    await connection.execute(
        "INSERT INTO duty_turn VALUES ($1, $2) ON CONFLICT (practice_id) DO UPDATE SET turn_at = excluded.turn_at",
        practice_id,
        now,
    )


async def states_of(connection: "Connection", practice_ids: Collection[str]) -> dict[str, State]:
    """Who is on duty in these practices, as was last told; those that were never told of are left out."""
    rows = await connection.fetch("SELECT * FROM duty_state WHERE practice_id = ANY ($1::text[])", list(practice_ids))
    return {row["practice_id"]: State(tuple(row["on_duty"]), row["as_of"]) for row in rows}


async def save_states(connection: "Connection", states: dict[str, State]) -> None:
    """Keep who is on duty now."""
    await connection.executemany(
        "INSERT INTO duty_state VALUES ($1, $2, $3) "
        "ON CONFLICT (practice_id) DO UPDATE SET on_duty = excluded.on_duty, as_of = excluded.as_of",
        [(practice_id, list(one.on_duty), one.as_of) for practice_id, one in sorted(states.items())],
    )


async def note_auto_replies(
    connection: "Connection", asked: Collection[tuple[str, str]], now: datetime, not_since: datetime
) -> set[tuple[str, str]]:
    """Note that these (practice, patient) get an automatic reply now: those who have had none since `not_since`."""
    rows = await connection.fetch(
        "INSERT INTO auto_reply SELECT practice_id, patient_id, $3 FROM unnest($1::text[], $2::text[]) "
        "AS asked (practice_id, patient_id) ON CONFLICT (practice_id, patient_id) "
        "DO UPDATE SET sent_at = excluded.sent_at WHERE auto_reply.sent_at <= $4 RETURNING practice_id, patient_id",
        *columns(sorted(asked), 2),
        now,
        not_since,
    )
    return {(row["practice_id"], row["patient_id"]) for row in rows}
