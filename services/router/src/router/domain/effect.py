"""What a change of one member's subscriptions does to that member (rule V2), and to what nobody would hear of (X3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from router.domain.coverage import Cell, coverage, lost
from router.domain.facts import PlaceId, StaffId
from router.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class Effect:
    """The reasons at locations that the member will be told of from now on, and no more; and those left to nobody."""

    newly_told: tuple[Cell, ...]
    no_longer_told: tuple[Cell, ...]
    told_to_nobody: tuple[Cell, ...]


def effect_on(
    staff_id: StaffId, before: Policy, after: Policy, locations: Sequence[PlaceId], providers: Sequence[PlaceId]
) -> Effect:
    """Compare what a member is told of by two versions of the settings that differ in nothing but this member."""
    was, will_be = coverage(before, locations, providers), coverage(after, locations, providers)
    pairs = list(zip(was, will_be, strict=True))
    return Effect(
        tuple(new for old, new in pairs if staff_id in new.people and staff_id not in old.people),
        tuple(new for old, new in pairs if staff_id in old.people and staff_id not in new.people),
        lost(was, will_be),
    )
