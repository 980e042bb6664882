"""Request bodies of a bounded size."""

from http import HTTPStatus

from fastapi import Request

from shared_web.problems import Problem


async def bounded_body(request: Request, most_bytes: int) -> bytes:
    """The whole body. Raises a 413 problem as soon as it is larger than `most_bytes`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request may have {most_bytes // 1024} KiB")
    return bytes(body)
