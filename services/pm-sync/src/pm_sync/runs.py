"""One run: a snapshot comes in, what is new of it goes out."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import Counter, Gauge

from pm_sync.adapters.csv_file import BadFile, CsvFormat, Mistake, read_csv
from pm_sync.configuration import CsvConnection
from pm_sync.domain.diff import News, TooManyRemoved, diff_snapshot
from pm_sync.domain.snapshot import Appointment
from pm_sync.storage.connections import note_problem
from pm_sync.storage.known import known_of, save_news
from shared_messaging import FencedSource, Outgoing, Publisher
from shared_schemas import topics
from shared_schemas.practice_management import (
    AppointmentStatus,
    AppointmentSyncedV1,
    DirectorySyncedV1,
    Location,
    PatientSyncedV1,
    Provider,
)
from shared_schemas.values import Event

if TYPE_CHECKING:
    from shared_database.pools import Pool

SOURCE = "/switchboard/pm-sync"
GONE: AppointmentStatus = "entered-in-error"
"""What an appointment becomes that is no longer in the source."""

RUNS = Counter("switchboard_sync_runs", "Runs, by how they ended.", ["kind", "outcome"])
LAST_SUCCESS = Gauge("switchboard_sync_last_success_timestamp_seconds", "When the newest run succeeded.", ["kind"])

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did, or would do."""

    new_appointments: int
    changed_appointments: int
    removed_appointments: int
    patients: int


class Refused(Exception):  # noqa: N818 - a decision
    """A file was not taken; nothing has changed."""

    def __init__(self, problem: str, mistakes: list[Mistake]) -> None:
        super().__init__(problem)
        self.problem = problem
        self.mistakes = mistakes


class Runs:
    """Takes in snapshots, one at a time for each connection."""

    def __init__(self, pool: "Pool", publisher: Publisher, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._publisher = publisher
        self._clock = clock
        self._turns: dict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def take_csv(
        self,
        practice_id: str,
        connection_id: str,
        configuration: CsvConnection,
        content: bytes,
        *,
        dry_run: bool = False,
    ) -> Report:
        """Take in a file as the newest truth, whole or not at all. A dry run only says what would come of it.

        Raises `Refused`, and what the database or Kafka raises; then the same file can be given again.
        """
        async with self._turns[practice_id, connection_id]:
            try:
                report = await self._take(practice_id, connection_id, configuration, content, dry_run=dry_run)
            except Refused as refused:
                RUNS.labels("csv", "refused").inc()
                if not dry_run:
                    await note_problem(self._pool, practice_id, connection_id, refused.problem, self._clock())
                raise
        RUNS.labels("csv", "previewed" if dry_run else "succeeded").inc()
        return report

    async def _take(
        self, practice_id: str, connection_id: str, configuration: CsvConnection, content: bytes, *, dry_run: bool
    ) -> Report:
        at = self._clock()
        form = CsvFormat(ZoneInfo(configuration.time_zone), configuration.country, configuration.columns)
        try:
            snapshot = await asyncio.to_thread(read_csv, content, form)
        except BadFile as error:
            problem = "the file has mistakes"
            raise Refused(problem, error.mistakes) from None
        source = FencedSource(
            f"sync:{practice_id}:{connection_id}", practice_id, pool=self._pool, publisher=self._publisher
        )
        if not dry_run:
            await source.acquire()
        known = await known_of(self._pool, practice_id, connection_id)
        news = diff_snapshot(known, snapshot, at, most_removed=configuration.most_removed)
        if isinstance(news, TooManyRemoved):
            problem = f"the file would remove {news.removed} of {news.upcoming} upcoming appointments: is it cut off?"
            raise Refused(problem, [])
        if not dry_run:
            events = [
                Outgoing.of(topic, event, source=SOURCE, time=at)
                for topic, event in _events(practice_id, connection_id, news, at)
            ]
            await save_news(source, practice_id, connection_id, news, events, at)
            LAST_SUCCESS.labels("csv").set(at.timestamp())
            log.info("synced", practice_id=practice_id, connection_id=connection_id, records=len(events))
        return _report(news)


def _events(practice_id: str, connection_id: str, news: News, at: datetime) -> Iterator[tuple[str, Event]]:
    """The directory comes first: it names the places, and says that everything unchanged is as of now (rule L9)."""
    yield (
        topics.PRACTICE_DIRECTORY.name,
        DirectorySyncedV1(
            practice_id=practice_id,
            locations=tuple(Location(id=id_, name=name, retired=gone) for id_, (name, gone) in news.locations.items()),
            providers=tuple(Provider(id=id_, name=name, retired=gone) for id_, (name, gone) in news.providers.items()),
            as_of=at,
        ),
    )
    for patient in news.patients:
        yield (
            topics.PATIENTS.name,
            PatientSyncedV1(
                practice_id=practice_id,
                patient_id=patient.patient_id,
                given_name=patient.given_name,
                family_name=patient.family_name,
                birth_date=patient.birth_date,
                phones=patient.phones,
                as_of=at,
            ),
        )
    for appointment in (*news.new_appointments, *news.changed_appointments):
        yield topics.APPOINTMENTS.name, _synced(practice_id, connection_id, appointment, appointment.status, at)
    for appointment in news.removed_appointments:
        yield topics.APPOINTMENTS.name, _synced(practice_id, connection_id, appointment, GONE, at)


def _synced(
    practice_id: str, connection_id: str, appointment: Appointment, status: AppointmentStatus, at: datetime
) -> AppointmentSyncedV1:
    return AppointmentSyncedV1(
        practice_id=practice_id,
        patient_id=appointment.patient_id,
        appointment_id=appointment.appointment_id,
        status=status,
        start=appointment.start,
        end=appointment.end,
        location_id=appointment.location_id,
        provider_id=appointment.provider_id,
        source=connection_id,
        as_of=at,
    )


def _report(news: News) -> Report:
    return Report(
        len(news.new_appointments), len(news.changed_appointments), len(news.removed_appointments), len(news.patients)
    )
