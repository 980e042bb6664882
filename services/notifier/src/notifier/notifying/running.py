"""Puts together what sends webhooks and what tells people, and keeps it running."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import structlog

from notifier.notifying.calls import Calls
from notifier.notifying.email import MailServer
from notifier.notifying.people import Teller, Ways
from notifier.notifying.push import Pushing, new_identity
from notifier.notifying.webhooks import WebhookSender
from notifier.storage.duty import duty_of
from notifier.storage.practices import Practices
from notifier.storage.push_subscriptions import identity, replace_identity
from notifier.storage.webhook_endpoints import DisabledBecause, Endpoint
from shared_database import practice_scope
from shared_database.sealing import Sealer, Unopenable
from shared_messaging import Outgoing, Publisher, PublishFailed
from shared_schemas import topics
from shared_schemas.staff_notifications import WebhookDisabledV1

if TYPE_CHECKING:
    from shared_database.pools import Pool

SOURCE = "/switchboard/notifier"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sending:
    """Webhooks as they run. Without a key to encrypt them with there are none: `calls` is None."""

    calls: Calls | None
    wake: Callable[[], None]
    """Something may be due."""


@asynccontextmanager
async def sending_webhooks(  # noqa: PLR0913 - wired in one place
    pool: "Pool",
    publisher: Publisher,
    practices: Practices,
    sealer: Sealer | None,
    transport: httpx.AsyncBaseTransport,
    clock: Callable[[], datetime],
    *,
    seconds: float,
    failing_limit: timedelta,
) -> AsyncGenerator[Sending]:
    """Send them until the end; `seconds` and `failing_limit` as in the settings."""
    if sealer is None:
        yield Sending(None, lambda: None)
        return

    async def tell_administrators(endpoint: Endpoint, because: DisabledBecause, at: datetime) -> None:
        practice = await practices.one(pool, endpoint.practice_id)
        if practice is None or because == "asked":
            return
        people = tuple(one.staff_id for one in practice.members if one.is_administrator and one.is_active)
        event = WebhookDisabledV1(
            practice_id=endpoint.practice_id,
            visible_to=people,
            endpoint_id=endpoint.endpoint_id,
            because=because,
            disabled_at=at,
        )
        try:
            await publisher.send([Outgoing.of(topics.STAFF_NOTIFICATIONS.name, event, source=SOURCE, time=at)])
        except PublishFailed:
            # The endpoint says so wherever it is shown.
            log.warning("administrators could not be told of a disabled webhook endpoint")

    # Each call is bounded by `Calls`; a connection pool of another size would make endpoints wait for each other.
    async with httpx.AsyncClient(transport=transport, timeout=None) as http:  # noqa: S113
        calls = Calls(http, sealer, clock, seconds)
        sender = WebhookSender(pool, calls, clock, tell_administrators, failing_limit=failing_limit)
        running = asyncio.create_task(sender.run(), name="send webhooks")
        try:
            yield Sending(calls, sender.wake)
        finally:
            running.cancel()
            await asyncio.wait([running])


@asynccontextmanager
async def telling_people(  # noqa: PLR0913 - wired in one place
    pool: "Pool",
    sealer: Sealer | None,
    transport: httpx.AsyncBaseTransport,
    mail: MailServer | None,
    clock: Callable[[], datetime],
    *,
    contact: str,
    inbox_url: str,
    notifications_url: str,
) -> AsyncGenerator[Ways]:
    """Tell them until the end. Without a `sealer` there is no push."""
    async with httpx.AsyncClient(transport=transport) as http:
        push = Pushing(http, await _identity(pool, sealer), contact, clock) if sealer is not None else None

        async def is_rung(practice_id: str, staff_id: str, now: datetime) -> bool:
            async with practice_scope(pool, practice_id) as connection:
                duty = await duty_of(connection, practice_id)
            return duty is None or duty.is_on_duty(staff_id, now)

        ways = Ways(sealer, push, mail, inbox_url, notifications_url, is_rung)
        running = asyncio.create_task(Teller(pool, ways, clock).run(), name="tell people")
        try:
            yield ways
        finally:
            running.cancel()
            await asyncio.wait([running])


async def _identity(pool: "Pool", sealer: Sealer) -> bytes:
    """The key that push services know this installation by. Made by whoever needs it first, and the same ever after.

    Where the key that it was encrypted with is lost, so are all browsers' subscriptions: there is a new one.
    """
    place, new = "push-identity", new_identity()
    try:
        return sealer.open(await identity(pool, sealer.seal(new, place)), place)
    except Unopenable:
        log.warning("the push identity cannot be read with this key: browsers have to subscribe again")
        await replace_identity(pool, sealer.seal(new, place))
        return new
