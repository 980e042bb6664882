"""What the endpoints work with, and who may use them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends

from notifier.domain.inboxes import CLOSED
from notifier.domain.visibility import Practice
from notifier.storage.counts import inboxes_seen_by
from notifier.storage.practices import Practices
from notifier.streams import StaffStreams
from shared_database import audit
from shared_messaging import Outgoing, Publisher, PublishFailed
from shared_schemas import topics
from shared_schemas.staff_notifications import StaffEvent
from shared_web import Principal, Problem, staff_of

if TYPE_CHECKING:
    from shared_database.pools import Pool

SOURCE = "/switchboard/notifier"

Staff = Annotated[Principal, Depends(staff_of)]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the endpoints work with."""

    pool: "Pool"
    publisher: Publisher
    streams: StaffStreams
    practices: Practices
    clock: Callable[[], datetime]
    action_wait_seconds: float

    async def practice_for(self, caller: Principal) -> Practice | None:
        """The caller's practice; None while we have no settings of it.

        A deactivated person's token may live on for a while, but it opens nothing any more (D4): a 403 problem.
        """
        practice = await self.practices.one(self.pool, practice_id_of(caller))
        if practice is not None and practice.is_deactivated(caller.staff_id):
            raise Problem(HTTPStatus.FORBIDDEN, "You are deactivated in this practice")
        return practice

    async def audit(self, caller: Principal, action: str, subject: str, patient_ids: Iterable[str] = ()) -> None:
        """Note who reads or changes what, before it is answered."""
        await audit(self.pool, practice_id_of(caller), caller, action, subject, patient_ids)

    async def publish(self, outgoing: Outgoing) -> None:
        """Send an event; a 503 problem when Kafka does not take it. The same request again does no harm."""
        try:
            await self.publisher.send([outgoing])
        except PublishFailed:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "This could not be noted: try again") from None

    async def announce(self, event: StaffEvent) -> None:
        """Tell the staff streams."""
        await self.publish(Outgoing.of(topics.STAFF_NOTIFICATIONS.name, event, source=SOURCE, time=self.clock()))


Ask = Callable[[], Dependencies]
"""Asked at each request: the dependencies exist only while the app runs."""


def practice_id_of(caller: Principal) -> str:
    """The practice of a member of the staff: `staff_of` has seen to it that there is one."""
    return caller.practice_id or ""


def check_readable(inbox: str | None, practice: Practice | None, staff_id: str) -> None:
    """Raises a 404 problem for an inbox that this person does not see; `closed` everybody does."""
    if inbox not in {None, CLOSED, *inboxes_seen_by(practice, staff_id)}:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such inbox for you")


def no_conversation() -> Problem:
    """The same answer whether there is none or it is another practice's."""
    return Problem(HTTPStatus.NOT_FOUND, "There is no such conversation for you")
