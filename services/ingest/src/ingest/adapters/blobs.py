"""Where the content of files is kept: a folder of this machine, or a bucket of S3 or of what speaks its language.

https://developmentseed.org/obstore: for `s3://bucket/prefix` the credentials, the region and the endpoint are taken from
the environment, under the names that AWS gives them (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …).
"""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

if TYPE_CHECKING:
    from obstore.store import ObjectStore

BLOB_FAILURES = (BaseError, OSError)
"""What a store that is away, full, or not set up raises."""
_CHUNK_BYTES = 1024 * 1024
_TRIAL = "trial"
"""No practice's key: those have a slash."""


class Blobs:
    """Content by key. A key is written once, or again with the same content, so nothing is ever half new.

    A store that cannot be reached does no harm before it is asked: messages come in without it.
    """

    def __init__(self, url: str) -> None:
        """`url`: `file:///folder` (made when it is not there) or `s3://bucket/prefix`."""
        self._url = url

    async def put(self, key: str, content: bytes) -> None:
        """Keep this; durable on return. Raises one of `BLOB_FAILURES`."""
        await self._store.put_async(key, content)

    async def read(self, key: str, start: int, length: int) -> AsyncGenerator[bytes]:
        """These bytes, in pieces. Raises one of `BLOB_FAILURES`; FileNotFoundError where there is no such key."""
        end = start + length
        for place in range(start, end, _CHUNK_BYTES):
            yield bytes(await self._store.get_range_async(key, start=place, end=min(place + _CHUNK_BYTES, end)))

    async def try_out(self) -> None:
        """Keep something, read it again, and delete it. Raises one of `BLOB_FAILURES` when that cannot be done."""
        await self.put(_TRIAL, _TRIAL.encode())
        if [part async for part in self.read(_TRIAL, 0, len(_TRIAL))] != [_TRIAL.encode()]:
            message = "the blob store gave back something else"
            raise OSError(message)
        await self._store.delete_async(_TRIAL)

    async def size(self, key: str) -> int:
        """How many bytes there are. Raises one of `BLOB_FAILURES`; FileNotFoundError where there is no such key."""
        return (await self._store.head_async(key))["size"]

    async def remove(self, keys: Sequence[str]) -> None:
        """Remove these; what is not there is gone already. Raises one of `BLOB_FAILURES`."""
        for key in keys:
            with contextlib.suppress(FileNotFoundError):
                await self._store.delete_async(key)

    @cached_property
    def _store(self) -> "ObjectStore":
        if self._url.startswith("file:"):
            return LocalStore.from_url(self._url, mkdir=True)
        return from_url(self._url)
