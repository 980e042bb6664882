"""What staff do: actions on conversations, and what they have seen."""

import secrets
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from notifier.actions import ACTIONS, ActionBody, ReplyBody, change_for
from notifier.api.dependencies import Ask, Dependencies, Staff, no_conversation, practice_id_of
from notifier.domain.announcing import Announcing
from notifier.domain.visibility import Practice
from notifier.storage.reading import action_outcome, conversation_of
from notifier.storage.seen import mark_read, mark_seen
from notifier.storage.templates import template_of
from notifier.views import SeenResult
from shared_database import practice_scope
from shared_schemas.ids import content_id
from shared_schemas.routed_messages import ConversationActionRejectedV1, ConversationUpdatedV1, Destination
from shared_schemas.staff_notifications import SeenAnnouncedV1
from shared_schemas.values import Id
from shared_web import Principal, Problem, bounded_body

MOST_BYTES = 256 * 1024
_NOT_YET: dict[int | str, dict[str, str]] = {202: {"description": "Router has not decided yet"}}

Outcome = ConversationUpdatedV1 | ConversationActionRejectedV1
_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome, config=ConfigDict(hide_input_in_errors=True))


class SeenNotifications(BaseModel):
    """Which notifications the caller has seen."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    notification_ids: Annotated[list[Id], Field(max_length=500)]


class SeenConversation(BaseModel):
    """How much of a conversation the caller has on the screen."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    version: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """The version of the conversation that is shown: what comes with a later one stays unread."""


def routes(dependencies: Ask) -> APIRouter:
    """`/v1/conversations/{id}/…`, `/v1/notifications/seen`, `/v1/actions/{change_id}`."""
    router = APIRouter(prefix="/v1")

    @router.post("/notifications/seen")
    async def seen(caller: Staff, body: SeenNotifications) -> SeenResult:
        """Note that the caller has seen these notifications of their own."""
        parts, practice_id, now = dependencies(), practice_id_of(caller), dependencies().clock()
        await parts.practice_for(caller)
        theirs, marked = await mark_seen(parts.pool, practice_id, caller.staff_id, body.notification_ids, now)
        if theirs:
            await parts.announce(
                SeenAnnouncedV1(
                    practice_id=practice_id,
                    visible_to=(caller.staff_id,),
                    staff_id=caller.staff_id,
                    notification_ids=tuple(theirs),
                    seen_at=now,
                )
            )
        return SeenResult(marked=marked)

    @router.post("/conversations/{conversation_id}/seen")
    async def read(caller: Staff, conversation_id: str, body: SeenConversation) -> SeenResult:
        """Note that the caller has read a conversation up to a version: for everybody, it is no longer unread."""
        parts = dependencies()
        return await _read(parts, caller, await parts.practice_for(caller), conversation_id, body.version)

    @router.get("/actions/{change_id}", responses=_NOT_YET)
    async def action(caller: Staff, change_id: str) -> JSONResponse:
        """What became of an action that was answered 202: 200, 409, or 202 again while nothing has."""
        parts = dependencies()
        practice = await parts.practice_for(caller)
        return _answer(change_id, await _known_outcome(parts, caller, change_id), practice)

    @router.post("/conversations/{conversation_id}/{action}", responses=_NOT_YET)
    async def act(
        caller: Staff,
        conversation_id: str,
        action: str,
        request: Request,
        idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
    ) -> JSONResponse:
        """Assign, take, move, reply to, close, reopen or label a conversation.

        200 with the result, 409 when it was refused, 202 when that takes longer. The same `Idempotency-Key` again
        does nothing more, and is answered with the same result.
        """
        parts = dependencies()
        practice = await parts.practice_for(caller)
        if action not in ACTIONS:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such action")
        body = ActionBody.read(action, await bounded_body(request, MOST_BYTES))
        key = idempotency_key or secrets.token_hex(16)
        change_id = content_id("action", practice_id_of(caller), caller.staff_id, conversation_id, action, key)
        outcome = await _known_outcome(parts, caller, change_id) if idempotency_key is not None else None
        if outcome is None:
            outcome = await _done(parts, caller, practice, conversation_id, action, body, change_id)
        return _answer(change_id, outcome, practice)

    return router


async def _done(  # noqa: PLR0913 - what an action depends on
    parts: Dependencies,
    caller: Principal,
    practice: Practice | None,
    conversation_id: str,
    action: str,
    body: ActionBody,
    change_id: str,
) -> Outcome | None:
    """Ask router for the change, and wait a while for what it says."""
    known = await conversation_of(parts.pool, practice_id_of(caller), caller.staff_id, conversation_id)
    if known is None:
        raise no_conversation()
    if isinstance(body.content, ReplyBody) and body.content.template_id is not None:
        template = await template_of(parts.pool, practice_id_of(caller), body.content.template_id)
        if template is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such template")
        body = body.with_template(template.body)
    await parts.audit(caller, action, f"conversation:{conversation_id}", [known.patient_id])
    change = change_for(body, caller, known, practice, change_id, parts.clock())
    await parts.publish(change)
    return await parts.streams.outcome_of(change_id, seconds=parts.action_wait_seconds)


async def _read(
    parts: Dependencies, caller: Principal, practice: Practice | None, conversation_id: str, version: int
) -> SeenResult:
    practice_id, now = practice_id_of(caller), parts.clock()
    done = await mark_read(parts.pool, practice_id, caller.staff_id, conversation_id, version, now)
    if done is None:
        raise no_conversation()
    await parts.audit(caller, "seen", f"conversation:{conversation_id}", [done.patient_id])
    practices = {practice_id: practice} if practice is not None else {}
    await parts.announce(
        SeenAnnouncedV1(
            practice_id=practice_id,
            visible_to=Announcing(practices, {}, {}).viewers(practice_id, done.listing),
            staff_id=caller.staff_id,
            conversation_id=conversation_id,
            read_version=done.read_version,
            notification_ids=tuple(done.notification_ids),
            seen_at=now,
        )
    )
    return SeenResult(marked=done.marked)


async def _known_outcome(parts: Dependencies, caller: Principal, change_id: str) -> Outcome | None:
    practice_id = practice_id_of(caller)
    async with practice_scope(parts.pool, practice_id) as connection:
        kept = await action_outcome(connection, practice_id, change_id)
    return _OUTCOME.validate_json(kept) if kept is not None else None


def _answer(change_id: str, outcome: Outcome | None, practice: Practice | None) -> JSONResponse:
    match outcome:
        case None:
            return JSONResponse({"change_id": change_id, "status": "pending"}, HTTPStatus.ACCEPTED)
        case ConversationUpdatedV1():
            return JSONResponse({"change_id": change_id, "conversation": outcome.model_dump(mode="json")})
        case ConversationActionRejectedV1():
            more = {
                "change_id": change_id,
                "rejection": outcome.rejection,
                "conversation_version": outcome.conversation_version,
                "destination": outcome.destination.model_dump(mode="json"),
            }
            detail = f"{outcome.detail} {_where(outcome.destination, practice)}".strip()
            raise Problem(HTTPStatus.CONFLICT, "The action was refused", detail=detail, extensions=more)


def _where(destination: Destination, practice: Practice | None) -> str:
    """Who has the conversation now: what somebody who was second wants to know."""
    if practice is None:
        return ""
    match destination.kind:
        case "member":
            member = practice.by_id.get(destination.id or "")
            return f"{member.name} has it now." if member is not None else ""
        case "shared_inbox":
            label = practice.inbox_labels.get(destination.id or "")
            return f"It is in {label} now." if label is not None else ""
        case "unassigned":
            return "It is in Unassigned now."
