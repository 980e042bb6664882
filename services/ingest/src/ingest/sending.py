"""Sends what practices write to patients by text: each at least once, in order for each patient, whatever happens between.

A text is written to the queue with the event that causes it. A crash between the provider's yes and our note of it
sends that one text twice: providers offer nothing to recognise it by, and a lost answer would be worse.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import structlog
from prometheus_client import Counter

from ingest.adapters.refusals import SendFailed
from ingest.adapters.texts import Texting, can_text
from ingest.configuration import Adapter, TwilioVoice
from ingest.storage.practices import channels_of
from ingest.storage.texts import DueText, lease_texts, mark_failed, mark_sent, try_later
from shared_database import DATABASE_FAILURES

if TYPE_CHECKING:
    from shared_database.pools import Pool

_AT_ONCE = 20
_LOOK_SECONDS = 0.5
_FIRST_WAIT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(minutes=15)
_MOST_ATTEMPTS = 40
"""With the waits between them about eight hours."""

TEXTS = Counter("switchboard_texts", "Texts to patients, by what became of them.", ["outcome"])

log = structlog.get_logger()


class Sender:
    """Takes texts from the queue and hands them to their providers. Several may run at once."""

    def __init__(self, pool: "Pool", texting: Texting, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._texting = texting
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                due = await lease_texts(self._pool, _AT_ONCE)
                await asyncio.gather(*map(self._send, due))
            except DATABASE_FAILURES as error:
                log.warning("texts wait for the database", error=type(error).__name__)
                due = []
            if not due:
                await asyncio.sleep(_LOOK_SECONDS)

    async def _send(self, text: DueText) -> None:
        channel = (await channels_of(self._pool, text.practice_id)).get(text.channel_id or "")
        if text.phone is None or channel is None or not can_text(channel) or isinstance(channel, TwilioVoice | Adapter):
            return await self._give_up(text, "no_channel")
        if not text.is_wanted:
            return await self._give_up(text, "opted_out")
        try:
            provider_message_id = await self._texting.send(channel, text.phone, text.body)
        except SendFailed as error:
            return await self._failed(text, str(error.code), is_final=error.is_final)
        except httpx.HTTPError as error:
            return await self._failed(text, type(error).__name__, is_final=False)
        await mark_sent(self._pool, text, provider_message_id, self._clock())
        TEXTS.labels("sent").inc()
        return None

    async def _failed(self, text: DueText, failure: str, *, is_final: bool) -> None:
        if is_final or text.attempts + 1 >= _MOST_ATTEMPTS:
            return await self._give_up(text, failure)
        log.warning("a text could not be sent yet", practice_id=text.practice_id, error=failure)
        TEXTS.labels("retried").inc()
        return await try_later(self._pool, text, min(_FIRST_WAIT * 2**text.attempts, _LONGEST_WAIT))

    async def _give_up(self, text: DueText, failure: str) -> None:
        log.warning("a text is given up", practice_id=text.practice_id, error=failure)
        TEXTS.labels("failed").inc()
        await mark_failed(self._pool, text, failure)
