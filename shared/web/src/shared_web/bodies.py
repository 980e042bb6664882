"""Request bodies of a bounded size, that come in a bounded time."""

import asyncio
from http import HTTPStatus

from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared_web.problems import Problem

MOST_BODY_BYTES = 1024 * 1024
"""What an app takes where an endpoint does not say that it takes more (FastAPI's `max_body_size`)."""
_TOO_LARGE = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is larger than what is taken here")
PATIENCE_SECONDS = 30.0
SLOWEST_BYTES_PER_SECOND = 16 * 1024
"""A body has this long, and longer by what has come of it at this pace."""


async def bounded_body(request: Request, most_bytes: int) -> bytes:
    """The whole body. Raises a 413 problem as soon as it is larger than `most_bytes`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request may have {most_bytes // 1024} KiB")
    return bytes(body)


class BodyLimit:
    """ASGI middleware: Starlette's limit, whose 413 is a problem like all others and no text."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = RequestBodyLimitMiddleware(app, most_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does."""
        is_replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal is_replaced
            if _is_plain_refusal(message):
                is_replaced = True
                await _TOO_LARGE.response()(scope, receive, send)
            elif not is_replaced:
                await send(message)

        await self._app(scope, receive, send_problem if scope["type"] == "http" else send)


def _is_plain_refusal(message: Message) -> bool:
    return (
        message["type"] == "http.response.start"
        and message["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        and Headers(raw=message["headers"]).get("content-type", "").startswith("text/plain")
    )


class BodyDeadline:
    """ASGI middleware: a body that dawdles is answered 408, so that nobody keeps us busy by sending slowly."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        is_complete = False

        async def receive_in_time() -> Message:
            nonlocal deadline, is_complete
            if is_complete:  # what comes after it is the end of the connection
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
            is_complete = not message.get("more_body", False)
            deadline += len(message.get("body", b"")) / SLOWEST_BYTES_PER_SECOND
            return message

        await self._app(scope, receive_in_time, send)
