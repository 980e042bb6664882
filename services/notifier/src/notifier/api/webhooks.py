"""Webhook endpoints: where a practice's events are sent to. Administrators only."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl

from notifier.api.dependencies import Ask, Dependencies, practice_id_of
from notifier.domain.webhooks import SECRET_BYTES, PayloadKind, secret_from
from notifier.notifying.calls import Calls, secret_place
from notifier.notifying.running import Sending
from notifier.storage.webhook_deliveries import deliveries_of, replay
from notifier.storage.webhook_endpoints import (
    MOST_ENDPOINTS,
    Endpoint,
    EndpointWish,
    TooMany,
    add_endpoint,
    change_endpoint,
    change_secret,
    endpoint_of,
    endpoints_of,
    remove_endpoint,
)
from notifier.views import (
    NewWebhookEndpoint,
    Replayed,
    RotatedSecret,
    TestCall,
    WebhookDeliveryPage,
    WebhookEndpoint,
)
from shared_schemas.staff_notifications import StreamEvent
from shared_schemas.values import Instant
from shared_web import Principal, Problem
from shared_web.principals import staff_administrator

EARLIER_SECRET_LIVES = timedelta(hours=24)
MOST_DELIVERIES = 200

Administrator = Annotated[Principal, Depends(staff_administrator)]
EndpointId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def _without_password(url: HttpUrl) -> HttpUrl:
    if url.username is not None or url.password is not None:
        raise ValueError("an address is shown and logged by many: it must hold no password")
    return url


class EndpointBody(BaseModel):
    """Where to send which events."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    url: Annotated[HttpUrl, AfterValidator(_without_password)]
    """https. The operator may allow networks that need no TLS."""
    events: Annotated[list[StreamEvent], Field(min_length=1, max_length=20)]
    payload: PayloadKind = "thin"
    """`thin` has ids only: what they stand for is read from the API by whoever may. `full` has patients' words."""
    description: Annotated[str, Field(max_length=200)] = ""
    enabled: bool = True


class ReplayBody(BaseModel):
    """Which events to send again."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    since: Instant
    until: Instant | None = None
    """Null: until now."""


def routes(dependencies: Ask, webhooks: Callable[[], Sending]) -> APIRouter:
    """`/v1/webhook-endpoints`."""
    router = APIRouter(prefix="/v1/webhook-endpoints")
    _add_endpoints(router, dependencies, webhooks)
    _add_deliveries(router, dependencies, webhooks)
    return router


def _add_endpoints(router: APIRouter, dependencies: Ask, webhooks: Callable[[], Sending]) -> None:
    @router.get("")
    async def endpoints(caller: Administrator) -> list[WebhookEndpoint]:
        """All of the practice, the oldest first. Secrets are not shown."""
        parts = await _parts(dependencies, caller)
        return [_shown(one) for one in await endpoints_of(parts.pool, practice_id_of(caller))]

    @router.post("", status_code=HTTPStatus.CREATED)
    async def make(caller: Administrator, body: EndpointBody) -> NewWebhookEndpoint:
        """Make an endpoint. The answer has its secret, which is not shown again."""
        parts, calls, practice_id = await _parts(dependencies, caller), _calls(webhooks()), practice_id_of(caller)
        endpoint_id, secret = f"we-{secrets.token_hex(8)}", secret_from(secrets.token_bytes(SECRET_BYTES))
        sealed = calls.sealer.seal(secret.encode(), *secret_place(practice_id, endpoint_id))
        try:
            made = await add_endpoint(parts.pool, practice_id, endpoint_id, _wish(body), sealed, parts.clock())
        except TooMany:
            raise Problem(HTTPStatus.CONFLICT, f"A practice may have {MOST_ENDPOINTS} webhook endpoints") from None
        return NewWebhookEndpoint.model_validate(_shown(made).model_dump() | {"secret": secret})

    @router.get("/{endpoint_id}")
    async def one(caller: Administrator, endpoint_id: EndpointId) -> WebhookEndpoint:
        """One endpoint."""
        parts = await _parts(dependencies, caller)
        return _shown(await _existing(parts, caller, endpoint_id))

    @router.put("/{endpoint_id}")
    async def change(caller: Administrator, endpoint_id: EndpointId, body: EndpointBody) -> WebhookEndpoint:
        """Change an endpoint. Enabled again, it gets what has waited for it; see also replay."""
        parts = await _parts(dependencies, caller)
        changed = await change_endpoint(parts.pool, practice_id_of(caller), endpoint_id, _wish(body), parts.clock())
        if changed is None:
            raise _no_endpoint()
        webhooks().wake()
        return _shown(changed)

    @router.delete("/{endpoint_id}", status_code=HTTPStatus.NO_CONTENT)
    async def remove(caller: Administrator, endpoint_id: EndpointId) -> Response:
        """Remove an endpoint with its log. What waits for it is never sent."""
        parts = await _parts(dependencies, caller)
        if not await remove_endpoint(parts.pool, practice_id_of(caller), endpoint_id):
            raise _no_endpoint()
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _add_deliveries(router: APIRouter, dependencies: Ask, webhooks: Callable[[], Sending]) -> None:
    @router.post("/{endpoint_id}/rotate-secret")
    async def rotate(caller: Administrator, endpoint_id: EndpointId) -> RotatedSecret:
        """Give it a new secret. For 24 hours the one that it had signs, too."""
        parts, calls, practice_id = await _parts(dependencies, caller), _calls(webhooks()), practice_id_of(caller)
        secret, until = secret_from(secrets.token_bytes(SECRET_BYTES)), parts.clock() + EARLIER_SECRET_LIVES
        sealed = calls.sealer.seal(secret.encode(), *secret_place(practice_id, endpoint_id))
        if not await change_secret(parts.pool, practice_id, endpoint_id, sealed, until):
            raise _no_endpoint()
        return RotatedSecret(secret=secret, earlier_secret_until=until)

    @router.post("/{endpoint_id}/test")
    async def test(caller: Administrator, endpoint_id: EndpointId) -> TestCall:
        """Call it now with an event of type `test`, and say how that went. A disabled endpoint can be tested, too."""
        parts, calls = await _parts(dependencies, caller), _calls(webhooks())
        endpoint = await _existing(parts, caller, endpoint_id)
        data: dict[str, object] = {"practice_id": endpoint.practice_id, "endpoint_id": endpoint_id}
        went = await calls.call(endpoint, f"test-{secrets.token_hex(8)}", "test", parts.clock(), data)
        return TestCall(ok=went.is_done, status=went.status, error=went.error, milliseconds=went.milliseconds)

    @router.get("/{endpoint_id}/deliveries")
    async def deliveries(
        caller: Administrator,
        endpoint_id: EndpointId,
        state: Literal["pending", "delivered", "failed"] | None = None,
        cursor: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_DELIVERIES)] = 50,
    ) -> WebhookDeliveryPage:
        """What was sent to it, or still has to be, of the last seven days."""
        parts = await _parts(dependencies, caller)
        await _existing(parts, caller, endpoint_id)
        found = await deliveries_of(parts.pool, practice_id_of(caller), endpoint_id, state, cursor, limit)
        return WebhookDeliveryPage(deliveries=found, cursor=found[-1].serial if len(found) == limit else None)

    @router.post("/{endpoint_id}/replay")
    async def again(caller: Administrator, endpoint_id: EndpointId, body: ReplayBody) -> Replayed:
        """Send again what happened since a time, taken or not, with the same `webhook-id`s.

        What is there to be sent again is of the last seven days, from when the practice's first endpoint was made.
        """
        parts = await _parts(dependencies, caller)
        endpoint = await _existing(parts, caller, endpoint_id)
        now = parts.clock()
        queued = await replay(parts.pool, endpoint, body.since, body.until or now, now)
        webhooks().wake()
        return Replayed(queued=queued)


async def _parts(dependencies: Ask, caller: Principal) -> Dependencies:
    parts = dependencies()
    await parts.practice_for(caller)
    return parts


async def _existing(parts: Dependencies, caller: Principal, endpoint_id: str) -> Endpoint:
    found = await endpoint_of(parts.pool, practice_id_of(caller), endpoint_id)
    if found is None:
        raise _no_endpoint()
    return found


def _calls(webhooks: Sending) -> Calls:
    if webhooks.calls is None:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "Webhooks cannot be kept: SWITCHBOARD_NOTIFIER_SECRET_KEY is not set"
        )
    return webhooks.calls


def _no_endpoint() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "There is no such webhook endpoint")


def _wish(body: EndpointBody) -> EndpointWish:
    events = tuple(dict.fromkeys(body.events))
    return EndpointWish(str(body.url), events, body.payload, body.description, body.enabled)


def _shown(one: Endpoint) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=one.endpoint_id,
        url=one.url,
        events=list(one.events),
        payload=one.payload,
        description=one.description,
        created_at=one.created_at,
        enabled=one.disabled_at is None,
        disabled_at=one.disabled_at,
        disabled_because=one.disabled_because,
        failing_since=one.failing_since,
        earlier_secret_until=one.earlier_until,
    )
