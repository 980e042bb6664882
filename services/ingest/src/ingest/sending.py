"""Sends what practices write to patients by text: each at least once, in order for each patient, whatever happens between.

A text is written to the queue with the event that causes it, and what became of it with the event that says so. A crash
between the provider's yes and our note of it sends that one text twice: providers offer nothing to recognise it by, and a
lost answer would be worse.
"""

from datetime import timedelta

import httpx
import structlog
from prometheus_client import Counter

from ingest.adapters.refusals import SendFailed
from ingest.adapters.text_provider import StatusReport
from ingest.adapters.texts import Texting, can_text
from ingest.configuration import Adapter, TwilioVoice
from ingest.domain.delivery import failed, is_news
from ingest.publishing import Doors, Together
from ingest.storage.channels import channels_of
from ingest.storage.queues import put_off
from ingest.storage.texts import (
    TEXT_QUEUE,
    DueText,
    KnownText,
    mark_failed,
    mark_sent,
    save_consent,
    save_report,
    take_texts,
    text_for_report,
)
from ingest.working import is_last, wait_after, work_off
from shared_database import practice_scope
from shared_schemas import ids
from shared_schemas.conversation_changes import Actor, ConsentChangedV1, Delivery, DeliveryFailure, MessageAmendedV1
from shared_web import Problem

_AT_ONCE = 20
_LOOK_SECONDS = 0.3
_FIRST_WAIT = timedelta(seconds=2)

TEXTS = Counter("switchboard_texts", "Texts to patients, by what became of them.", ["outcome"])

log = structlog.get_logger()


class Sender:
    """Takes texts from the queue and hands them to their providers. Several may run at once."""

    def __init__(self, doors: Doors, texting: Texting) -> None:
        self._doors = doors
        self._texting = texting

    async def run(self) -> None:
        """Until cancelled."""
        await work_off(lambda: take_texts(self._doors.pool, _AT_ONCE), self._send, look_seconds=_LOOK_SECONDS)

    async def _send(self, text: DueText) -> None:
        channel = (await channels_of(self._doors.pool, text.practice_id, self._doors.sealer)).get(text.channel_id or "")
        if text.phone is None or channel is None or not can_text(channel) or isinstance(channel, TwilioVoice | Adapter):
            return await self._give_up(text, "no_channel")
        if not text.is_wanted:
            return await self._give_up(text, "opted_out")
        try:
            provider_message_id = await self._texting.send(
                text.channel_id or "", channel, text.phone, text.body, text_id=text.text_id
            )
        except SendFailed as error:
            return await self._failed(text, str(error.code), error.failure)
        except httpx.HTTPError as error:
            return await self._failed(text, type(error).__name__, None)
        TEXTS.labels("sent").inc()
        return await self._note_sent(text, provider_message_id)

    async def _note_sent(self, text: DueText, provider_message_id: str | None) -> None:
        """Never sent again, even where the spool is too full to tell anybody."""
        now = self._doors.clock()
        try:
            async with self._doors.together(text.practice_id) as both:
                if await mark_sent(both.connection, text, provider_message_id, now):
                    await tell(both, text.practice_id, text.text_id, text, Delivery(status="sent"))
        except Problem:
            async with practice_scope(self._doors.pool, text.practice_id) as connection:
                await mark_sent(connection, text, provider_message_id, now)

    async def _failed(self, text: DueText, code: str, failure: DeliveryFailure | None) -> None:
        if failure is None and is_last(text.attempts):
            failure = "given_up"
        if failure is not None:
            return await self._give_up(text, failure, code)
        log.warning("a text could not be sent yet", practice_id=text.practice_id, error=code)
        TEXTS.labels("retried").inc()
        return await put_off(self._doors.pool, TEXT_QUEUE, text.work, wait_after(text.attempts, _FIRST_WAIT))

    async def _give_up(self, text: DueText, failure: DeliveryFailure, code: str | None = None) -> None:
        log.warning("a text is given up", practice_id=text.practice_id, error=code or failure)
        TEXTS.labels("failed").inc()
        delivery = failed(failure, code)
        async with self._doors.together(text.practice_id) as both:
            await mark_failed(both.connection, text, delivery)
            await tell(both, text.practice_id, text.text_id, text, delivery)
            if failure == "opted_out" and code is not None and text.phone is not None:
                await _stop_texting(both, text, text.phone)


async def note_report(doors: Doors, practice_id: str, text_id: str, report: StatusReport) -> None:
    """Keep what a provider says became of a text, and tell staff, if it is news."""
    delivery = (
        failed(report.failure or "refused", report.provider_code)
        if report.status == "failed"
        else Delivery(status=report.status)
    )
    async with doors.together(practice_id) as both:
        known = await text_for_report(both.connection, practice_id, text_id, report.provider_message_id)
        if known is None or not is_news(known.status, report.status):
            return
        await save_report(both.connection, practice_id, text_id, report.provider_message_id, delivery)
        await tell(both, practice_id, text_id, known, delivery)
    TEXTS.labels(f"reported_{report.status}").inc()


async def tell(both: Together, practice_id: str, text_id: str, text: DueText | KnownText, delivery: Delivery) -> None:
    """Tell staff how far their reply has come. A reply's text has the reply's id; other texts are nobody's message."""
    if text.kind != "reply":
        return
    await both.publish(
        MessageAmendedV1(
            change_id=ids.content_id("delivery", practice_id, text_id, delivery.status, both.doors.clock().isoformat()),
            practice_id=practice_id,
            patient_id=text.patient_id,
            actor=Actor(kind="system"),
            occurred_at=both.doors.clock(),
            message_id=text_id,
            delivery=delivery,
        )
    )


async def _stop_texting(both: Together, text: DueText, phone: str) -> None:
    """The provider knows of a STOP that we do not: it was said before the number was ours, or to the provider."""
    now = both.doors.clock()
    if await save_consent(both.connection, text.practice_id, phone, is_given=False, at=now):
        await both.publish(
            ConsentChangedV1(
                change_id=ids.content_id("consent", text.practice_id, text.text_id),
                practice_id=text.practice_id,
                patient_id=text.patient_id,
                actor=Actor(kind="system"),
                occurred_at=now,
                channel="sms",
                opted_in=False,
            )
        )
