"""Files are sealed with a key of their practice, whoever keeps the key that this one is wrapped with."""

import asyncio
import base64
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from ingest.adapters.blobs import BLOB_FAILURES, Blobs
from ingest.adapters.key_keepers import KeyKeeper, KeyUnavailable, SettingsKeeper, TransitKeeper
from ingest.attachments import Attachments
from ingest.domain.ranges import ByteRange
from ingest.sealing import PIECE_BYTES, FileSealing
from ingest.storage.attachments import KnownAttachment
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate
from shared_database.sealing import Sealer, new_key
from shared_web import serve
from switchboard_cli.origin import SCHEMAS
from switchboard_cli.ports import free_port

if TYPE_CHECKING:
    from shared_database.pools import Pool

TOKEN = "made-up-token"  # noqa: S105
CONTENT = bytes(range(251)) * (PIECE_BYTES * 5 // 2 // 251)


class Asked(BaseModel):
    plaintext: str = ""
    ciphertext: str = ""
    associated_data: str = ""


def transit() -> FastAPI:
    """Vault's Transit engine, as its API documentation says it: https://developer.hashicorp.com/vault/api-docs/secret/transit"""
    app, cipher = FastAPI(), AESGCM(AESGCM.generate_key(256))
    nonce = bytes(12)

    def refused(status: int, words: str) -> JSONResponse:
        return JSONResponse({"errors": [words]}, status)

    @app.post("/v1/transit/{what}/switchboard")
    async def ask(what: str, body: Asked, x_vault_token: Annotated[str, Header()] = "") -> JSONResponse:
        if x_vault_token != TOKEN:
            return refused(403, "permission denied")
        bound = base64.b64decode(body.associated_data)
        if what == "encrypt":
            sealed = cipher.encrypt(nonce, base64.b64decode(body.plaintext), bound)
            return JSONResponse(
                {"data": {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}", "key_version": 1}}
            )
        try:
            opened = cipher.decrypt(nonce, base64.b64decode(body.ciphertext.removeprefix("vault:v1:")), bound)
        except InvalidTag:
            return refused(400, "cipher: message authentication failed")
        return JSONResponse({"data": {"plaintext": base64.b64encode(opened).decode()}})

    return app


@asynccontextmanager
async def transit_keeper(token: str = TOKEN) -> AsyncGenerator[KeyKeeper]:
    port, stop, ready = free_port(), asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(transit(), host="127.0.0.1", port=port, stop=stop, ready=ready.set))
    await asyncio.wait_for(ready.wait(), 30)
    try:
        async with httpx.AsyncClient() as http:
            yield TransitKeeper(http, f"http://127.0.0.1:{port}/v1/transit", "switchboard", token)
    finally:
        stop.set()
        await serving


@dataclass(frozen=True, slots=True)
class Shelf:
    """Sealed files of a practice, and where they lie."""

    pool: "Pool"
    keeper: KeyKeeper
    folder: Path
    practice_id: str

    @property
    def files(self) -> Attachments:
        """As a process that has just started has them: it remembers no key."""
        sealing = FileSealing(self.pool, self.keeper)
        return Attachments(self.pool, Blobs(self.folder.as_uri()), lambda: datetime.now(UTC), 2**30, sealing)

    def lies_at(self, name: str, practice_id: str | None = None) -> Path:
        return self.folder / (practice_id or self.practice_id) / name

    def known(self, name: str, practice_id: str | None = None) -> KnownAttachment:
        return KnownAttachment(practice_id or self.practice_id, name, "pt-1", "ready", "image/png", len(CONTENT))

    async def read(self, one: KnownAttachment, start: int = 0, length: int = len(CONTENT)) -> bytes:
        return b"".join([part async for part in self.files.content(one, ByteRange(start, length))])


@pytest.fixture(params=["settings", "transit"])
async def shelf(postgres_dsn: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[Shelf]:
    migrate(postgres_dsn, SCHEMAS)
    practice_id = f"sealed-{uuid4().hex[:8]}"
    async with await create_pool(DatabaseLogin(postgres_dsn, "ingest"), min_size=0) as pool:
        if request.param == "settings":
            yield Shelf(pool, SettingsKeeper(Sealer.of(new_key())), tmp_path, practice_id)
        else:
            async with transit_keeper() as keeper:
                yield Shelf(pool, keeper, tmp_path, practice_id)


@pytest.mark.parametrize(
    ("start", "length"),
    [
        (0, len(CONTENT)),
        (0, 1),
        (PIECE_BYTES - 3, 6),
        (PIECE_BYTES, PIECE_BYTES),
        (len(CONTENT) - 5, 5),
    ],
)  # fmt: skip
async def test_a_sealed_file_is_read_whole_and_in_any_part(shelf: Shelf, start: int, length: int) -> None:
    await shelf.files.put(shelf.practice_id, "a", CONTENT)

    assert await shelf.read(shelf.known("a"), start, length) == CONTENT[start : start + length]
    assert CONTENT[:64] not in shelf.lies_at("a").read_bytes()


async def test_a_file_that_was_exchanged_cut_or_moved_is_not_read(shelf: Shelf) -> None:
    for name in ("a", "b"):
        await shelf.files.put(shelf.practice_id, name, CONTENT)
    neighbour = f"{shelf.practice_id}-next"
    await shelf.files.put(neighbour, "a", CONTENT)
    shutil.copy(shelf.lies_at("b"), shelf.lies_at("a"))
    shutil.copy(shelf.lies_at("b"), shelf.lies_at("a", neighbour))
    shelf.lies_at("b").write_bytes(shelf.lies_at("b").read_bytes()[:-PIECE_BYTES])

    for one in (shelf.known("a"), shelf.known("a", neighbour), shelf.known("b")):
        with pytest.raises(BLOB_FAILURES):
            await shelf.read(one)


async def test_without_the_practices_key_its_files_are_lost(shelf: Shelf) -> None:
    await shelf.files.put(shelf.practice_id, "a", CONTENT)
    async with practice_scope(shelf.pool, shelf.practice_id) as connection:
        await connection.execute("DELETE FROM practice_key")

    with pytest.raises(KeyUnavailable):
        await shelf.read(shelf.known("a"))


async def test_files_from_before_they_were_sealed_are_still_read(shelf: Shelf) -> None:
    shelf.lies_at("a").parent.mkdir()
    shelf.lies_at("a").write_bytes(CONTENT)

    assert await shelf.read(shelf.known("a"), 7, 5) == CONTENT[7:12]


async def test_after_rewrapping_the_old_key_is_needed_no_more(postgres_dsn: str, tmp_path: Path) -> None:
    migrate(postgres_dsn, SCHEMAS)
    old, new, practice_id = new_key(), new_key(), f"sealed-{uuid4().hex[:8]}"
    async with await create_pool(DatabaseLogin(postgres_dsn, "ingest"), min_size=0) as pool:

        def shelf_with(*keys: str) -> Shelf:
            return Shelf(pool, SettingsKeeper(Sealer.of(",".join(keys))), tmp_path, practice_id)

        before = shelf_with(old)
        await before.files.put(practice_id, "a", CONTENT)
        with pytest.raises(KeyUnavailable):
            await shelf_with(new).read(before.known("a"))
        both = shelf_with(new, old)
        await FileSealing(pool, both.keeper).rewrap(practice_id)

        assert await shelf_with(new).read(before.known("a")) == CONTENT


async def test_a_key_keeper_that_refuses_or_is_away_is_a_failure_of_the_store() -> None:
    async with transit_keeper("another-token") as refusing:
        with pytest.raises(BLOB_FAILURES):
            await refusing.wrap(bytes(32), "a-practice")
    async with httpx.AsyncClient() as http:
        away = TransitKeeper(http, f"http://127.0.0.1:{free_port()}/v1/transit", "switchboard", TOKEN)
        with pytest.raises(BLOB_FAILURES):
            await away.wrap(bytes(32), "a-practice")
