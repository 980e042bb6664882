"""For every reason and location: how many people would be told (rule X3)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from router.domain.facts import OTHER, UNKNOWN, PlaceId, ReasonId, StaffId
from router.domain.policy import Policy, matching


@dataclass(frozen=True, slots=True)
class Cell:
    """A reason at a location (at a provider), and the active members who would be told. None: that routing is off."""

    reason_id: ReasonId | None
    location_id: PlaceId | None
    provider_id: PlaceId | None
    people: tuple[StaffId, ...]


def coverage(policy: Policy, locations: Sequence[PlaceId], providers: Sequence[PlaceId]) -> tuple[Cell, ...]:
    """Every cell of the dimensions whose routing is on, `other` and `unknown` included."""
    return tuple(_cells(policy, locations, providers))


def lost(before: Sequence[Cell], after: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells that a change leaves without anybody: those that had people, and those that are new and have none."""
    had = {(cell.reason_id, cell.location_id, cell.provider_id): bool(cell.people) for cell in before}
    return tuple(
        cell
        for cell in after
        if not cell.people and had.get((cell.reason_id, cell.location_id, cell.provider_id), True)
    )


def _cells(policy: Policy, locations: Sequence[PlaceId], providers: Sequence[PlaceId]) -> Iterator[Cell]:
    current = [reason_id for reason_id in policy.reasons if policy.takes(reason_id)]
    reasons: list[ReasonId | None] = [*current, OTHER] if policy.reason_routing else [None]
    places: list[PlaceId | None] = [*locations, UNKNOWN] if policy.location_routing else [None]
    people: list[PlaceId | None] = [*providers, UNKNOWN] if policy.provider_routing else [None]
    for reason in reasons:
        for place in places:
            for provider in people:
                told = matching(policy, reason, place, provider)
                yield Cell(reason, place, provider, tuple(one.staff_id for one in told))
