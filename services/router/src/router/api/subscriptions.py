"""A member's own subscriptions: what the filter of an inbox is (rule V2)."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from router.api.dependencies import Ask, Dependencies, Member, places_of
from router.api.settings import invalid
from router.compiling import compile_policy
from router.domain.coverage import Cell
from router.domain.effect import effect_on
from router.domain.facts import OTHER, UNKNOWN, Place, PlaceId, StaffId
from router.domain.policy import Policy
from router.storage.settings import current_settings, save_settings
from router.validation import mistakes_in
from shared_database import audit
from shared_schemas import practice_settings
from shared_schemas.practice_settings import RoutingSettingsPublishedV1, Subscription
from shared_web import Principal, Problem

if TYPE_CHECKING:
    from shared_database.pools import Pool

_ATTEMPTS = 5
"""Somebody else may save the practice's settings at the same moment; that changes nothing about this wish."""


class Subscriptions(BaseModel):
    """What a member wants to be told of: any of these, and, with `unassigned`, the inbox Unassigned itself (M3, M5)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    unassigned: bool = False
    subscriptions: tuple[Subscription, ...] = ()


class EffectCell(BaseModel):
    """A reason at a location (with a provider). Null: that routing is off."""

    reason_id: str | None
    location_id: str | None
    provider_id: str | None


class EffectCells(BaseModel):
    """The same by ids, for pages that say it in their reader's language."""

    newly_told: list[EffectCell]
    no_longer_told: list[EffectCell]
    told_to_nobody: list[EffectCell]


class Effect(BaseModel):
    """What a change does from the next message on, for the member to read before and after it."""

    newly_told: list[str]
    """`Billing at Elm Street`."""
    no_longer_told: list[str]
    told_to_nobody: list[str]
    """What no active member would be told of any more (rule X3)."""
    words: list[str]
    """The same in sentences."""
    cells: EffectCells


class MemberSubscriptions(Subscriptions):
    """A member's subscriptions as they are now."""

    staff_id: str
    settings_version: int


class ChangedSubscriptions(MemberSubscriptions):
    """What they became, what that does, and what to send to have it back."""

    effect: Effect
    undo: Subscriptions


def routes(dependencies: Ask) -> APIRouter:
    """The endpoints. `dependencies` is asked at each request: they exist only while the app runs."""
    router = APIRouter(prefix="/v1/practices/{practice_id}/members/{staff_id}")

    @router.get("/subscriptions")
    async def read_subscriptions(practice_id: str, staff_id: str, caller: Member) -> MemberSubscriptions:
        """One's own; an administrator reads everybody's."""
        _check_allowed(caller, practice_id, staff_id)
        settings = await _settings(dependencies().pool, practice_id)
        member = _member(settings, staff_id)
        return MemberSubscriptions(
            staff_id=staff_id,
            settings_version=settings.version,
            unassigned=member.unassigned,
            subscriptions=member.subscriptions,
        )

    @router.put("/subscriptions")
    async def write_subscriptions(
        practice_id: str, staff_id: str, wanted: Subscriptions, caller: Member, *, dry_run: bool = False
    ) -> ChangedSubscriptions:
        """Change what one is told of from now on, one's own or as an administrator; `dry_run` only says what it does."""
        _check_allowed(caller, practice_id, staff_id)
        if not dry_run:
            await audit(dependencies().pool, practice_id, caller, "save", f"subscriptions:{staff_id}")
        return await _change(dependencies(), practice_id, staff_id, wanted, None if dry_run else caller.staff_id)

    return router


async def _change(
    parts: Dependencies, practice_id: str, staff_id: str, wanted: Subscriptions, saved_by: str | None
) -> ChangedSubscriptions:
    for _ in range(_ATTEMPTS):
        before = await _settings(parts.pool, practice_id)
        member = _member(before, staff_id)
        after = _with(before, staff_id, wanted)
        changed = ChangedSubscriptions(
            staff_id=staff_id,
            settings_version=before.version if saved_by is None else after.version,
            unassigned=wanted.unassigned,
            subscriptions=wanted.subscriptions,
            effect=await _effect(parts.pool, staff_id, before, after),
            undo=Subscriptions(unassigned=member.unassigned, subscriptions=member.subscriptions),
        )
        if saved_by is None:
            return changed
        if await save_settings(parts.pool, after, over=before.version, saved_by=saved_by, saved_at=parts.clock()):
            parts.publisher.wake()
            return changed
    raise Problem(HTTPStatus.CONFLICT, "The practice's settings are being changed: try again")


def _check_allowed(caller: Principal, practice_id: str, staff_id: str) -> None:
    """V3: other people's subscriptions are an administrator's business."""
    if caller.staff_id != staff_id and not caller.is_administrator_of(practice_id):
        raise Problem(HTTPStatus.FORBIDDEN, "Only administrators see and change other members' subscriptions")


async def _settings(pool: "Pool", practice_id: str) -> RoutingSettingsPublishedV1:
    return await current_settings(pool, practice_id) or RoutingSettingsPublishedV1(practice_id=practice_id)


def _member(settings: RoutingSettingsPublishedV1, staff_id: str) -> practice_settings.Member:
    found = next((one for one in settings.members if one.staff_id == staff_id), None)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "This practice has no such member")
    return found


def _with(settings: RoutingSettingsPublishedV1, staff_id: str, wanted: Subscriptions) -> RoutingSettingsPublishedV1:
    change = {"unassigned": wanted.unassigned, "subscriptions": wanted.subscriptions}
    members = tuple(one.model_copy(update=change) if one.staff_id == staff_id else one for one in settings.members)
    after = settings.model_copy(update={"members": members, "version": settings.version + 1})
    if mistakes := mistakes_in(after):
        raise invalid(mistakes)
    return after


async def _effect(
    pool: "Pool", staff_id: str, before: RoutingSettingsPublishedV1, after: RoutingSettingsPublishedV1
) -> Effect:
    locations, providers = await places_of(pool, before.practice_id)
    policy = compile_policy(after)
    found = effect_on(StaffId(staff_id), compile_policy(before), policy, list(locations), list(providers))
    newly, no_longer, nobody = (
        _names(cells, policy, locations, providers)
        for cells in (found.newly_told, found.no_longer_told, found.told_to_nobody)
    )
    words = [
        *(f"You will be told about {name}." for name in newly),
        *(f"You will no longer be told about {name}." for name in no_longer),
        *(f"Nobody is subscribed to {name} any more." for name in nobody),
    ]
    cells = EffectCells(
        newly_told=_by_id(found.newly_told),
        no_longer_told=_by_id(found.no_longer_told),
        told_to_nobody=_by_id(found.told_to_nobody),
    )
    return Effect(newly_told=newly, no_longer_told=no_longer, told_to_nobody=nobody, words=words, cells=cells)


def _by_id(cells: Sequence[Cell]) -> list[EffectCell]:
    return [
        EffectCell(reason_id=cell.reason_id, location_id=cell.location_id, provider_id=cell.provider_id)
        for cell in cells
    ]


def _names(
    cells: Sequence[Cell], policy: Policy, locations: Mapping[PlaceId, Place], providers: Mapping[PlaceId, Place]
) -> list[str]:
    return [" ".join(_parts(cell, policy, locations, providers)) for cell in cells]


def _parts(
    cell: Cell, policy: Policy, locations: Mapping[PlaceId, Place], providers: Mapping[PlaceId, Place]
) -> Iterator[str]:
    if cell.reason_id is None:
        yield "messages"
    else:
        yield "other reasons" if cell.reason_id == OTHER else policy.words_for(cell.reason_id) or cell.reason_id
    for word, place_id, known in (("at", cell.location_id, locations), ("with", cell.provider_id, providers)):
        if place_id == UNKNOWN:
            yield f"{word} no known {'location' if word == 'at' else 'provider'}"
        elif place_id is not None:
            yield f"{word} {known[place_id].name}"
