"""A message that nobody wrote: who would be told, and why."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json

from router.compiling import compile_policy
from router.domain.facts import Appointment, Facts, Message, PlaceId, ReasonId
from router.domain.route import route
from router.domain.sentences import Language
from router.explaining import explanation
from router.presenting import decided, decision_record
from router.storage.facts import known_of
from router.storage.settings import current_settings
from shared_database import practice_scope
from shared_schemas.patient_messages import MessageReceivedV1, ReceivedAt
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.values import Channel, Id

if TYPE_CHECKING:
    from shared_database.pools import Pool

_NOBODY = "simulated"


class Simulation(BaseModel):
    """A message to try. With `patient_id`, that patient's conversation and appointments are what it meets; without, it is
    a new patient's, whose next appointment is at `location_id` with `provider_id`, where they are given.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    channel: Channel
    requested_reason_id: Id | None = None
    extension: Id | None = None
    patient_id: Id | None = None
    location_id: Id | None = None
    provider_id: Id | None = None
    received_at: ReceivedAt | None = None
    """Null: now."""
    settings: RoutingSettingsPublishedV1 | None = None
    """A draft to try instead of the current settings."""
    language: Language = "en"
    """Of the explanation."""


async def simulate(pool: "Pool", practice_id: str, wanted: Simulation, now: datetime) -> dict[str, Any]:
    """The decision, in the form of its record without the inputs, and its explanation."""
    at = wanted.received_at or now
    current = wanted.settings or await current_settings(pool, practice_id)
    settings = current or RoutingSettingsPublishedV1(practice_id=practice_id)
    policy = compile_policy(settings)
    event = MessageReceivedV1(
        message_id=_NOBODY,
        practice_id=practice_id,
        patient_id=wanted.patient_id or _NOBODY,
        channel=wanted.channel,
        provider_message_id=_NOBODY,
        received_at=at,
        body="",
        requested_reason_id=wanted.requested_reason_id,
        extension=wanted.extension,
        identity="verified" if wanted.patient_id else "unknown",
    )
    requested = ReasonId(wanted.requested_reason_id) if wanted.requested_reason_id else None
    message = Message(_NOBODY, wanted.channel, at, requested, wanted.extension)
    facts = await _facts(pool, practice_id, wanted, at, settings.version)
    result = decided(event, route(message, facts, policy), facts, policy, now)
    record: dict[str, Any] = from_json(decision_record(event, facts, result))
    return {**record["result"], "explanation": explanation(record, settings, wanted.language)}


async def _facts(pool: "Pool", practice_id: str, wanted: Simulation, at: datetime, version: int) -> Facts:
    key = (practice_id, wanted.patient_id or _NOBODY)
    async with practice_scope(pool, practice_id) as connection:
        known = await known_of(
            connection, [(*key, _NOBODY)], {practice_id: version}, since=at, handled="decision", handled_at=[at]
        )
    patient = known.patients[key]
    facts = Facts(patient.conversation, patient.appointments, known.practices[practice_id].directory)
    if wanted.location_id is None and wanted.provider_id is None:
        return facts
    location = PlaceId(wanted.location_id) if wanted.location_id else None
    provider = PlaceId(wanted.provider_id) if wanted.provider_id else None
    return replace(facts, appointments=(Appointment(_NOBODY, at + timedelta(days=1), location, provider, at),))
