"""The thread, the picker (rules R1 to R3), and writing."""

import re
import secrets
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from ingest import login, thread
from ingest.messenger import Messenger
from ingest.pages.answers import (
    MOST_FILES_BYTES,
    FieldError,
    Form,
    Practice,
    Slug,
    go_to,
    language_of,
    practice_at,
    read_form,
    show,
)
from ingest.publishing import Doors
from ingest.storage.logins import Session
from ingest.thread import MOST_CHARACTERS, MOST_FILES, Sent, Writing
from shared_database import DATABASE_FAILURES
from shared_schemas.ids import content_id
from shared_web import Problem

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE_ERRORS = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "file_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "file_type",
}


def add(router: APIRouter, messenger: Messenger) -> None:
    """The pages of a session."""
    _add_thread(router, messenger)
    _add_reason(router, messenger)


def _add_thread(router: APIRouter, messenger: Messenger) -> None:
    @router.get("/{slug}/messages")
    async def read(slug: Slug, request: Request) -> Response:
        parts, practice, session = await _entered(messenger, slug, request)
        if session is None:
            return go_to(practice.path)
        state = await thread.state_of(parts, session, language_of(request))
        if state["picker"] and not state["messages"]:
            return go_to(f"{practice.path}/reason")
        answer = show(request, practice, "thread.html", state=state, draft=_draft())
        if state["unread_message_id"] and "prefetch" not in request.headers.get("sec-purpose", ""):
            await thread.read_up_to(parts, session, state["unread_message_id"])
        return answer

    @router.post("/{slug}/messages", max_body_size=MOST_FILES_BYTES)
    async def write(slug: Slug, request: Request) -> Response:
        form = await read_form(request)
        try:
            parts, practice, session = await _entered(messenger, slug, request)
            if session is None or not login.has_csrf_token(session, form.get("csrf_token")):
                return show(
                    request,
                    practice,
                    "unsent.html",
                    status=HTTPStatus.UNAUTHORIZED,
                    why="session",
                    text=form.get("body"),
                )
            sent = await _send(messenger, session, form)
            if isinstance(sent, tuple):
                state = await thread.state_of(parts, session, language_of(request))
                state = _picked(state, form.get("reason_id")) or state
                return show(request, practice, "thread.html", sent, state=state | {"picker": None}, draft=_draft(form))
        except (Problem, *DATABASE_FAILURES):
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return show(request, None, "unsent.html", status=status, why="trouble", text=form.get("body"))
        return go_to(f"{practice.path}/messages{'?urgent' if sent.emergency_text else ''}#composer")


def _add_reason(router: APIRouter, messenger: Messenger) -> None:
    @router.get("/{slug}/reason")
    async def ask(slug: Slug, request: Request) -> Response:
        return await _reason(messenger, slug, request, None)

    @router.post("/{slug}/reason")
    async def choose(slug: Slug, request: Request) -> Response:
        return await _reason(messenger, slug, request, (await read_form(request)).get("reason"))


async def _reason(messenger: Messenger, slug: str, request: Request, chosen: str | None) -> Response:
    """The picker; once one of its reasons is chosen, the page to write on."""
    parts, practice, session = await _entered(messenger, slug, request)
    if session is None:
        return go_to(practice.path)
    state = await thread.state_of(parts, session, language_of(request))
    if state["picker"] is None:
        return go_to(f"{practice.path}/messages")
    writing = _picked(state, chosen)
    if writing is None:
        errors = () if chosen is None else (FieldError("reason-0", "reason_error"),)
        return show(request, practice, "reason.html", errors, state=state)
    return show(request, practice, "thread.html", state=writing, draft=_draft() | {"reason_id": chosen or ""})


def _picked(state: dict[str, Any], chosen: str | None) -> dict[str, Any] | None:
    """The state to write in, once a reason of the picker is chosen; None where it is none of them."""
    picked = next((one for one in state["picker"] or () if one["id"] == chosen), None)
    return None if picked is None else state | {"picker": None, "reason": picked}


async def _send(messenger: Messenger, session: Session, form: Form) -> Sent | tuple[FieldError, ...]:
    body = form.fields.get("body", "").strip().replace("\r\n", "\n")
    if not body and not form.files:
        return (FieldError("body", "write_error"),)
    if len(body) > MOST_CHARACTERS:
        return (FieldError("body", "write_long"),)
    if len(form.files) > MOST_FILES:
        return (FieldError("files", "files_many"),)
    try:
        files = [await thread.keep_file(messenger.files(), session, content) for content in form.files]
    except Problem as problem:
        if problem.status not in _FILE_ERRORS:
            raise
        return (FieldError("files", _FILE_ERRORS[problem.status]),)
    key = content_id("form", form.get("client_message_id"))
    reason = form.get("reason_id")
    writing = Writing(key, body, reason if _ID.fullmatch(reason) else None, [one.id for one in files])
    return await thread.send(messenger.doors(), messenger.files(), session, writing)


async def _entered(messenger: Messenger, slug: Slug, request: Request) -> tuple[Doors, Practice, Session | None]:
    """The practice, and the session that the browser has there; None for one that is over, or of another practice."""
    parts = messenger.doors()
    practice, session = await practice_at(parts, slug), await login.session_in(parts, request)
    is_here = session is not None and session.practice_id == practice.practice_id
    return parts, practice, session if is_here else None


def _draft(form: Form | None = None) -> dict[str, str]:
    """What the form to write in begins with: the same id goes with the same text, until it is sent."""
    given = form or Form()
    return {
        "client_message_id": given.get("client_message_id") or secrets.token_urlsafe(16),
        "body": given.fields.get("body", ""),
        "reason_id": given.get("reason_id"),
    }
