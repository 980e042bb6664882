"""Files of messages: their content goes to the blob store, what is known of them to PostgreSQL."""

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ingest.adapters.blobs import Blobs
from ingest.adapters.key_keepers import KeyUnavailable
from ingest.adapters.text_provider import Media
from ingest.domain.files import FileFailure, refusal, type_of
from ingest.domain.ranges import ByteRange
from ingest.sealing import OVERHEAD_BYTES, PIECE_BYTES, FileSealing, sealed_length
from ingest.storage.attachments import ExpectedFile, KnownAttachment, attachment_of, save_attachment
from shared_schemas import ids
from shared_schemas.values import Attachment

if TYPE_CHECKING:
    from shared_database.pools import Pool


class Unwelcome(Exception):  # noqa: N818 - the caller decides whether it is an error
    """A file that is not taken."""

    def __init__(self, failure: FileFailure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Attachments:
    """Keeps and finds files."""

    pool: "Pool"
    blobs: Blobs
    clock: Callable[[], datetime]
    most_bytes: int
    """The largest file that is taken."""
    sealing: FileSealing | None = None
    """None: files are kept as they came."""

    async def keep(
        self,
        practice_id: str,
        patient_id: str,
        attachment_id: str,
        content: bytes,
        *,
        allowed: Collection[str] | None = None,
    ) -> Attachment:
        """Keep a file that a patient sent; returns what its message carries of it, once it is durable.

        The same id must always be the same content. `allowed` are the content types that are taken, judged by the
        content; None: any. Raises `Unwelcome`, or one of `BLOB_FAILURES`.
        """
        failure = refusal(content, most_bytes=self.most_bytes, allowed=allowed)
        if failure is not None:
            raise Unwelcome(failure)
        await self.put(practice_id, attachment_id, content)
        known = KnownAttachment(practice_id, attachment_id, patient_id, "ready", type_of(content), len(content))
        await save_attachment(self.pool, known, self.clock())
        return as_told(known)

    async def put(self, practice_id: str, attachment_id: str, content: bytes) -> None:
        """Keep the content of a file that is known already; durable on return. Raises one of `BLOB_FAILURES`."""
        if self.sealing is not None:
            content = await self.sealing.seal(practice_id, attachment_id, content)
        await self.blobs.put(key_of(practice_id, attachment_id), content)

    async def find(self, practice_id: str, attachment_id: str) -> KnownAttachment | None:
        """A file of this practice; None where it has no such file."""
        return await attachment_of(self.pool, practice_id, attachment_id)

    async def content(self, one: KnownAttachment, part: ByteRange) -> AsyncGenerator[bytes]:
        """Bytes of a file that is ready. Raises one of `BLOB_FAILURES` when they are asked for.

        A file that is longer in the store than its content is sealed: those from before files were sealed are not.
        """
        key = key_of(one.practice_id, one.attachment_id)
        is_plain = await self.blobs.size(key) == one.size
        pieces = self.blobs.read(key, part.start, part.length) if is_plain else self._opened(one, key, part)
        async for piece in pieces:
            yield piece

    async def _opened(self, one: KnownAttachment, key: str, part: ByteRange) -> AsyncGenerator[bytes]:
        if self.sealing is None:
            raise KeyUnavailable
        end = part.start + part.length
        for start in range(part.start // PIECE_BYTES * PIECE_BYTES, end, PIECE_BYTES):
            length = min(PIECE_BYTES, one.size - start)
            stored = self.blobs.read(key, sealed_length(start), length + OVERHEAD_BYTES)
            sealed = b"".join([some async for some in stored])
            piece = await self.sealing.open(one.practice_id, one.attachment_id, one.size, start, sealed)
            yield piece[max(0, part.start - start) : end - start]

    async def remove(self, practice_id: str, attachment_ids: Sequence[str]) -> None:
        """Remove the content of files. Raises one of `BLOB_FAILURES`."""
        await self.blobs.remove([key_of(practice_id, one) for one in attachment_ids])


def as_told(one: KnownAttachment) -> Attachment:
    """What events and staff apps get to know of a file."""
    return Attachment(
        id=one.attachment_id,
        content_type=one.content_type,
        size=one.size,
        url=f"/v1/attachments/{one.attachment_id}",
        state=one.state,
    )


def as_expected(one: ExpectedFile) -> Attachment:
    """What a message carries of a file that is still at the provider."""
    return Attachment(
        id=one.attachment_id,
        content_type=one.content_type,
        size=0,
        url=f"/v1/attachments/{one.attachment_id}",
        state="pending",
    )


def key_of(practice_id: str, attachment_id: str) -> str:
    """Where the content of a file is in the blob store."""
    return f"{practice_id}/{attachment_id}"


def expected(message_id: str, media: Sequence[Media]) -> list[ExpectedFile]:
    """Files of a message that are still at the provider, in the message's order: the same ids however often it comes."""
    return [
        ExpectedFile(ids.content_id("attachment", message_id, str(index)), one.content_type, one.url)
        for index, one in enumerate(media)
    ]
