"""Copies what providers keep of a message (media, recordings) to the blob store, as soon as the message is accepted.

A file is noted, with the wish to copy it, before its message is published. So a crash at any point leaves it in the queue,
and the message waits for no provider: staff are told at once, and again when the file is there.
"""

from datetime import timedelta
from typing import assert_never

import httpx
import structlog
from prometheus_client import Counter

from ingest.adapters import twilio
from ingest.adapters.blobs import BLOB_FAILURES
from ingest.adapters.media import MediaSource, NotFetched
from ingest.attachments import Attachments, as_told
from ingest.configuration import Adapter, Channel, TelnyxSms, TwilioSms, TwilioVoice
from ingest.domain.files import FileFailure, type_of
from ingest.publishing import Doors
from ingest.storage.attachments import FILE_QUEUE, DueFile, KnownAttachment, settle_file, take_files
from ingest.storage.channels import channels_of
from ingest.storage.queues import put_off
from ingest.working import is_last, wait_after, work_off
from shared_schemas import ids
from shared_schemas.conversation_changes import Actor, MessageAmendedV1

_AT_ONCE = 4
"""Files at a time: each may be as large as the largest that is taken, in memory."""
_LOOK_SECONDS = 0.2
_FIRST_WAIT = timedelta(seconds=1)
_MOST_LOOKS = 8
"""How often a file may be missing, about four minutes long: it is announced before it can be read."""

FILES = Counter("switchboard_files", "Files copied from providers, by what became of them.", ["outcome"])

log = structlog.get_logger()


class Copier:
    """Takes files from the queue and copies them. Several may run at once."""

    def __init__(self, doors: Doors, attachments: Attachments, source: MediaSource, twilio_api_url: str) -> None:
        self._doors = doors
        self._attachments = attachments
        self._source = source
        self._twilio_api_url = twilio_api_url

    async def run(self) -> None:
        """Until cancelled."""
        await work_off(lambda: take_files(self._doors.pool, _AT_ONCE), self._copy, look_seconds=_LOOK_SECONDS)

    async def _copy(self, one: DueFile) -> None:
        channel = (await channels_of(self._doors.pool, one.practice_id, self._doors.sealer)).get(one.channel_id)
        url = one.source_url.replace(twilio.API_URL, self._twilio_api_url, 1)
        try:
            content = await self._source.fetch(url, _credentials(channel))
            await self._attachments.put(one.practice_id, one.attachment_id, content)
        except NotFetched as error:
            is_final = error.is_final or (error.failure == "not_found" and one.attempts + 1 >= _MOST_LOOKS)
            return await self._failed(one, error.failure, is_final=is_final)
        except (httpx.HTTPError, *BLOB_FAILURES) as error:
            log.warning("a file could not be copied yet", practice_id=one.practice_id, error=type(error).__name__)
            return await self._failed(one, "not_reachable", is_final=False)
        FILES.labels("copied").inc()
        return await self._settle(one, type_of(content), len(content), None)

    async def _failed(self, one: DueFile, failure: FileFailure, *, is_final: bool) -> None:
        if is_final or is_last(one.attempts):
            log.warning("a file is given up", practice_id=one.practice_id, error=failure)
            FILES.labels("failed").inc()
            return await self._settle(one, one.content_type, 0, failure)
        FILES.labels("retried").inc()
        return await put_off(self._doors.pool, FILE_QUEUE, one.work, wait_after(one.attempts, _FIRST_WAIT))

    async def _settle(self, one: DueFile, content_type: str, size: int, failure: FileFailure | None) -> None:
        known = KnownAttachment(
            one.practice_id, one.attachment_id, one.patient_id, "failed" if failure else "ready", content_type, size
        )
        async with self._doors.together(one.practice_id) as both:
            await settle_file(both.connection, one, content_type, size, failure)
            await both.publish(
                MessageAmendedV1(
                    change_id=ids.content_id("copied", one.practice_id, one.attachment_id),
                    practice_id=one.practice_id,
                    patient_id=one.patient_id,
                    actor=Actor(kind="system"),
                    occurred_at=self._doors.clock(),
                    message_id=one.message_id,
                    attachment=as_told(known),
                )
            )


def _credentials(channel: Channel | None) -> tuple[str, str] | None:
    """What the provider's own API asks for. Telnyx gives out addresses that are signed."""
    match channel:
        case TwilioSms() | TwilioVoice():
            return channel.account_sid, channel.auth_token
        case TelnyxSms() | Adapter() | None:
            return None
        case _:
            assert_never(channel)
