"""Lets go what a practice's schedule no longer keeps: messages, texts, and files with their content."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ingest.attachments import Attachments
from ingest.storage.forgetting import forget_files, forget_old_words, old_files
from ingest.storage.patients import settings_of

if TYPE_CHECKING:
    from shared_database.pools import Pool


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Knows where the content of files is."""

    files: Attachments

    async def forget_old(self, pool: "Pool", practice_id: str, now: datetime) -> int:
        """See `shared_database.retention.ForgetOld`. Raises one of `BLOB_FAILURES`.

        A file's content goes first: what dies in between leaves a row behind that is found again.
        """
        kept = (await settings_of(pool, practice_id)).retention
        words = await forget_old_words(pool, practice_id, now - timedelta(days=kept.messages_days), now)
        files = await old_files(pool, practice_id, now - timedelta(days=kept.files_days))
        await self.files.remove(practice_id, files)
        await forget_files(pool, practice_id, files)
        return words + len(files)
