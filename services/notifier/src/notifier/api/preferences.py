"""How the caller wants to be told who is not looking: preferences, and the browsers that take push messages."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict

from notifier.api.dependencies import Ask, Staff, practice_id_of
from notifier.domain.preferences import Preferences
from notifier.notifying.people import Ways, subscription_place
from notifier.notifying.push import BrowserSubscription
from notifier.storage.notices import preference_of, save_preference
from notifier.storage.push_subscriptions import remove_subscription, save_subscription, subscriptions_of
from shared_schemas.ids import content_id
from shared_web import Problem

SubscriptionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class PushView(BaseModel):
    """What a browser needs to subscribe, and which of the caller's browsers have."""

    model_config = ConfigDict(hide_input_in_errors=True)
    public_key: str | None
    """`applicationServerKey` of the Push API; null where push is not set up."""
    subscription_ids: list[str]


class PushSubscribed(BaseModel):
    """A browser that takes push messages for the caller."""

    model_config = ConfigDict(hide_input_in_errors=True)
    subscription_id: str


def routes(dependencies: Ask, ways: Callable[[], Ways]) -> APIRouter:
    """`/v1/notification-preferences`, `/v1/push-subscriptions`: each caller's own."""
    router = APIRouter(prefix="/v1")

    @router.get("/notification-preferences")
    async def preferences(caller: Staff) -> Preferences:
        """The caller's; who has said nothing is told on the staff stream only."""
        parts = dependencies()
        await parts.practice_for(caller)
        return await preference_of(parts.pool, practice_id_of(caller), caller.staff_id)

    @router.put("/notification-preferences")
    async def prefer(caller: Staff, body: Preferences) -> Preferences:
        """Change them, for messages from now on."""
        parts = dependencies()
        await parts.practice_for(caller)
        await save_preference(parts.pool, practice_id_of(caller), caller.staff_id, body)
        return body

    @router.get("/push-subscriptions")
    async def pushes(caller: Staff) -> PushView:
        """With what a browser subscribes, and the caller's browsers that did."""
        parts, way = dependencies(), ways()
        await parts.practice_for(caller)
        found = await subscriptions_of(parts.pool, practice_id_of(caller), caller.staff_id)
        return PushView(public_key=way.push.public_key if way.push is not None else None, subscription_ids=list(found))

    @router.post("/push-subscriptions", status_code=HTTPStatus.CREATED)
    async def subscribe(caller: Staff, body: BrowserSubscription) -> PushSubscribed:
        """Let a browser take push messages for the caller: the body is its `PushSubscription`. Of ten the oldest goes."""
        parts, way, practice_id = dependencies(), ways(), practice_id_of(caller)
        await parts.practice_for(caller)
        if way.push is None or way.sealer is None:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "Push is not set up: SWITCHBOARD_NOTIFIER_SECRET_KEY is not set"
            )
        subscription_id = content_id("push", practice_id, caller.staff_id, str(body.endpoint))
        sealed = way.sealer.seal(body.model_dump_json().encode(), *subscription_place(practice_id, caller.staff_id))
        await save_subscription(parts.pool, practice_id, caller.staff_id, subscription_id, sealed, parts.clock())
        return PushSubscribed(subscription_id=subscription_id)

    @router.delete("/push-subscriptions/{subscription_id}", status_code=HTTPStatus.NO_CONTENT)
    async def unsubscribe(caller: Staff, subscription_id: SubscriptionId) -> Response:
        """Let a browser take none any more."""
        parts = dependencies()
        await parts.practice_for(caller)
        if not await remove_subscription(parts.pool, practice_id_of(caller), caller.staff_id, subscription_id):
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such subscription")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router
