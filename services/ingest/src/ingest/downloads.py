"""Handing out the files of messages: to the staff of the practice, and to the patient who sent them."""

from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse

from ingest.adapters.blobs import BLOB_FAILURES
from ingest.attachments import Attachments
from ingest.domain.files import is_shown
from ingest.domain.ranges import ByteRange, Unsatisfiable, wanted_range
from ingest.login import session_in
from ingest.publishing import Doors
from ingest.storage.attachments import KnownAttachment
from ingest.storage.contacts import survivor_of
from shared_database import audit
from shared_web import Principal, Problem, staff_of
from shared_web.principals import current_principal

AttachmentId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
_GUARDED = {
    "Cache-Control": "private, no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Accept-Ranges": "bytes",
}
_NOTHING_RUNS = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def routes(doors: Callable[[], Doors], attachments: Callable[[], Attachments]) -> APIRouter:
    """The endpoint. What it works with is asked for at each request: it exists only while the app runs."""
    router = APIRouter(prefix="/v1/attachments")

    @router.get(
        "/{attachment_id}",
        response_class=StreamingResponse,
        responses={206: {"description": "The part that was asked for"}},
    )
    async def read(
        attachment_id: AttachmentId,
        request: Request,
        range_: Annotated[str | None, Header(alias="range")] = None,
        if_range: Annotated[str | None, Header()] = None,
    ) -> Response:
        """A file of a message, whole or in part (RFC 9110): for staff by their token, for its sender by the session."""
        files = attachments()
        practice_id, reader = await _reader(request, doors())
        found = await files.find(practice_id, attachment_id)
        if found is None or not await _may_read(doors(), reader, found):
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such file for you")
        if found.state == "failed":
            raise Problem(HTTPStatus.GONE, "This file could not be copied from the provider")
        if found.state == "pending":
            raise _not_yet()
        if not isinstance(reader, str):
            await audit(doors().pool, practice_id, reader, "read", f"attachment:{attachment_id}", [found.patient_id])
        return await _answer(files, found, range_ if if_range in {None, _tag(found)} else None)

    return router


async def _reader(request: Request, parts: Doors) -> tuple[str, str | Principal]:
    """The practice whose files the caller may read, and who that is: a patient's id, or staff. Raises a 401 problem."""
    if "authorization" not in request.headers:
        patient = await session_in(parts, request)
        if patient is not None:
            return patient.practice_id, patient.patient_id
    caller = await staff_of(await current_principal(request))
    return str(caller.practice_id), caller


async def _may_read(parts: Doors, reader: str | Principal, found: KnownAttachment) -> bool:
    """Staff, who sent it, and whom that record was merged into."""
    if not isinstance(reader, str) or reader == found.patient_id:
        return True
    return reader == await survivor_of(parts.pool, found.practice_id, found.patient_id)


async def _answer(files: Attachments, one: KnownAttachment, asked: str | None) -> Response:
    try:
        part = wanted_range(asked, one.size)
    except Unsatisfiable:
        title = "The file is shorter than that"
        raise Problem(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, title, headers={"Content-Range": f"bytes */{one.size}"}
        ) from None
    whole = part or ByteRange(0, one.size)
    content = files.content(one, whole)
    try:
        first = await anext(content, b"")
    except BLOB_FAILURES:
        raise _not_yet() from None
    headers = _headers(one) | {"Content-Length": str(whole.length)}
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.start + part.length - 1}/{one.size}"
    status = HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK
    return StreamingResponse(_joined(first, content), status, headers, media_type=one.content_type)


def _headers(one: KnownAttachment) -> dict[str, str]:
    shown = is_shown(one.content_type)
    extension = one.content_type.rpartition("/")[2].removeprefix("x-") if shown else "bin"
    disposition = f'{"inline" if shown else "attachment"}; filename="{one.attachment_id[:8]}.{extension}"'
    headers = _GUARDED | {"ETag": _tag(one), "Content-Disposition": disposition}
    if one.content_type != "application/pdf":  # browsers show no PDF in a sandbox
        headers["Content-Security-Policy"] = _NOTHING_RUNS
    return headers


async def _joined(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _tag(one: KnownAttachment) -> str:
    """An id is always the same content."""
    return f'"{one.attachment_id}"'


def _not_yet() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "This file cannot be read yet: try again", headers={"Retry-After": "2"}
    )
