"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus

from starlette.responses import StreamingResponse
from starlette.types import Send

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(StreamingResponse):
    """A stream that is passed on as it comes, and kept nowhere.

    Its content is closed as soon as the client has gone. Left to the garbage collector, it would go on for a while as if
    somebody were there.
    """

    media_type = "text/event-stream"

    def __init__(self, content: AsyncGenerator[bytes], status_code: int = HTTPStatus.OK) -> None:
        super().__init__(content, status_code, headers=_HEADERS)
        self._content = content

    async def stream_response(self, send: Send) -> None:
        """Send the content until it ends, or the client does."""
        async with aclosing(self._content):
            await super().stream_response(send)
