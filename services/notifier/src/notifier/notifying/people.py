"""Tells people who are not looking, by push and by e-mail: of each thing once through each channel, if it still waits.

What is due for a person through a channel is told at once, however many messages it is of. A crash between a server's yes
and our note of it tells that once more: neither push services nor mail servers offer anything to recognise it by.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, assert_never

import structlog
from prometheus_client import Counter

from notifier.domain.preferences import Channel
from notifier.domain.retrying import pause_after
from notifier.notifying.email import MailContent, MailFailed, MailRefused, MailServer, send_mail
from notifier.notifying.push import BrowserSubscription, PushFailed, Pushing, SubscriptionGone
from notifier.storage.notices import (
    NoticeLane,
    Outcome,
    Waiting,
    forget_notices,
    lease_people,
    note_told,
    preference_of,
    release_person,
    waiting_for,
)
from notifier.storage.push_subscriptions import remove_subscription, subscriptions_of
from shared_database import DATABASE_FAILURES, practice_scope
from shared_database.sealing import Sealer, Unopenable

if TYPE_CHECKING:
    from shared_database.pools import Pool

_AT_ONCE = 50
_LOOK_SECONDS = 0.5
_FORGET_EVERY = timedelta(hours=1)

TOLD = Counter(
    "switchboard_personal_notices", "Push messages and e-mails, by what became of them.", ["channel", "outcome"]
)

log = structlog.get_logger()

IsRung = Callable[[str, str, datetime], Awaitable[bool]]
"""Whether a person (practice, staff id) is to be rung now. The one place where that is asked: see `everybody_is`."""


class NotTold(Exception):  # noqa: N818 - it says what happened
    """Nobody took it: it is tried again."""


async def everybody_is(_practice_id: str, _staff_id: str, _now: datetime) -> bool:
    """Rung at any time, as far as preferences allow."""
    return True


@dataclass(frozen=True, slots=True)
class Ways:
    """How people can be told. A way that is None is not set up: nothing is lost, and nobody is told that way."""

    sealer: Sealer | None
    push: Pushing | None
    mail: MailServer | None
    inbox_url: str
    notifications_url: str
    """Where people say how they are told, and administrators see the practice's endpoints."""
    is_rung: IsRung = everybody_is

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Those that are set up."""
        push: tuple[Channel, ...] = ("push",) if self.push is not None else ()
        return (*push, "email") if self.mail is not None else push


class Teller:
    """Several may run at once, in as many processes."""

    def __init__(self, pool: "Pool", ways: Ways, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._ways = ways
        self._clock = clock
        self._forget_at = clock()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                told = await self.work_once()
            except DATABASE_FAILURES as error:
                log.warning("personal notices wait for the database", error=type(error).__name__)
                told = 0
            if not told:
                await asyncio.sleep(_LOOK_SECONDS)

    async def work_once(self) -> int:
        """Tell everybody to whom something is due now; to how many that was."""
        now = self._clock()
        if now >= self._forget_at:
            self._forget_at = now + _FORGET_EVERY
            await forget_notices(self._pool, now)
        lanes = await lease_people(self._pool, self._ways.channels, _AT_ONCE, now)
        for went in await asyncio.gather(*map(self._work, lanes), return_exceptions=True):
            if isinstance(went, Exception):
                # Whatever happened to one person's notices, they are tried again when their lease ends.
                log.error("a person's notices stopped", error=type(went).__name__)
        return len(lanes)

    async def _work(self, lane: NoticeLane) -> None:
        now, failures = self._clock(), 0
        async with practice_scope(self._pool, lane.practice_id) as connection:
            waiting = await waiting_for(connection, lane, now)
        if waiting is not None:
            try:
                outcomes = await self._tell(lane, waiting, now)
            except NotTold:
                failures = lane.failures + 1
                TOLD.labels(lane.channel, "tried_again").inc()
            else:
                for outcome, notices in outcomes.items():
                    TOLD.labels(lane.channel, outcome).inc()
                    async with practice_scope(self._pool, lane.practice_id) as connection:
                        await note_told(connection, lane, notices, outcome)
        await release_person(self._pool, lane, now + pause_after(failures) if failures else now, failures)

    async def _tell(self, lane: NoticeLane, waiting: Waiting, now: datetime) -> dict[Outcome, Sequence[str]]:
        """What became of which notices. Raises `NotTold`."""
        if waiting.ringing and not await self._ways.is_rung(lane.practice_id, lane.staff_id, now):
            left = replace(waiting, ringing=(), conversations=0, urgent=False)
            others = await self._tell(lane, left, now) if left.disabled else {}
            return {"off_duty": waiting.ringing, **others}
        match lane.channel:
            case "push":
                outcome = await self._push(lane, waiting)
            case "email":
                outcome = await self._mail(lane, waiting)
            case _:
                assert_never(lane.channel)
        return {outcome: (*waiting.ringing, *waiting.disabled)}

    async def _push(self, lane: NoticeLane, waiting: Waiting) -> Outcome:
        """To all browsers of the person: told, when one of them took it."""
        sealed = await subscriptions_of(self._pool, lane.practice_id, lane.staff_id)
        results = await asyncio.gather(*(self._push_to(lane, waiting, *one) for one in sealed.items()))
        if any(results):
            return "sent"
        if None in results:
            raise NotTold
        return "failed"

    async def _push_to(self, lane: NoticeLane, waiting: Waiting, subscription_id: str, sealed: bytes) -> bool | None:
        """Whether the browser's push service took it; None: not now."""
        place = subscription_place(lane.practice_id, lane.staff_id)
        assert self._ways.push is not None  # noqa: S101 - lanes of other channels are not leased
        assert self._ways.sealer is not None  # noqa: S101 - there is push
        try:
            subscription = BrowserSubscription.model_validate_json(self._ways.sealer.open(sealed, *place))
            await self._ways.push.push(subscription, waiting.conversations, urgent=waiting.urgent)
        except PushFailed:
            return None
        except (SubscriptionGone, Unopenable):
            await remove_subscription(self._pool, lane.practice_id, lane.staff_id, subscription_id)
            return False
        return True

    async def _mail(self, lane: NoticeLane, waiting: Waiting) -> Outcome:
        wish = (await preference_of(self._pool, lane.practice_id, lane.staff_id)).email
        assert self._ways.mail is not None  # noqa: S101 - lanes of other channels are not leased
        if wish is None:
            return "failed"
        try:
            await send_mail(
                self._ways.mail,
                wish.address,
                MailContent(
                    waiting.conversations,
                    self._ways.inbox_url,
                    len(waiting.disabled),
                    self._ways.notifications_url,
                    urgent=waiting.urgent,
                ),
            )
        except MailRefused:
            return "failed"
        except MailFailed:
            raise NotTold from None
        return "sent"


def subscription_place(practice_id: str, staff_id: str) -> Sequence[str]:
    """Where a browser's subscription is sealed for."""
    return practice_id, "push-subscription", staff_id
