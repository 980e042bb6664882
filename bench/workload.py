"""The made-up load that every benchmark shares: 200 practices, 100,000 patients, what they write, what is known of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import asyncpg

from shared_messaging import Outgoing
from shared_schemas import ids, topics
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1

if TYPE_CHECKING:
    from shared_schemas.values import Channel

REASONS = tuple(f"reason-{number}" for number in range(6))
LOCATIONS = tuple(f"location-{number}" for number in range(4))
MEMBERS = 12
SUBSCRIPTIONS_PER_MEMBER = 3
BODY = "A made-up question of a patient, about as long as such texts are: may I come a little later on Thursday?"
BETWEEN_MESSAGES = timedelta(milliseconds=20)
_STRIDE = 7_919
"""A prime that divides no number of patients."""


@dataclass(frozen=True, slots=True)
class Workload:
    """So many practices and patients. The same arguments always make the same load."""

    practices: int = 200
    patients: int = 100_000
    seed: int = 6
    is_even: bool = False
    """Let everybody write equally often, in an order without a pattern, rather than draw who writes."""
    body: str = BODY
    """What every message says."""

    def practice_of(self, patient: int) -> str:
        """Patients are dealt out to practices in turn."""
        return f"practice-{patient % self.practices:05d}"

    def messages(self, count: int, *, first: int = 0, begin: datetime | None = None) -> Iterator[MessageReceivedV1]:
        """What patients write, 50 a second from `begin` (two hours ago) on: six of ten on the web, a third of them
        by picking a reason, the rest texts and voicemails.
        """
        random = Random(self.seed + first)  # noqa: S311 - a load, not a secret
        begin = begin or datetime.now(UTC) - timedelta(hours=2)
        for number in range(first, first + count):
            patient = number * _STRIDE % self.patients if self.is_even else random.randrange(self.patients)
            practice_id = self.practice_of(patient)
            channel: Channel = random.choice(
                ("web", "web", "web", "web", "web", "web", "sms", "sms", "sms", "voicemail")
            )
            provider_message_id = f"bench-{self.seed}-{number}"
            yield MessageReceivedV1(
                message_id=ids.message_id(channel, practice_id, provider_message_id),
                practice_id=practice_id,
                patient_id=f"patient-{patient:07d}",
                channel=channel,
                provider_message_id=provider_message_id,
                received_at=begin + number * BETWEEN_MESSAGES,
                body=self.body,
                requested_reason_id=random.choice(REASONS) if channel == "web" and random.random() < 1 / 3 else None,
                identity="matched",
            )

    def settings(self, practice: int) -> RoutingSettingsPublishedV1:
        """Twelve members with three subscriptions each; both routings on."""
        return RoutingSettingsPublishedV1.model_validate(
            {
                "practice_id": f"practice-{practice:05d}",
                "version": 1,
                "reason_routing": True,
                "location_routing": True,
                "reasons": [{"id": reason, "label": {"en": reason.title()}} for reason in REASONS],
                "members": [_member(number) for number in range(MEMBERS)],
            }
        )

    def appointments(self, now: datetime) -> Iterable[tuple[object, ...]]:
        """One to come for each patient, as rows of the router's table."""
        for patient in range(self.patients):
            start = now + timedelta(hours=3 + patient % 400)
            location = LOCATIONS[patient % len(LOCATIONS)]
            yield (
                self.practice_of(patient), f"patient-{patient:07d}", f"appointment-{patient}", "booked", start, location,
                f"provider-{patient % 10}", now,
            )  # fmt: skip


def _member(number: int) -> dict[str, object]:
    subscriptions = [
        {
            "id": f"subscription-{number}-{which}",
            "reasons": [REASONS[(number + which) % len(REASONS)]] if which else ["other"],
            "locations": [LOCATIONS[(number + which) % len(LOCATIONS)], *(["unknown"] if number < which + 1 else [])],
        }
        for which in range(SUBSCRIPTIONS_PER_MEMBER)
    ]
    name, sees_unassigned = "Mia Madeup", number == 0
    return {"staff_id": f"staff-{number}", "name": name, "unassigned": sees_unassigned, "subscriptions": subscriptions}


def as_records(messages: Iterable[MessageReceivedV1]) -> list[Outgoing]:
    """The messages as ingest publishes them."""
    return [
        Outgoing.of(topics.PATIENT_MESSAGES.name, one, source="/switchboard/ingest", time=one.received_at)
        for one in messages
    ]


async def seed_router(dsn: str, workload: Workload) -> None:
    """Settings for every practice, appointments for every patient. `dsn` is the owner's: it may write past the fence."""
    now = datetime.now(UTC)
    settings = (
        (one.practice_id, one.version, one.model_dump_json(), now, "bench", True)
        for one in map(workload.settings, range(workload.practices))
    )
    owner = await asyncpg.connect(dsn)
    try:
        await owner.execute("SET search_path TO router")
        await owner.execute("TRUNCATE routing_settings, appointment, conversation")
        columns = ("practice_id", "version", "body", "saved_at", "saved_by", "is_current")
        await owner.copy_records_to_table("routing_settings", records=settings, columns=columns)
        await owner.copy_records_to_table("appointment", records=workload.appointments(now))
        await owner.execute("VACUUM ANALYZE routing_settings, appointment")
    finally:
        await owner.close()


async def seed_conversations(dsn: str, workload: Workload) -> None:
    """An open conversation for every patient, begun an hour and a half before the first message. As `seed_router`."""
    last = datetime.now(UTC) - timedelta(hours=3, minutes=30)
    records = (
        (workload.practice_of(patient), f"patient-{patient:07d}", True, "unassigned", REASONS[patient % 6], last, 1)
        for patient in range(workload.patients)
    )
    owner = await asyncpg.connect(dsn)
    try:
        await owner.execute("SET search_path TO router")
        columns = (
            "practice_id", "patient_id", "is_open", "destination_kind", "reason_id", "last_message_at", "version",
        )  # fmt: skip
        await owner.copy_records_to_table("conversation", records=records, columns=columns)
        await owner.execute("VACUUM ANALYZE conversation")
    finally:
        await owner.close()
