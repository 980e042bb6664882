"""The notifier's HTTP API: the staff stream, inboxes, conversations and what staff do with them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from notifier.actions import ACTIONS, ActionBody, change_for
from notifier.storage.reading import (
    PAGE,
    Inbox,
    conversation_of,
    conversations_in,
    mark_seen,
    practice_of,
)
from notifier.storage.tickets import LIFETIME, keep_ticket, redeem_ticket
from notifier.streams import StaffStreams
from shared_messaging import Publisher, PublishFailed
from shared_schemas.ids import content_id
from shared_schemas.routed_messages import ConversationActionRejectedV1, ConversationUpdatedV1
from shared_web import Principal, Problem, bounded_body, staff_of
from shared_web.principals import current_principal

if TYPE_CHECKING:
    from shared_database.pools import Pool

Staff = Annotated[Principal, Depends(staff_of)]
MAX_PAGE = 1_000
MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the endpoints work with."""

    pool: "Pool"
    publisher: Publisher
    streams: StaffStreams
    clock: Callable[[], datetime]
    action_wait_seconds: float


class SeenNotifications(BaseModel):
    """Which notifications the caller has seen."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    notification_ids: Annotated[list[str], Field(max_length=500)]


def routes(dependencies: Callable[[], Dependencies]) -> APIRouter:
    """The endpoints. `dependencies` is asked at each request: they exist only while the app runs."""
    router = APIRouter(prefix="/v1")
    _add_stream(router, dependencies)
    _add_reading(router, dependencies)
    _add_actions(router, dependencies)
    return router


def _add_stream(router: APIRouter, dependencies: Callable[[], Dependencies]) -> None:
    @router.get("/stream", response_class=StreamingResponse)
    async def stream(
        request: Request,
        last_event_id: Annotated[str | None, Header()] = None,
        last_event_id_query: Annotated[str | None, Query(alias="last_event_id")] = None,
        ticket: str | None = None,
    ) -> StreamingResponse:
        """The live stream of what the caller sees (server-sent events)."""
        parts = dependencies()
        caller = await _caller(request, ticket, parts)
        await _check_active(caller, parts)
        return StreamingResponse(
            parts.streams.stream(caller, last_event_id or last_event_id_query),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @router.post("/stream-tickets", status_code=HTTPStatus.CREATED)
    async def make_ticket(caller: Staff) -> dict[str, Any]:
        """A ticket for `GET /v1/stream?ticket=`: it works once, for thirty seconds."""
        parts = dependencies()
        ticket = secrets.token_urlsafe(32)
        await keep_ticket(parts.pool, ticket, caller, parts.clock())
        return {"ticket": ticket, "expires_in": int(LIFETIME.total_seconds())}

    @router.get("/events")
    async def events(
        caller: Staff, after: str, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100
    ) -> dict[str, Any]:
        """The stream's log as pages, for apps without server-sent events. 410: read the snapshot again."""
        parts = dependencies()
        await _check_active(caller, parts)
        page = await parts.streams.page(caller, after, limit)
        if page is None:
            raise Problem(HTTPStatus.GONE, "This cursor is no longer in the log: read the inboxes again")
        rows, cursor = page
        found = [{"event": name, "id": id_, "data": from_json(data)} for name, id_, data in rows]
        return {"events": found, "cursor": cursor}


def _add_reading(router: APIRouter, dependencies: Callable[[], Dependencies]) -> None:
    @router.get("/inboxes")
    async def inboxes(caller: Staff) -> list[dict[str, Any]]:
        """The inboxes that the caller sees."""
        practice = await practice_of(dependencies().pool, _practice_id(caller))
        found: list[dict[str, Any]] = [{"inbox": "mine"}]
        if practice is None:
            return found
        if any(member.sees_unassigned for member in practice.members if member.staff_id == caller.staff_id):
            found.insert(0, {"inbox": "unassigned"})
        shared = practice.shared_inboxes.items()
        return found + [{"inbox": f"shared:{inbox_id}"} for inbox_id, people in shared if caller.staff_id in people]

    @router.get("/conversations")
    async def conversations(
        caller: Staff,
        inbox: str = "mine",
        reason: str | None = None,
        location: str | None = None,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """A page of an inbox's open conversations, the newest first."""
        parts = dependencies()
        visible = {row["inbox"] for row in await inboxes(caller)}
        if inbox not in visible:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such inbox for you")
        found = await conversations_in(
            parts.pool,
            _practice_id(caller),
            Inbox("shared_inbox", inbox.removeprefix("shared:")) if inbox.startswith("shared:") else Inbox(inbox),
            caller.staff_id,
            reason=reason,
            location=location,
            before=_page_start(cursor),
        )
        last = found[-1] if len(found) == PAGE else None
        following = f"{last['updated_at'].isoformat()}~{last['conversation_id']}" if last else None
        return {"conversations": found, "cursor": following}

    @router.get("/conversations/{conversation_id}")
    async def conversation(caller: Staff, conversation_id: str) -> dict[str, Any]:
        """A conversation with its whole thread."""
        found = await conversation_of(dependencies().pool, _practice_id(caller), conversation_id)
        if found is None:
            raise _no_conversation()
        return found

    @router.post("/notifications/seen")
    async def seen(caller: Staff, body: SeenNotifications) -> dict[str, int]:
        """Note that the caller has seen these notifications of their own."""
        parts = dependencies()
        count = await mark_seen(parts.pool, _practice_id(caller), caller.staff_id, body.notification_ids, parts.clock())
        return {"marked": count}


def _add_actions(router: APIRouter, dependencies: Callable[[], Dependencies]) -> None:
    @router.post("/conversations/{conversation_id}/{action}")
    async def act(
        caller: Staff,
        conversation_id: str,
        action: str,
        request: Request,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> JSONResponse:
        """Assign, move, reply to, close or label a conversation. 200 with the result, 409 when refused, 202 when late."""
        parts = dependencies()
        if action not in ACTIONS:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such action")
        known = await conversation_of(parts.pool, _practice_id(caller), conversation_id)
        if known is None:
            raise _no_conversation()
        body = ActionBody.read(action, await bounded_body(request, MOST_BYTES))
        key = idempotency_key or secrets.token_hex(16)
        change_id = content_id("action", _practice_id(caller), caller.staff_id, conversation_id, action, key)
        change = change_for(body, caller, known, change_id, parts.clock())
        try:
            await parts.publisher.send([change])
        except PublishFailed:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "This could not be noted: try again") from None
        outcome = await parts.streams.outcome_of(change_id, seconds=parts.action_wait_seconds)
        return _answer(change_id, outcome)


def _answer(change_id: str, outcome: ConversationUpdatedV1 | ConversationActionRejectedV1 | None) -> JSONResponse:
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
            raise Problem(HTTPStatus.CONFLICT, "The action was refused", detail=outcome.detail, extensions=more)


async def _caller(request: Request, ticket: str | None, parts: Dependencies) -> Principal:
    if ticket is None:
        return staff_of(await current_principal(request))
    caller = await redeem_ticket(parts.pool, ticket, parts.clock())
    if caller is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "This ticket is not valid, or no longer")
    return caller


async def _check_active(caller: Principal, parts: Dependencies) -> None:
    """A deactivated person's token may live on for a while; their stream must not (D4)."""
    practice = await practice_of(parts.pool, _practice_id(caller))
    if practice and any(one.staff_id == caller.staff_id and not one.is_active for one in practice.members):
        raise Problem(HTTPStatus.FORBIDDEN, "You are deactivated in this practice")


def _practice_id(caller: Principal) -> str:
    return caller.practice_id or ""


def _page_start(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    instant, _, conversation_id = cursor.partition("~")
    try:
        return datetime.fromisoformat(instant), conversation_id
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "This is no cursor of ours") from None


def _no_conversation() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "There is no such conversation for you")
