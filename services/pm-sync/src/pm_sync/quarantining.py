"""Items in quarantine, tried again or given up."""

from datetime import datetime
from typing import assert_never
from zoneinfo import ZoneInfo

from pydantic_core import from_json

from pm_sync.adapters.fhir.reading import page_of
from pm_sync.adapters.fhir.resources import FhirForm
from pm_sync.adapters.fhir.vendors import vendor
from pm_sync.adapters.hl7.message import Message, NoMessage
from pm_sync.adapters.hl7.scheduling import Hl7Form, NotScheduling
from pm_sync.adapters.hl7.scheduling import page_of as siu_page
from pm_sync.configuration import Connection, CsvConnection, FhirConnection, Hl7Connection
from pm_sync.domain.snapshot import Page
from pm_sync.storage.keyed import Key
from pm_sync.storage.quarantine import KeptItem
from shared_database.sealing import Sealer, Unopenable


class StillUnreadable(Exception):  # noqa: N818 - a state that was found
    """The item stays where it is."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def read_again(key: Key, connection: Connection, item: KeptItem, sealer: Sealer | None) -> Page:
    """What a quarantined item says, read as the connection is set up now. Raises `StillUnreadable`."""
    if item.sealed is None or sealer is None:
        raise StillUnreadable("its content was not kept")
    try:
        raw = sealer.open(item.sealed, key.practice_id, key.connection_id, item.item_id)
    except Unopenable:
        raise StillUnreadable("its content was encrypted with another key") from None
    page = _page(connection, raw, item.last_at)
    if page.unreadable:
        raise StillUnreadable(page.unreadable[0].reason)
    return page


def _page(connection: Connection, raw: bytes, said_at: datetime) -> Page:
    zone = ZoneInfo(connection.time_zone)
    match connection:
        case FhirConnection():
            return page_of(from_json(raw), FhirForm(vendor(connection.vendor), zone, connection.country, said_at))
        case Hl7Connection():
            form = Hl7Form(zone, connection.country, connection.location_component, said_at)
            try:
                return siu_page(Message.of(raw.strip()), raw, form)
            except (NoMessage, NotScheduling):
                raise StillUnreadable("it is no scheduling message") from None
        case CsvConnection():
            raise StillUnreadable("files have no quarantine")
        case _:
            assert_never(connection)
