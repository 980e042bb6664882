"""A small FHIR R4 server in memory, over real HTTP: the demo's practice-management system.

It has what scheduling needs: Appointment, Patient, Location and Practitioner can be read, searched, put and deleted.
https://hl7.org/fhir/R4/http.html and https://hl7.org/fhir/R4/search.html
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic_core import to_json

Resource = dict[str, Any]

FHIR_PATH = "/fhir"
KINDS = ("Appointment", "Patient", "Location", "Practitioner")
MEDIA_TYPE = "application/fhir+json"
MOST_ON_A_PAGE = 1_000
_COMPARISONS: Mapping[str, Callable[[datetime, datetime], bool]] = {
    "ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt, "eq": operator.eq,
}  # fmt: skip
_INCLUDES = {
    "Appointment:patient": "Patient",
    "Appointment:location": "Location",
    "Appointment:practitioner": "Practitioner",
}


@dataclass(slots=True)
class FhirStore:
    """The resources, by kind and id."""

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    resources: dict[str, dict[str, Resource]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    def put(self, resource: Resource) -> Resource:
        """Make or replace a resource; it changed now."""
        stamp = self.clock().isoformat(timespec="milliseconds")
        kept = {**resource, "meta": {**resource.get("meta", {}), "lastUpdated": stamp}}
        self.resources[resource["resourceType"]][resource["id"]] = kept
        return kept

    def delete(self, kind: str, id_: str) -> bool:
        """False when it was not there."""
        return self.resources[kind].pop(id_, None) is not None


def create_fhir_server(store: FhirStore) -> FastAPI:
    """The server as an ASGI app under `FHIR_PATH`."""
    app = FastAPI(title="FHIR R4 in memory", openapi_url=None)

    @app.get("/fhir/metadata")
    async def metadata() -> Response:
        resources = [{"type": kind, "interaction": [{"code": "search-type"}, {"code": "read"}]} for kind in KINDS]
        rest = [{"mode": "server", "resource": resources}]
        return _answer({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest})

    @app.get("/fhir/{kind}")
    async def search(kind: str, request: Request) -> Response:
        if kind not in store.resources:
            return _outcome(HTTPStatus.NOT_FOUND, "not-supported")
        try:
            return _answer(_bundle(store, kind, request))
        except (ValueError, KeyError):
            return _outcome(HTTPStatus.BAD_REQUEST, "value")

    @app.get("/fhir/{kind}/{id_}")
    async def read(kind: str, id_: str) -> Response:
        found = store.resources.get(kind, {}).get(id_)
        return _outcome(HTTPStatus.NOT_FOUND, "not-found") if found is None else _answer(found)

    @app.put("/fhir/{kind}/{id_}")
    async def put(kind: str, id_: str, request: Request) -> Response:
        resource = await request.json()
        if kind not in store.resources or resource.get("resourceType") != kind or resource.get("id") != id_:
            return _outcome(HTTPStatus.BAD_REQUEST, "invalid")
        return _answer(store.put(resource))

    @app.delete("/fhir/{kind}/{id_}")
    async def delete(kind: str, id_: str) -> Response:
        was_there = kind in store.resources and store.delete(kind, id_)
        return Response(status_code=HTTPStatus.NO_CONTENT if was_there else HTTPStatus.NOT_FOUND)

    return app


def _bundle(store: FhirStore, kind: str, request: Request) -> Resource:
    """One page. The place where the next one begins is in its link: a page is never longer than it says."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if not name.startswith("_page")]
    count = min(int(request.query_params.get("_count", "100")), MOST_ON_A_PAGE)
    after = request.query_params.get("_page_after", "")
    matches = sorted(_matches(store.resources[kind].values(), asked), key=operator.itemgetter("id"))
    page = [one for one in matches if one["id"] > after][: count + 1]
    links = [{"relation": "self", "url": str(request.url)}]
    if len(page) > count:
        page = page[:count]
        query = urlencode([*asked, ("_page_after", page[-1]["id"])])
        links.append({"relation": "next", "url": f"{request.url.replace(query='')}?{query}"})
    entries = [{"resource": one, "search": {"mode": "match"}} for one in page]
    wanted = [_INCLUDES[value] for name, value in asked if name == "_include"]
    entries += [{"resource": one, "search": {"mode": "include"}} for one in _referred(store, page, wanted)]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(matches), "link": links, "entry": entries}


def _matches(resources: Iterable[Resource], asked: list[tuple[str, str]]) -> Iterable[Resource]:
    conditions = [_condition(name, value) for name, value in asked if name not in {"_count", "_include"}]
    return (one for one in resources if all(condition(one) for condition in conditions))


def _condition(name: str, value: str) -> Callable[[Resource], bool]:
    """Raises `ValueError` or `KeyError` for what this server does not understand."""
    if name == "_id":
        ids = set(value.split(","))
        return lambda one: one["id"] in ids
    if name in {"_lastUpdated", "date"}:
        prefix, text = (value[:2], value[2:]) if value[:2] in _COMPARISONS else ("eq", value)
        compare, at = _COMPARISONS[prefix], datetime.fromisoformat(text)
        return lambda one: compare(datetime.fromisoformat(_instant_of(one, name)), at)
    kind = {"location": "Location", "patient": "Patient", "practitioner": "Practitioner"}[name]
    reference = f"{kind}/{value.removeprefix(kind + '/')}"
    return lambda one: reference in _references(one)


def _instant_of(resource: Resource, name: str) -> str:
    return str(resource["meta"]["lastUpdated"] if name == "_lastUpdated" else resource.get("start", "1970-01-01T00Z"))


def _references(resource: Resource) -> list[str]:
    return [one.get("actor", {}).get("reference", "") for one in resource.get("participant", [])]


def _referred(store: FhirStore, page: list[Resource], kinds: list[str]) -> list[Resource]:
    named = dict.fromkeys(reference for one in page for reference in _references(one))
    found = (
        store.resources.get(kind, {}).get(id_)
        for kind, _, id_ in (one.partition("/") for one in named)
        if kind in kinds
    )
    return [one for one in found if one is not None]


def _answer(resource: Resource) -> Response:
    return Response(to_json(resource), media_type=MEDIA_TYPE)


def _outcome(status: HTTPStatus, code: str) -> Response:
    issue = {"severity": "error", "code": code}
    return JSONResponse({"resourceType": "OperationOutcome", "issue": [issue]}, status, media_type=MEDIA_TYPE)
