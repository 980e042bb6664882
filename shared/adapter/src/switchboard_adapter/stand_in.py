"""A stand-in for Switchboard's `POST /v1/messages`, for trying adapters out: it checks, remembers, and can be away."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shared_schemas import ids
from shared_schemas.cloudevents import UnreadableEvent, decode
from shared_schemas.patient_messages import MessageReceivedV1

MOST_BYTES = 256 * 1024


@dataclass
class StandIn:
    """What came in, and how it answers."""

    token: str
    practice_id: str
    url: str = ""
    accepted: list[MessageReceivedV1] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What was wrong with requests."""
    failing: int = 0
    """So many of the next requests are answered 503."""

    def take(self, headers: dict[str, str], body: bytes) -> HTTPStatus:
        """Decide about a request."""
        if self.failing > 0:
            self.failing -= 1
            return HTTPStatus.SERVICE_UNAVAILABLE
        status, problem = self._judge(headers, body)
        if problem:
            self.problems.append(problem)
        return status

    def _judge(self, headers: dict[str, str], body: bytes) -> tuple[HTTPStatus, str]:
        if headers.get("authorization") != f"Bearer {self.token}":
            return HTTPStatus.UNAUTHORIZED, "a request came without the adapter's token"
        try:
            event = decode({name.replace("ce-", "ce_", 1): value.encode() for name, value in headers.items()}, body)
        except UnreadableEvent as error:
            return HTTPStatus.UNPROCESSABLE_ENTITY, f"an event could not be read: {error}"
        if not isinstance(event, MessageReceivedV1) or event.practice_id != self.practice_id:
            return HTTPStatus.UNPROCESSABLE_ENTITY, "an event was no MessageReceived of this practice"
        if event.message_id != ids.message_id(event.channel, event.practice_id, event.provider_message_id):
            return HTTPStatus.UNPROCESSABLE_ENTITY, "message_id was not derived from the channel's own id"
        self.accepted.append(event)
        return HTTPStatus.ACCEPTED, ""


@contextmanager
def stand_in(token: str, practice_id: str) -> Generator[StandIn]:
    """One that runs on a free port of this machine."""
    known = StandIn(token, practice_id)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            if self.path != "/v1/messages" or length > MOST_BYTES:
                known.problems.append("a request was too large, or for another address")
                status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                self.close_connection = True
            else:
                status = known.take(
                    {name.lower(): value for name, value in self.headers.items()}, self.rfile.read(length)
                )
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="stand-in")
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
