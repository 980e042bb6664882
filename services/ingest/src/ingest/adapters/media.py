"""Copying a file from a provider: only from where providers keep files, with a bound on its size, and on the redirects."""

from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from ingest.domain.files import FileFailure
from ingest.domain.hosts import is_trusted, origin_of

_MOST_REDIRECTS = 3
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class NotFetched(Exception):  # noqa: N818 - the caller decides whether it is an error
    """A file that could not be copied."""

    def __init__(self, failure: FileFailure, *, is_final: bool) -> None:
        super().__init__(failure)
        self.failure: FileFailure = failure
        self.is_final = is_final
        """Trying again would change nothing."""


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Where files may be copied from."""

    http: httpx.AsyncClient
    hosts: Collection[str]
    """Host names, a domain with all below it as `.domain`; always over https."""
    api_urls: Collection[str]
    """Where the providers' APIs are. Only they are shown credentials."""
    most_bytes: int

    async def fetch(self, url: str, credentials: tuple[str, str] | None) -> bytes:
        """The content. Raises `NotFetched`, httpx's errors when the provider cannot be reached."""
        for _ in range(_MOST_REDIRECTS + 1):
            if not is_trusted(url, self.hosts, self.api_urls):
                raise NotFetched("not_reachable", is_final=True)
            auth = credentials if origin_of(url) in {origin_of(one) for one in self.api_urls} else None
            async with self.http.stream("GET", url, auth=auth, follow_redirects=False) as answer:
                if not answer.has_redirect_location:
                    return await self._content(answer)
                url = str(answer.url.join(answer.headers["location"]))
        raise NotFetched("not_reachable", is_final=True)

    async def _content(self, answer: httpx.Response) -> bytes:
        if answer.status_code in _GONE:  # or not there yet: a recording is announced before it can be read
            raise NotFetched("not_found", is_final=False)
        if answer.status_code != HTTPStatus.OK:
            raise NotFetched("not_reachable", is_final=False)
        content = bytearray()
        async for chunk in answer.aiter_bytes():
            content += chunk
            if len(content) > self.most_bytes:
                raise NotFetched("too_large", is_final=True)
        return bytes(content)
