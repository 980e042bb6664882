"""Reading a FHIR server: everything of a window, or what has changed, as pages in our form.

Servers leave out what they do not support and say nothing of it, so each answer is checked against the question.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar, cast

from pm_sync.adapters.fhir.client import FhirClient, NoSuchResource, Parameters, Resource
from pm_sync.adapters.fhir.resources import (
    FhirForm,
    appointment_of,
    last_updated,
    names_in,
    patient_of,
    place_of,
    referenced_patient,
)
from pm_sync.adapters.source_problem import SourceProblem
from pm_sync.domain.snapshot import Appointment, Page, Patient, Unreadable, Window

T = TypeVar("T")

OVERLAP = timedelta(minutes=2)
"""How far before the last poll the next one begins: servers stamp a change before others can see it."""
NEAR = timedelta(days=2)
"""What is read again at each poll where changes cannot be asked for."""
_IDS_AT_ONCE = 50


class Reader:
    """One reading of one server. What it has found out about the server is there once the pages are read."""

    def __init__(self, client: FhirClient, form: FhirForm, locations: Sequence[str] = ()) -> None:
        self.is_complete = True
        """Nothing that the server said speaks against having read everything."""
        self.ignored: set[str] = set()
        """Search parameters that the server took no notice of."""
        self.newest: datetime | None = None
        """The newest of the server's own time stamps."""
        self._client = client
        self._form = form
        self._locations = locations
        self._patients_read: set[str] = set()

    @property
    def lists_places(self) -> bool:
        """Whether everything includes every location and provider."""
        return self._form.vendor.directory

    async def everything(self, window: Window) -> AsyncGenerator[Page]:
        """The directory, the patients where they can be listed, and the appointments of a window."""
        await self._check_capabilities()
        if self._form.vendor.needs_locations and not self._locations:
            raise SourceProblem("this vendor's servers want to be asked by location: set locations")
        if self._form.vendor.directory:
            for kind in ("Location", "Practitioner"):
                async for places in self._places(kind):
                    yield places
        if self._form.vendor.patients == "all":
            async for page in self._patients(()):
                yield page
        async for page in self._appointments_of(window):
            yield page

    async def changes(self, since: datetime, window: Window) -> AsyncGenerator[Page]:
        """What has changed since then; where that cannot be asked, what is in the next days."""
        if not self._form.vendor.last_updated or "_lastUpdated" in self.ignored:
            async for page in self._appointments_of(Window(window.since, window.since + NEAR)):
                yield page
            return
        from_then = since - OVERLAP + self._client.skew
        changed = [("_lastUpdated", f"ge{_instant(from_then)}")]
        if self._form.vendor.patients == "all":
            async for page in self._patients(changed):
                yield page
        for narrowed in self._narrowings():
            async for page in self._appointments([*changed, *narrowed], updated_since=from_then):
                yield page

    async def again(self, appointment: Appointment) -> Page | None:
        """What the server says of one appointment that was missing; None when it is gone indeed."""
        try:
            resource = await self._client.read(f"Appointment/{appointment.appointment_id}")
        except NoSuchResource:
            return None
        read = appointment_of(resource, self._form)
        if isinstance(read, Appointment):
            return Page((read,))
        return Page(unreadable=(read,)) if read is not None else None

    async def _check_capabilities(self) -> None:
        """https://hl7.org/fhir/R4/capabilitystatement.html"""
        try:
            told = await self._client.read("metadata")
        except NoSuchResource:
            raise SourceProblem("there is no FHIR server at this base URL: it has no metadata") from None
        if told.get("resourceType") != "CapabilityStatement":
            raise SourceProblem("there is no FHIR server at this base URL: its metadata is no CapabilityStatement")
        version = str(told.get("fhirVersion", ""))
        if not version.startswith("4."):
            raise SourceProblem("the server does not speak FHIR R4")
        rest = cast("list[dict[str, Any]]", told.get("rest") or [{}])
        kinds = [str(one.get("type")) for side in rest for one in side.get("resource") or []]
        if kinds and "Appointment" not in kinds:
            raise SourceProblem("the server has no appointments: its CapabilityStatement does not name them")

    async def _places(self, kind: str) -> AsyncGenerator[Page]:
        async for bundle in self._client.search(kind, [("_count", str(self._form.vendor.page_size))]):
            self.is_complete &= bundle.is_whole
            named = dict(filter(None, map(place_of, bundle.matches)))
            yield Page(locations=named) if kind == "Location" else Page(providers=named)

    async def _patients(self, narrowed: Parameters) -> AsyncGenerator[Page]:
        count = ("_count", str(self._form.vendor.page_size))
        async for bundle in self._client.search("Patient", [*narrowed, count]):
            self.is_complete &= bundle.is_whole
            self._note_newest(bundle.matches)
            yield _page([], bundle.matches, self._form)

    async def _appointments_of(self, window: Window) -> AsyncGenerator[Page]:
        dates = [("date", f"ge{_instant(window.since)}")]
        if window.until is not None:
            dates.append(("date", f"lt{_instant(window.until)}"))
        for narrowed in self._narrowings():
            async for page in self._appointments([*dates, *narrowed], window=window):
                yield page

    def _narrowings(self) -> Iterator[list[tuple[str, str]]]:
        if not self._locations:
            yield []
        for location in self._locations:
            yield [("location", location)]

    async def _appointments(
        self, parameters: Parameters, *, window: Window | None = None, updated_since: datetime | None = None
    ) -> AsyncGenerator[Page]:
        wants_patients = self._form.vendor.patients == "referenced"
        extra = [("_count", str(self._form.vendor.page_size))]
        if wants_patients and self._form.vendor.include:
            extra.append(("_include", "Appointment:patient"))
        async for bundle in self._client.search("Appointment", [*parameters, *extra]):
            self.is_complete &= bundle.is_whole
            self._note_newest(bundle.matches)
            matches = [one for one in bundle.matches if updated_since is None or not _was_before(one, updated_since)]
            if len(matches) < len(bundle.matches):
                self.ignored.add("_lastUpdated")
            patients = [one for one in bundle.included if one.get("resourceType") == "Patient"]
            if wants_patients:
                patients += await self._patients_of(matches, patients)
            yield self._within(_page(matches, patients, self._form), window)

    def _within(self, page: Page, window: Window | None) -> Page:
        """Without what was not asked for: servers that ignore a parameter answer with more."""
        asked = [one for one in page.appointments if window is None or _is_in(one, window)]
        if len(asked) < len(page.appointments):
            self.ignored.add("date")
        if self._locations:
            there = [one for one in asked if one.location_id is None or one.location_id in self._locations]
            if len(there) < len(asked):
                self.ignored.add("location")
            asked = there
        return Page(tuple(asked), page.patients, page.locations, page.providers, page.unreadable)

    async def _patients_of(self, appointments: Iterable[Resource], included: Sequence[Resource]) -> list[Resource]:
        """The patients of these appointments that did not come with them and were not read before."""
        wanted = {id_ for one in appointments if (id_ := referenced_patient(one)) is not None}
        self._patients_read |= {str(one.get("id")) for one in included}
        lacking = sorted(wanted - self._patients_read)
        self._patients_read |= wanted
        if lacking and self._form.vendor.include:
            self.ignored.add("_include")
        found: list[Resource] = []
        for ids in _in_parts(lacking, _IDS_AT_ONCE):
            asked = set(ids)
            async for bundle in self._client.search("Patient", [("_id", ",".join(ids))]):
                found += [one for one in bundle.matches if one.get("id") in asked]
            for id_ in sorted(asked - {str(one.get("id")) for one in found}):
                try:
                    found.append(await self._client.read(f"Patient/{id_}"))
                except NoSuchResource:
                    continue
        return found

    def _note_newest(self, resources: Iterable[Resource]) -> None:
        for at in filter(None, map(last_updated, resources)):
            self.newest = at if self.newest is None else max(at, self.newest)


def page_of(resource: Resource, form: FhirForm) -> Page:
    """A single appointment or patient."""
    return _page([], [resource], form) if resource.get("resourceType") == "Patient" else _page([resource], [], form)


def _page(appointments: Sequence[Resource], patients: Sequence[Resource], form: FhirForm) -> Page:
    read = [appointment_of(one, form) for one in appointments]
    people = [patient_of(one, form) for one in patients]
    locations: dict[str, str] = {}
    providers: dict[str, str] = {}
    for one in appointments:
        named = names_in(one)
        locations |= named[0]
        providers |= named[1]
    return Page(
        tuple(one for one in read if isinstance(one, Appointment)),
        tuple(one for one in people if isinstance(one, Patient)),
        locations,
        providers,
        tuple(one for one in (*people, *read) if isinstance(one, Unreadable)),
    )


def _is_in(appointment: Appointment, window: Window) -> bool:
    start = appointment.start
    return start is None or (window.since <= start and (window.until is None or start < window.until))


def _was_before(resource: Resource, since: datetime) -> bool:
    """By more than a second: some servers round."""
    at = last_updated(resource)
    return at is not None and at < since - timedelta(seconds=1)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _in_parts(values: Sequence[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while part := list(islice(iterator, size)):
        yield part
