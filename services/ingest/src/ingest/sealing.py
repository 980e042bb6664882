"""Files at rest: sealed with a key of their practice's own, piece by piece, so that any part can be read.

A piece is bound to its file, its place in it and the file's size: pieces cannot be exchanged, and none can be left out.
Whoever throws a practice's key away has made its files unreadable, in backups too.
"""

import secrets
import time
from typing import TYPE_CHECKING

from ingest.adapters.key_keepers import KeyKeeper, KeyUnavailable
from ingest.storage.practice_keys import keep_first_key, keep_rewrapped, wrapped_key_of
from shared_database.sealing import KEY_BYTES, Sealer, Unopenable

if TYPE_CHECKING:
    from shared_database.pools import Pool

PIECE_BYTES = 1024 * 1024
OVERHEAD_BYTES = 32
"""Of a piece: which key, the nonce, the tag (`shared_database.sealing`)."""
_REMEMBERED_SECONDS = 300.0
"""A key that was thrown away, or wrapped by a keeper that no longer answers, works for so long at the most."""


class FileSealing:
    """Seals and opens pieces of files."""

    def __init__(self, pool: "Pool", keeper: KeyKeeper) -> None:
        self._pool = pool
        self._keeper = keeper
        self._known: dict[str, tuple[float, Sealer]] = {}

    async def seal(self, practice_id: str, name: str, content: bytes) -> bytes:
        """A whole file. Raises `KeyUnavailable`."""
        sealer = await self._sealer_of(practice_id)
        return b"".join(
            sealer.seal(content[start : start + PIECE_BYTES], *_place(practice_id, name, len(content), start))
            for start in range(0, len(content), PIECE_BYTES)
        )

    async def open(self, practice_id: str, name: str, size: int, start: int, sealed: bytes) -> bytes:
        """The piece of a file of `size` bytes that begins at `start`. Raises `KeyUnavailable`: also for another's piece."""
        try:
            return (await self._sealer_of(practice_id)).open(sealed, *_place(practice_id, name, size, start))
        except Unopenable as error:
            raise KeyUnavailable from error

    async def rewrap(self, practice_id: str) -> None:
        """Wrap a practice's key anew, after the keeper has another one. Raises `KeyUnavailable`."""
        wrapped = await wrapped_key_of(self._pool, practice_id)
        if wrapped is not None:
            key = await self._keeper.unwrap(wrapped, practice_id)
            await keep_rewrapped(self._pool, practice_id, wrapped, await self._keeper.wrap(key, practice_id))

    async def _sealer_of(self, practice_id: str) -> Sealer:
        until, sealer = self._known.get(practice_id, (0.0, None))
        if sealer is None or until < time.monotonic():
            wrapped = await wrapped_key_of(self._pool, practice_id)
            if wrapped is None:
                made = await self._keeper.wrap(secrets.token_bytes(KEY_BYTES), practice_id)
                wrapped = await keep_first_key(self._pool, practice_id, made)
            sealer = Sealer([await self._keeper.unwrap(wrapped, practice_id)])
            self._known[practice_id] = (time.monotonic() + _REMEMBERED_SECONDS, sealer)
        return sealer


def sealed_length(size: int) -> int:
    """How long a sealed file of `size` bytes is: longer than the file, unless that is empty."""
    return size + OVERHEAD_BYTES * -(-size // PIECE_BYTES)


def _place(practice_id: str, name: str, size: int, start: int) -> tuple[str, ...]:
    return practice_id, name, str(size), str(start)
