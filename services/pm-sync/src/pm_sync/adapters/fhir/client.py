"""Asking a FHIR server: one request with its retries, and a search with its pages."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import urljoin, urlsplit

import httpx
from pydantic_core import from_json

from pm_sync.adapters.fhir.pace import Pace
from pm_sync.adapters.fhir.smart import Tokens
from pm_sync.adapters.source_problem import SourceProblem
from shared_schemas.values import in_utc
from shared_web.outbound import ForbiddenAddress

Resource = Mapping[str, Any]
Parameters = Sequence[tuple[str, str]]

MOST_BYTES = 20_000_000
"""Of one answer."""
TRIES = 3
LONGEST_WAIT = timedelta(seconds=20)
"""A server that asks for more is left alone until the next run."""
MOST_PAGES = 100_000
_CREDIBLE_SKEW = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(days=1)
"""Whatever a server asks for."""
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

_WORDS = {
    "login": "the server wants a login",
    "forbidden": "the server refuses: the client lacks a permission",
    "security": "the server refuses for reasons of security",
    "expired": "the server says that the session has expired",
    "throttled": "the server is asked too often",
    "timeout": "the server took too long to answer itself",
    "too-costly": "the server finds the question too costly: set locations, or a shorter window",
    "not-supported": "the server does not support what was asked",
    "required": "the server wants a search parameter that was not sent: does the vendor fit?",
    "invalid": "the server finds the question invalid",
    "value": "the server finds a value invalid",
    "processing": "the server could not process the question",
    "exception": "the server broke down",
    "transient": "the server has trouble of its own",
    "lock-error": "the server has trouble of its own",
    "no-store": "the server has trouble of its own",
}
"""Of OperationOutcome.issue.code: https://hl7.org/fhir/R4/valueset-issue-type.html"""


class NoSuchResource(Exception):  # noqa: N818 - a state that was found
    """404 or 410: it is not there, or not any more."""


@dataclass(frozen=True, slots=True)
class BundlePage:
    """One page of a search."""

    matches: list[Resource]
    included: list[Resource]
    is_whole: bool
    """The server does not say that something is missing from it."""


class FhirClient:
    """One server, as one client. Raises `SourceProblem` for everything that the server gets wrong."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        *,
        pace: Pace,
        tokens: Tokens | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._pace = pace
        self._tokens = tokens
        self._clock = clock
        self.skew = timedelta()
        """How far the server's clock is ahead of ours."""

    async def read(self, path: str) -> Resource:
        """One resource. Raises `NoSuchResource` too."""
        return await self._get(f"{self._base_url}/{path}", ())

    async def search(self, kind: str, parameters: Parameters) -> AsyncGenerator[BundlePage]:
        """The pages of a search, each once it is there."""
        url: str | None = f"{self._base_url}/{kind}"
        seen: set[str] = set()
        while url is not None:
            try:
                bundle = await self._get(url, parameters)
            except NoSuchResource:
                raise SourceProblem(f"the server has no {kind} at this base URL") from None
            page, url = _page(bundle, kind), self._next(bundle, url)
            if url is not None and (url in seen or len(seen) > MOST_PAGES):
                raise SourceProblem("the server's pages go round in a circle")
            seen.add(url or "")
            parameters = ()
            yield page

    def _next(self, bundle: Resource, url: str) -> str | None:
        for link in _items(bundle.get("link")):
            if link.get("relation") == "next" and isinstance(link.get("url"), str):
                target = str(urljoin(url, link["url"]))
                if urlsplit(target)[:2] != urlsplit(self._base_url)[:2]:
                    raise SourceProblem("the server's next page is at another address than the base URL")
                return target
        return None

    async def _get(self, url: str, parameters: Parameters) -> Resource:
        for attempt in range(1, TRIES + 1):
            is_last = attempt == TRIES
            try:
                answer = await self._send(url, parameters)
            except ForbiddenAddress:
                raise SourceProblem(
                    "this address may not be called from here: see SWITCHBOARD_OUTBOUND_ALLOWED"
                ) from None
            except httpx.TimeoutException:
                raise SourceProblem("the server does not answer in time") from None
            except httpx.TransportError:
                problem = SourceProblem("the server cannot be reached, or broke off")
            else:
                if answer.status_code == HTTPStatus.OK:
                    return _read(answer)
                if answer.status_code == HTTPStatus.UNAUTHORIZED and self._tokens is not None and not is_last:
                    self._tokens.forget()
                    continue
                problem = _refusal(answer, self._clock())
                if answer.status_code not in _BUSY and not answer.is_server_error:
                    raise problem
            wait = problem.retry_after or timedelta(seconds=0.5 * 2 ** (attempt - 1))
            if is_last or wait > LONGEST_WAIT:
                raise problem
            await asyncio.sleep(wait.total_seconds() * random.uniform(1.0, 1.2))  # noqa: S311 - jitter is no secret
        raise AssertionError

    async def _send(self, url: str, parameters: Parameters) -> httpx.Response:
        await self._pace.turn()
        headers = {"Accept": "application/fhir+json"}
        if self._tokens is not None:
            headers["Authorization"] = f"Bearer {await self._tokens.token(self.skew)}"
        request = self._http.build_request("GET", url, params=list(parameters) if parameters else None, headers=headers)
        answer = await self._http.send(request, stream=True)
        try:
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise SourceProblem(f"the server's answer is larger than {MOST_BYTES // 1_000_000} MB")
        finally:
            await answer.aclose()
        self._note_clock(answer)
        return httpx.Response(answer.status_code, headers=_without_encoding(answer.headers), content=bytes(body))

    def _note_clock(self, answer: httpx.Response) -> None:
        try:
            theirs = in_utc(parsedate_to_datetime(answer.headers["date"]))
        except (KeyError, ValueError, TypeError):
            return
        skew = theirs - self._clock()
        self.skew = skew if abs(skew) > _CREDIBLE_SKEW else timedelta()


def _page(bundle: Resource, kind: str) -> BundlePage:
    if bundle.get("resourceType") != "Bundle":
        raise SourceProblem("the server's answer to a search is no Bundle")
    matches: list[Resource] = []
    included: list[Resource] = []
    is_whole = True
    for entry in _items(bundle.get("entry")):
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            is_whole = False
        elif resource.get("resourceType") == "OperationOutcome":
            is_whole = is_whole and not _severe(cast("Resource", resource))
        elif resource.get("resourceType") == kind:
            matches.append(cast("Resource", resource))
        else:
            included.append(cast("Resource", resource))
    return BundlePage(matches, included, is_whole)


def _severe(outcome: Resource) -> bool:
    return any(issue.get("severity") in {"error", "fatal"} for issue in _items(outcome.get("issue")))


def _read(answer: httpx.Response) -> Resource:
    try:
        content = from_json(answer.content)
    except ValueError:
        raise SourceProblem("the server's answer is no JSON, or cut off") from None
    if not isinstance(content, dict):
        raise SourceProblem("the server's answer is no FHIR resource")
    return cast("Resource", content)


def _refusal(answer: httpx.Response, now: datetime) -> SourceProblem:
    """Why there is no answer, in our words: theirs may be about a patient."""
    if answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise NoSuchResource
    try:
        issues = _items(from_json(answer.content).get("issue"))
    except (ValueError, AttributeError):
        issues = []
    codes = [str(issue.get("code")) for issue in issues]
    words = next((_WORDS[code] for code in codes if code in _WORDS), "the server refuses")
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        words = "the server does not accept our token" if not codes else words
    return SourceProblem(f"{words} (HTTP {answer.status_code})", retry_after=retry_after(answer, now))


def retry_after(answer: httpx.Response, now: datetime) -> timedelta | None:
    """RFC 9110 section 10.2.3: seconds, or a date."""
    value = answer.headers.get("retry-after", "")
    if value.isdigit():
        return min(timedelta(seconds=int(value[:9])), _LONGEST_WAIT)
    try:
        return min(max(timedelta(), in_utc(parsedate_to_datetime(value)) - now), _LONGEST_WAIT)
    except (ValueError, TypeError):
        return None


def _without_encoding(headers: httpx.Headers) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name not in {"content-encoding", "content-length"}]


def _items(value: object) -> list[dict[str, Any]]:
    """The objects of a list; nothing where it is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
