"""The FHIR server in memory, with faults: what real servers do to those who read them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from switchboard_cli.demo.fhir_server import FhirStore, create_fhir_server

Change = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Fault:
    """Answers instead of the server, or changes what it answers, for the next `times` requests to `path`."""

    path: str
    answer: Callable[[Request], Response] | None = None
    change: Change | None = None
    times: int = 1


@dataclass
class FaultyFhir:
    """An ASGI app. `asked` has every request's path and query."""

    store: FhirStore = field(default_factory=FhirStore)
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    token: str | None = None
    """Only this bearer may read."""
    most_on_a_page: int | None = None
    """Whatever the client asks for."""

    def __post_init__(self) -> None:
        self._app: ASGIApp = create_fhir_server(self.store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        self.asked.append(f"{request.url.path}?{request.url.query}")
        self.headers.append(dict(request.headers))
        fault = next((one for one in self.faults if re.search(one.path, self.asked[-1])), None)
        if fault is not None:
            fault.times -= 1
            if fault.times == 0:
                self.faults.remove(fault)
            if fault.answer is not None:
                await fault.answer(request)(scope, receive, send)
                return
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            await Response(status_code=401)(scope, receive, send)
        elif self.most_on_a_page is not None and "_count=" in self.asked[-1]:
            query = re.sub(rb"_count=\d+", b"_count=%d" % self.most_on_a_page, scope["query_string"])
            await self._app({**scope, "query_string": query}, receive, send)
        elif fault is not None and fault.change is not None:
            await _changed(self._app, fault.change, scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def _changed(app: ASGIApp, change: Change, scope: Scope, receive: Receive, send: Send) -> None:
    body = bytearray()

    async def keep(message: Message) -> None:
        body.extend(message.get("body", b""))

    await app(scope, receive, keep)
    await Response(to_json(change(from_json(bytes(body)))), media_type="application/fhir+json")(scope, receive, send)


def refusal(status: int, code: str = "processing", **headers: str) -> Callable[[Request], Response]:
    """An OperationOutcome. Its words are such as must never be repeated."""
    issue = {"severity": "error", "code": code, "diagnostics": "Testy McSample called +13125550101"}
    outcome = to_json({"resourceType": "OperationOutcome", "issue": [issue]})
    return lambda _: Response(
        outcome, status, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
