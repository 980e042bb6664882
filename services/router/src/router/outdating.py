"""Notices that the appointment which a waiting conversation's labels came from is not as it was."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from router.domain.facts import CarriedPlace, PlaceId
from router.domain.place import compared
from router.storage.facts import ROUTABLE, AppointmentKey
from shared_schemas import ids
from shared_schemas.conversation_changes import Actor, AppointmentChangedV1
from shared_schemas.practice_management import AppointmentSyncedV1

Labels = tuple[CarriedPlace | None, CarriedPlace | None]
"""Location and provider."""


def appointment_changes(
    newest: Iterable[AppointmentSyncedV1], labels: Mapping[AppointmentKey, Labels], now: datetime
) -> Iterator[AppointmentChangedV1]:
    """What is to be said of conversations by their labels: nothing where all is as it was.

    `newest` has each appointment once.
    """
    for event in newest:
        location, provider = labels.get((event.practice_id, event.patient_id, event.appointment_id), (None, None))
        change = _change(event, now)
        location_now = compared(location, event.appointment_id, _place(change.location_id))
        provider_now = compared(provider, event.appointment_id, _place(change.provider_id))
        if (location_now, provider_now) != (location, provider):
            yield change


def _change(event: AppointmentSyncedV1, now: datetime) -> AppointmentChangedV1:
    takes_place = event.status in ROUTABLE
    return AppointmentChangedV1(
        practice_id=event.practice_id,
        patient_id=event.patient_id,
        conversation_id=ids.conversation_id(event.practice_id, event.patient_id),
        change_id=ids.content_id("appointment changed", event.ce_id),
        actor=Actor(kind="system"),
        occurred_at=now,
        appointment_id=event.appointment_id,
        location_id=event.location_id if takes_place else None,
        provider_id=event.provider_id if takes_place else None,
    )


def _place(id_: str | None) -> PlaceId | None:
    return PlaceId(id_) if id_ else None
