"""What one connection says, on its way into the topics: the one path for FHIR, HL7 and files."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from prometheus_client import Counter as Metric

from pm_sync.announcing import directory_event, outgoing
from pm_sync.domain.diff import News, TooManyRemoved, diff, judge_removals, learned, removed, retired
from pm_sync.domain.snapshot import Appointment, Page, Unreadable, Window
from pm_sync.storage.keyed import Key
from pm_sync.storage.known import Directory, count_upcoming, directories, known_of, missing, save_news
from pm_sync.storage.quarantine import count_quarantined, keep, release
from shared_database.sealing import Sealer
from shared_messaging import FencedSource, Sources
from shared_schemas.ids import content_id

if TYPE_CHECKING:
    from shared_database.pools import Pool

VOUCH_EVERY = timedelta(minutes=10)
"""How often the directory says, when nothing else does, that everything is as of now."""
LARGEST_RAW = 65_536

ITEMS = Metric("switchboard_pm_items", "Items of practice-management systems, by what became of them.", ["outcome"])


@dataclass(frozen=True, slots=True)
class Parts:
    """What every feed works with. Without a sealer quarantine keeps no content."""

    pool: "Pool"
    sources: Sources
    clock: Callable[[], datetime]
    sealer: Sealer | None


@dataclass(slots=True)
class Tally:
    """What a run did, or would do."""

    new_appointments: int = 0
    changed_appointments: int = 0
    removed_appointments: int = 0
    unchanged_appointments: int = 0
    patients: int = 0
    quarantined: int = 0
    places: Counter[str] = field(default_factory=Counter[str])

    def add(self, page: Page, news: News) -> None:
        """Count a page."""
        self.new_appointments += len(news.new_appointments)
        self.changed_appointments += len(news.changed_appointments)
        self.removed_appointments += len(news.removed_appointments)
        self.unchanged_appointments += len(news.confirmed_appointments)
        self.patients += len(news.patients)
        self.quarantined += len(page.unreadable)
        self.places.update(one.location_id or "" for one in news.new_appointments)

    @property
    def is_news(self) -> bool:
        """Whether anything was said, or could not be taken."""
        return any(
            (
                self.new_appointments,
                self.changed_appointments,
                self.removed_appointments,
                self.patients,
                self.quarantined,
            )
        )

    def as_counts(self) -> dict[str, int]:
        """For the list of runs."""
        return {
            "new": self.new_appointments,
            "changed": self.changed_appointments,
            "removed": self.removed_appointments,
            "unchanged": self.unchanged_appointments,
            "patients": self.patients,
            "quarantined": self.quarantined,
        }


class Feed:
    """Takes in pages of one connection and publishes what is news. `open` it first; not for two tasks at once.

    With `dry_run` it only counts what would come of it.
    """

    def __init__(self, parts: Parts, key: Key, *, dry_run: bool = False) -> None:
        self.tally = Tally()
        self.as_of = parts.clock()
        """The moment whose truth is being taken in."""
        self._parts = parts
        self._key = key
        self._dry_run = dry_run
        self._source = FencedSource(f"sync:{key.practice_id}:{key.connection_id}", key.practice_id, parts.sources)
        self._directories: dict[str, Directory] = {}
        self._seen: tuple[set[str], set[str]] = (set(), set())
        self._has_quarantine = False

    async def open(self) -> None:
        """Become the connection's only writer. Raises `PublishFailed` while Kafka does not take what was left over."""
        if not self._dry_run:
            await self._source.acquire()
        self._directories = await directories(self._parts.pool, self._key.practice_id)
        self._directories.setdefault(self._key.connection_id, Directory({}, {}, None, None))
        self._has_quarantine = await count_quarantined(self._parts.pool, self._key) > 0

    async def take(self, page: Page) -> None:
        """Publish what of a page is news; return once Kafka has it. What cannot be read goes to quarantine.

        Raises `Fenced` when another process took over, `Conflict` when the connection was deleted meanwhile.
        """
        async with self._parts.sources.seeing([self._key.practice_id]) as connection:
            known = await known_of(connection, self._key, page)
        news = diff(known, page, self._parts.clock())
        self.tally.add(page, news)
        self._seen[0].update(page.locations)
        self._seen[1].update(page.providers)
        if self._dry_run:
            return
        await self._set_aside(page)
        mine = self._mine
        after = replace(
            mine,
            locations=learned(mine.locations, page.locations),
            providers=learned(mine.providers, page.providers),
        )
        await self._say(news, after)

    async def missing(self, window: Window, seen: Collection[str] = ()) -> list[Appointment]:
        """The appointments of a window that the source has not said as of now, `seen` ones apart."""
        return await missing(self._parts.pool, self._key, window, self.as_of, list(seen))

    async def judge(self, gone: Sequence[Appointment], most_removed: float) -> TooManyRemoved | None:
        """Whether to believe that these are gone."""
        upcoming = await count_upcoming(self._parts.pool, self._key, self._parts.clock())
        return judge_removals(gone, upcoming, most_removed)

    async def remove(self, gone: Sequence[Appointment]) -> None:
        """Say that these are gone."""
        if gone:
            await self.take(removed(gone, self.as_of))

    async def vouch(self, *, complete: bool) -> None:
        """Everything that was said is the whole truth of `as_of`; after a complete reading, of all places too.

        It is said at once when a place is retired, and else every `VOUCH_EVERY`.
        """
        if self._dry_run:
            return
        after = replace(self._mine, last_success_at=max(self.as_of, self._mine.last_success_at or self.as_of))
        if complete:
            locations, providers = self._seen
            after = replace(
                after, locations=retired(after.locations, locations), providers=retired(after.providers, providers)
            )
        await self._say(News(), after)

    @property
    def _mine(self) -> Directory:
        return self._directories[self._key.connection_id]

    async def _say(self, news: News, after: Directory) -> None:
        before, now = self._mine, self._parts.clock()
        self._directories[self._key.connection_id] = after
        directory = directory_event(self._key.practice_id, self._directories, self.as_of)
        is_other = (before.locations, before.providers) != (after.locations, after.providers)
        is_due = before.vouched_at is None or directory.as_of - before.vouched_at >= VOUCH_EVERY
        says_directory = is_other or (is_due and after.last_success_at is not None)
        events = outgoing(self._key, news, directory if says_directory else None, now)
        if not events and not news.confirmed_appointments and not news.confirmed_patients:
            return
        vouched_at = directory.as_of if says_directory else None
        await save_news(self._source, self._key, news, after.locations, after.providers, events, vouched_at=vouched_at)
        if vouched_at is not None:
            self._directories[self._key.connection_id] = replace(after, vouched_at=vouched_at)
        ITEMS.labels("published").inc(len(events))

    async def _set_aside(self, page: Page) -> None:
        if page.unreadable:
            await keep(self._parts.pool, self._key, [self._sealed(one) for one in page.unreadable], self._parts.clock())
            ITEMS.labels("quarantined").inc(len(page.unreadable))
            self._has_quarantine = True
        if self._has_quarantine:
            taken = [f"Appointment/{one.appointment_id}" for one in page.appointments]
            taken += [f"Patient/{one.patient_id}" for one in page.patients]
            await release(self._parts.pool, self._key, [item_id(self._key, one) for one in taken])

    def _sealed(self, one: Unreadable) -> tuple[str, str, bytes | None]:
        id_ = item_id(self._key, one.source_id)
        sealer = self._parts.sealer
        if sealer is None or len(one.raw) > LARGEST_RAW:
            return id_, one.reason, None
        return id_, one.reason, sealer.seal(one.raw, self._key.practice_id, self._key.connection_id, id_)


def item_id(key: Key, source_id: str) -> str:
    """The id of an item in quarantine: the same item has the same."""
    return content_id("quarantined", key.connection_id, source_id)
