"""One call of a webhook endpoint: signed, bounded in time, and to where a customer may make us call."""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from typing import Literal

import httpx

from notifier.domain.webhooks import body_of, headers_of
from notifier.storage.webhook_deliveries import Attempt
from notifier.storage.webhook_endpoints import Endpoint
from shared_database.sealing import Sealer, Unopenable
from shared_schemas.staff_notifications import StreamEvent
from shared_web.outbound import ForbiddenAddress

MOST_ANSWER_BYTES = 16 * 1024
"""Of an answer that is read at all: enough for a connection to be used again."""
_SECONDS = re.compile(r"[0-9]{1,7}")
"""Retry-After may also be a date (RFC 9110, section 10.2.3): our own schedule is as good."""


class Calls:
    """Makes them. `http` must have a `GuardedTransport`; `seconds` is all the time that one call may take."""

    def __init__(self, http: httpx.AsyncClient, sealer: Sealer, clock: Callable[[], datetime], seconds: float) -> None:
        self.sealer = sealer
        self._http = http
        self._clock = clock
        self._seconds = seconds

    async def call(
        self,
        endpoint: Endpoint,
        webhook_id: str,
        name: StreamEvent | Literal["test"],
        at: datetime,
        data: dict[str, object],
    ) -> Attempt:
        """Post an event. Whatever goes wrong on the other side is in the answer; raises nothing of it."""
        now, began = self._clock(), monotonic()
        status, asked, error = None, None, None
        try:
            body = body_of(name, at, data, endpoint.payload)
            headers = headers_of(webhook_id, now, body, self._secrets(endpoint, now))
            async with asyncio.timeout(self._seconds):
                status, asked = await self._post(endpoint.url, headers, body)
            error = None if httpx.codes.is_success(status) else f"answered_{status}"
        except TimeoutError:
            error = "timeout"
        except ForbiddenAddress:
            error = "forbidden_address"
        except Unopenable:
            error = "secret_lost"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            error = "no_answer" if status is None else f"answered_{status}"
        return Attempt(now, round((monotonic() - began) * 1000), status, error, asked)

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, timedelta | None]:
        """The status, and how long the endpoint asks us to wait. Redirects are not followed."""
        async with self._http.stream("POST", url, headers=headers, content=body, follow_redirects=False) as answer:
            read = 0
            async for chunk in answer.aiter_raw():
                read += len(chunk)
                if read > MOST_ANSWER_BYTES:
                    break
            asked = _SECONDS.fullmatch(answer.headers.get("retry-after", ""))
            return answer.status_code, timedelta(seconds=int(asked[0])) if asked is not None else None

    def _secrets(self, endpoint: Endpoint, now: datetime) -> list[str]:
        """The live ones, the newest first."""
        sealed = [endpoint.secret]
        if endpoint.earlier_secret is not None and endpoint.earlier_until is not None and now < endpoint.earlier_until:
            sealed.append(endpoint.earlier_secret)
        place = secret_place(endpoint.practice_id, endpoint.endpoint_id)
        return [self.sealer.open(one, *place).decode() for one in sealed]


def secret_place(practice_id: str, endpoint_id: str) -> tuple[str, ...]:
    """Where an endpoint's secrets are sealed for."""
    return practice_id, "webhook-endpoint", endpoint_id


def event_place(practice_id: str, event_id: str) -> tuple[str, ...]:
    """Where an event's data is sealed for."""
    return practice_id, "webhook-event", event_id
