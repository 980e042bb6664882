"""Which location, and which provider, a message carries (rules L1 to L9). One rule for both (L8)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from router.domain.facts import UNKNOWN, Appointment, CarriedPlace, Directory, Place, PlaceId
from router.domain.policy import Policy

PlaceSource = Literal["appointment", "carried", "none"]
Dimension = Literal["location", "provider"]


class DecidedPlace(Struct, frozen=True):
    """The label, where it came from, and what is to be said about it (L7, L9)."""

    carried: CarriedPlace | None
    source: PlaceSource
    rules: tuple[str, ...]
    is_stale: bool = False
    is_retired: bool = False

    @property
    def bucket(self) -> PlaceId:
        """What subscriptions are matched with: a retired place and none at all are `unknown` (L2, L7)."""
        return UNKNOWN if self.carried is None or self.is_retired else self.carried.id


def next_appointment(appointments: Iterable[Appointment], now: datetime) -> Appointment | None:
    """The earliest appointment that has not started (L1); of two at the same instant the lowest PM id (L6)."""
    upcoming = [appointment for appointment in appointments if appointment.start > now]
    return min(upcoming, key=lambda appointment: (appointment.start, appointment.appointment_id), default=None)


def decide_place(  # noqa: PLR0913 - these are the facts of the rule
    dimension: Dimension,
    carried: CarriedPlace | None,
    appointment: Appointment | None,
    directory: Directory,
    policy: Policy,
    now: datetime,
) -> DecidedPlace:
    """The location or provider of a message that is not late."""
    is_on = policy.location_routing if dimension == "location" else policy.provider_routing
    if not is_on:
        return DecidedPlace(None, "none", ("L4",) if dimension == "location" else ())
    as_provider = ("L8",) if dimension == "provider" else ()
    known = directory.locations if dimension == "location" else directory.providers
    place_id = None if appointment is None else getattr(appointment, f"{dimension}_id")
    if appointment is not None and place_id is not None:
        label = CarriedPlace(place_id, appointment.appointment_id, newest(appointment.as_of, directory.as_of))
        return _judged(label, "appointment", (*as_provider, "L1"), known, policy, now)
    if carried is None:
        return DecidedPlace(None, "none", (*as_provider, "L2"))
    return _judged(carried, "carried", (*as_provider, "L2"), known, policy, now)


def newest(as_of: datetime, directory_as_of: datetime | None) -> datetime:
    """A successful sync vouches for every appointment, the unchanged ones too."""
    return as_of if directory_as_of is None else max(as_of, directory_as_of)


def compared(label: CarriedPlace | None, appointment_id: str, place_now: PlaceId | None) -> CarriedPlace | None:
    """The label as it is (L3), saying whether the appointment that it came from is elsewhere now, or nowhere."""
    if label is None or label.appointment_id != appointment_id:
        return label
    return replace(label, is_outdated=label.id != place_now)


def _judged(  # noqa: PLR0913 - as above
    label: CarriedPlace,
    source: PlaceSource,
    rules: tuple[str, ...],
    known: Mapping[PlaceId, Place],
    policy: Policy,
    now: datetime,
) -> DecidedPlace:
    place = known.get(label.id)
    is_retired = place is not None and place.is_retired
    is_stale = label.as_of is not None and now - label.as_of > policy.freshness_limit
    flags = (("L7",) if is_retired else ()) + (("L9",) if is_stale else ())
    return DecidedPlace(label, source, rules + flags, is_stale, is_retired)
