"""The live stream, tickets for it, and the same log as pages."""

import secrets
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic_core import from_json

from notifier.api.dependencies import Ask, Dependencies, Staff, check_readable
from notifier.domain.inboxes import StreamFilter
from notifier.storage.tickets import LIFETIME, keep_ticket, redeem_ticket
from notifier.streams import StillReading
from notifier.views import EventPage, StreamEventRow
from shared_web import Principal, Problem, staff_of
from shared_web.event_streams import EventStream
from shared_web.principals import current_principal

MAX_PAGE = 1_000


def routes(dependencies: Ask) -> APIRouter:
    """`/v1/stream`, `/v1/stream-tickets`, `/v1/events`."""
    router = APIRouter(prefix="/v1")

    @router.get("/stream", response_class=EventStream)
    async def stream(  # noqa: PLR0913 - each is a parameter of the request
        request: Request,
        last_event_id: Annotated[str | None, Header()] = None,
        last_event_id_query: Annotated[str | None, Query(alias="last_event_id")] = None,
        ticket: str | None = None,
        inbox: str | None = None,
        reason: str | None = None,
        location: str | None = None,
    ) -> EventStream:
        """The live stream of what the caller sees (server-sent events), all of it or one inbox, reason or location."""
        parts = dependencies()
        caller = await _caller(request, ticket, parts)
        practice = await parts.practice_for(caller)
        wanted = StreamFilter(inbox, reason, location)
        check_readable(wanted.inbox, practice, caller.staff_id)
        return EventStream(parts.streams.stream(caller, practice, last_event_id or last_event_id_query, wanted))

    @router.post("/stream-tickets", status_code=HTTPStatus.CREATED)
    async def make_ticket(caller: Staff) -> dict[str, Any]:
        """A ticket for `GET /v1/stream?ticket=`: it works once, for thirty seconds."""
        parts = dependencies()
        await parts.practice_for(caller)
        ticket = secrets.token_urlsafe(32)
        await keep_ticket(parts.pool, ticket, caller, parts.clock())
        return {"ticket": ticket, "expires_in": int(LIFETIME.total_seconds())}

    @router.get("/events")
    async def events(
        caller: Staff, after: str | None = None, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100
    ) -> EventPage:
        """The stream's log as pages, for apps without server-sent events. 410: read the snapshot again.

        Without `after` the page is empty and its cursor is the newest: read the snapshot then, and go on from there.
        """
        parts = dependencies()
        practice = await parts.practice_for(caller)
        try:
            page = await parts.streams.page(caller, practice, after, limit)
        except StillReading:
            title = "The log is still being read: try again"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, title, headers={"Retry-After": "2"}) from None
        if page is None:
            raise Problem(HTTPStatus.GONE, "This cursor is no longer in the log: read the inboxes again")
        rows, cursor = page
        found = [StreamEventRow(event=name, id=id_, data=from_json(data)) for name, id_, data in rows]
        return EventPage(events=found, cursor=cursor)

    return router


async def _caller(request: Request, ticket: str | None, parts: Dependencies) -> Principal:
    if ticket is None:
        return await staff_of(await current_principal(request))
    caller = await redeem_ticket(parts.pool, ticket, parts.clock())
    if caller is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "This ticket is not valid, or no longer")
    return caller
