"""The FHIR servers that this process asks: their tokens and their pace outlive a single reading."""

from collections.abc import Callable, Sequence
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Self
from urllib.parse import urlsplit

import httpx
from pydantic.networks import IPvAnyNetwork

from pm_sync.adapters.fhir.client import FhirClient
from pm_sync.adapters.fhir.pace import Pace
from pm_sync.adapters.fhir.smart import Tokens
from pm_sync.adapters.fhir.vendors import vendor
from pm_sync.configuration import FhirConnection, SmartBackend
from shared_web.outbound import GuardedTransport

TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class Servers:
    """Gives a client for each connection. One HTTP client serves all, so that 2,000 of them fit into a process."""

    def __init__(
        self, allowed: Sequence[IPvAnyNetwork], clock: Callable[[], datetime], now: Callable[[], float]
    ) -> None:
        """`now` is a monotonic clock in seconds."""
        self._clock = clock
        self._now = now
        nobodys = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._http = httpx.AsyncClient(transport=GuardedTransport(allowed), timeout=TIMEOUT, cookies=nobodys)
        self._tokens: dict[str, tuple[FhirConnection, Tokens]] = {}
        self._paces: dict[str, Pace] = {}

    async def __aenter__(self) -> Self:
        """Ready for use."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._http.aclose()

    def client(self, connection_id: str, connection: FhirConnection) -> FhirClient:
        """For one reading."""
        host = urlsplit(connection.base_url).netloc
        pace = self._paces.get(host)
        if pace is None:
            pace = self._paces[host] = Pace(vendor(connection.vendor).requests_per_second, self._now)
        return FhirClient(
            self._http,
            connection.base_url,
            pace=pace,
            tokens=self._tokens_of(connection_id, connection),
            clock=self._clock,
        )

    def _tokens_of(self, connection_id: str, connection: FhirConnection) -> Tokens | None:
        """Kept between readings, as long as the connection is set up in the same way."""
        if not isinstance(connection.auth, SmartBackend):
            return None
        known = self._tokens.get(connection_id)
        if known is None or known[0] != connection:
            tokens = Tokens(self._http, connection.base_url, connection.auth, self._clock)
            known = self._tokens[connection_id] = (connection, tokens)
        return known[1]
