"""Past traffic decided again, as a stream of what differs (rule X2)."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from router.compiling import compile_policy
from router.domain.policy import Policy
from router.domain.replay import PastDecision, Replayed, Told, replay
from router.records import past_decision
from router.storage.decision_records import count_decisions, decisions_between
from router.storage.settings import settings_of_version
from shared_schemas.practice_settings import RoutingSettingsPublishedV1

if TYPE_CHECKING:
    from shared_database.pools import Pool

_PROGRESS_EVERY = 500
_BREATHE_EVERY = 25
"""Decisions after which others in this process get their turn: a message must not wait for a what-if."""


@dataclass(frozen=True, slots=True)
class Span:
    """Messages received from `since` on, and before `until`."""

    since: datetime
    until: datetime


async def what_if(
    pool: "Pool", practice_id: str, span: Span, draft: RoutingSettingsPublishedV1 | None
) -> AsyncGenerator[dict[str, Any]]:
    """Lines for a reader: `progress` from time to time, each `difference`, each record that is not `unreproduced`
    any more, and one `summary` at the end. Without a draft it only proves that the records reproduce themselves.
    """
    started = time.monotonic()
    total = await count_decisions(pool, practice_id, span.since, span.until)
    counts = {"messages": 0, "different": 0, "unreproduced": 0, "unrouted_then": 0, "unrouted_under_draft": 0}
    policy = None if draft is None else compile_policy(draft)
    async for one in _replayed(pool, practice_id, span, policy):
        counts["messages"] += 1
        counts["unrouted_then"] += one.past.told.is_unrouted
        counts["unrouted_under_draft"] += one.under_draft.is_unrouted
        if not one.is_reproduced:
            counts["unreproduced"] += 1
            yield {"kind": "unreproduced", "message_id": one.past.message.message_id}
        if draft is not None and one.differs:
            counts["different"] += 1
            yield _difference(one)
        if counts["messages"] % _PROGRESS_EVERY == 0:
            yield {"kind": "progress", "done": counts["messages"], "total": total}
    yield {"kind": "summary", **counts, "seconds": round(time.monotonic() - started, 3)}


async def _replayed(pool: "Pool", practice_id: str, span: Span, draft: Policy | None) -> AsyncGenerator[Replayed]:
    policies: dict[int, Policy] = {}
    done = 0
    async for history in _by_patient(decisions_between(pool, practice_id, span.since, span.until)):
        for version in {past.settings_version for past in history} - policies.keys():
            settings = await settings_of_version(pool, practice_id, version)
            policies[version] = compile_policy(settings or RoutingSettingsPublishedV1(practice_id=practice_id))
        for one in replay(((past, policies[past.settings_version]) for past in history), draft):
            yield one
            done += 1
            if done % _BREATHE_EVERY == 0:
                await asyncio.sleep(0)


async def _by_patient(records: AsyncIterable[str]) -> AsyncGenerator[list[PastDecision]]:
    history: list[PastDecision] = []
    async for record in records:
        past = past_decision(record)
        if history and history[0].patient_id != past.patient_id:
            yield history
            history = []
        history.append(past)
    if history:
        yield history


def _difference(one: Replayed) -> dict[str, Any]:
    then, would_be = one.past.told, one.under_draft
    return {
        "kind": "difference",
        "message_id": one.past.message.message_id,
        "received_at": one.past.message.received_at,
        "channel": one.past.message.channel,
        "then": _shown(then),
        "under_draft": _shown(would_be),
        "newly_told": sorted(would_be.people - then.people),
        "no_longer_told": sorted(then.people - would_be.people),
    }


def _shown(told: Told) -> dict[str, Any]:
    return {
        "reason_id": told.reason_id,
        "location_id": told.location_id,
        "provider_id": told.provider_id,
        "destination": told.destination,
        "audience": sorted(told.people),
        "unrouted": told.is_unrouted,
        "rules": told.rules,
    }
