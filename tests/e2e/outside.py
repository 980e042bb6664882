"""What the system tells and asks: a mail server, one that takes webhooks and push messages, and FHIR servers that fail."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

from switchboard_cli.ports import free_port

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope


@dataclass
class Outside:
    """What has come in. `fhir` is what a FHIR server answers, by the last part of the path and without its query."""

    url: str
    mail_port: int
    hl7_port: int
    """Where the system listens for HL7."""
    mails: list[bytes] = field(default_factory=list[bytes])
    calls: list[tuple[str, str, bytes]] = field(default_factory=list[tuple[str, str, bytes]])
    """Path, headers and body."""
    fhir: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict[str, tuple[int, dict[str, Any]]])

    @property
    def environment(self) -> dict[str, str]:
        """Settings of a system that has this outside."""
        return {
            "SWITCHBOARD_NOTIFIER_SMTP_HOST": "127.0.0.1",
            "SWITCHBOARD_NOTIFIER_SMTP_PORT": str(self.mail_port),
            "SWITCHBOARD_NOTIFIER_SMTP_SECURITY": "none",
            "SWITCHBOARD_PM_SYNC_MLLP_PORT": str(self.hl7_port),
        }

    def at(self, path: str) -> list[bytes]:
        """The bodies that came to a path."""
        return [body for where, _, body in self.calls if where == path]


@contextmanager
def listening() -> Generator[Outside]:
    """Serve on free ports."""
    outside = Outside("", free_port(), free_port())

    class Post:
        async def handle_DATA(self, _server: object, _session: object, envelope: "Envelope") -> str:  # noqa: N802
            assert isinstance(envelope.content, bytes)
            outside.mails.append(envelope.content)
            return "250 OK"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            outside.calls.append((self.path, str(self.headers), body))
            self._answer(204, b"")

        def do_GET(self) -> None:
            outside.calls.append((self.path, str(self.headers), b""))
            status, content = outside.fhir.get(self.path.partition("?")[0].rpartition("/")[2], (404, {}))
            self._answer(status, json.dumps(content).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/fhir+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    mail = Controller(Post(), hostname="127.0.0.1", port=outside.mail_port)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    outside.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    mail.start()
    thread.start()
    try:
        yield outside
    finally:
        mail.stop()
        server.shutdown()
        server.server_close()
        thread.join()
