"""From what is news to the events that say it."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from pm_sync.domain.diff import News, Places
from pm_sync.domain.snapshot import Appointment
from pm_sync.storage.keyed import Key
from pm_sync.storage.known import Directory
from shared_messaging import Outgoing
from shared_schemas import topics
from shared_schemas.practice_management import (
    AppointmentSyncedV1,
    DirectorySyncedV1,
    Location,
    PatientSyncedV1,
    Provider,
)
from shared_schemas.values import Event

SOURCE = "/switchboard/pm-sync"


def outgoing(key: Key, news: News, directory: DirectorySyncedV1 | None, at: datetime) -> list[Outgoing]:
    """The events of some news, in the order in which they must be read. `at` is the time of the events."""
    return [Outgoing.of(topic, event, source=SOURCE, time=at) for topic, event in _events(key, news, directory)]


def directory_event(practice_id: str, connections: Mapping[str, Directory], as_of: datetime) -> DirectorySyncedV1:
    """The places of all connections of a practice, and the moment for which all of them vouch (rule L9).

    A connection that has never succeeded vouches for nothing yet, and does not hold back the others.
    """
    vouched = [one.last_success_at for one in connections.values() if one.last_success_at is not None]
    locations = _united([one.locations for one in connections.values()])
    providers = _united([one.providers for one in connections.values()])
    return DirectorySyncedV1(
        practice_id=practice_id,
        locations=tuple(Location(id=id_, name=name, retired=gone) for id_, (name, gone) in locations.items()),
        providers=tuple(Provider(id=id_, name=name, retired=gone) for id_, (name, gone) in providers.items()),
        as_of=min(vouched, default=as_of),
    )


def _united(all_places: list[Places]) -> Places:
    """A place that one connection still has is not retired."""
    united: dict[str, tuple[str, bool]] = {}
    for places in all_places:
        for id_, (name, is_retired) in places.items():
            if id_ not in united or united[id_][1]:
                united[id_] = (name, is_retired)
    return united


def _events(key: Key, news: News, directory: DirectorySyncedV1 | None) -> Iterator[tuple[str, Event]]:
    """The directory comes first: it names the places. What is gone comes before what took its place."""
    if directory is not None:
        yield topics.PRACTICE_DIRECTORY.name, directory
    for patient in news.patients:
        yield (
            topics.PATIENTS.name,
            PatientSyncedV1(
                practice_id=key.practice_id,
                patient_id=patient.patient_id,
                given_name=patient.given_name,
                family_name=patient.family_name,
                birth_date=patient.birth_date,
                phones=patient.phones,
                active=patient.is_active,
                merged_into=patient.merged_into,
                as_of=patient.as_of,
            ),
        )
    for appointment in (*news.removed_appointments, *news.new_appointments, *news.changed_appointments):
        yield topics.APPOINTMENTS.name, _synced(key, appointment)


def _synced(key: Key, appointment: Appointment) -> AppointmentSyncedV1:
    if appointment.start is None:
        raise AssertionError  # what has no start is no news
    return AppointmentSyncedV1(
        practice_id=key.practice_id,
        patient_id=appointment.patient_id,
        appointment_id=appointment.appointment_id,
        status=appointment.status,
        start=appointment.start,
        end=appointment.end,
        location_id=appointment.location_id,
        provider_id=appointment.provider_id,
        source=key.connection_id,
        as_of=appointment.as_of,
    )
