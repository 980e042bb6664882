"""Writes everything that is kept of a practice to one file: what it may ask for, and what it takes along when it leaves."""

import json
import zipfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import ValidationError

import ingest.app
from ingest.adapters.blobs import Blobs
from ingest.attachments import Attachments
from ingest.configuration import SECRETS
from ingest.domain.ranges import ByteRange
from ingest.settings import KeySettings
from ingest.storage.channels import reseal_channels
from shared_database import DatabaseLogin, append_audit, create_pool
from shared_database.sealing import Sealer, Unopenable
from shared_web.settings import what_is_wrong
from switchboard_cli.auditing import Operator, look_into, owner, see, seeing, tables_of_practices
from switchboard_cli.failures import Failed
from switchboard_cli.origin import SCHEMAS
from switchboard_cli.progress import Progress

if TYPE_CHECKING:
    from ingest.sealing import FileSealing
    from shared_database.pools import Connection, Pool

_ROWS_AT_ONCE = 1_000
_LEFT_OUT = frozenset(
    {
        "contact_key", "file_queue", "known_device", "login", "login_count", "practice_key",
        "practice_of", "retention_due", "session",
        "spooled", "spooled_event", "stream_ticket", "text_queue", "unfinished_settings", "webhook_event",
    }
)  # fmt: skip
"""Keys, digests of secrets, and queues."""
_SECRET = frozenset({"sealed", "secret", "earlier_secret", *SECRETS})
"""Columns, and members of a channel's configuration."""


async def write_records(archive: zipfile.ZipFile, dsn: str, blob_url: str, practice_id: str, progress: Progress) -> int:
    """Write a practice's rows, one file of JSON lines for each table, and its files; returns how many rows.

    All rows are of one moment. Without secrets. Raises one of `BLOB_FAILURES`.
    """
    async with owner(dsn) as connection:
        async with seeing(connection, practice_id):
            await look_into(connection, ingest.app.SCHEMA.schema)
            await append_audit(connection, practice_id, Operator("switchboard-records"), "export", "records")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await see(connection, practice_id)
            written = 0
            for schema in SCHEMAS:
                for table in await _tables(connection, schema.schema):
                    with archive.open(f"{schema.schema}/{table}.jsonl", "w", force_zip64=True) as file:
                        async for line in _lines(connection, f"{schema.schema}.{table}", practice_id):
                            file.write(line)
                            written += 1
                            progress(written, 0)
            await _write_files(connection, archive, practice_id, blob_url, dsn)
    return written


async def _tables(connection: "Connection", schema: str) -> list[str]:
    return [name for name in await tables_of_practices(connection, schema) if name not in _LEFT_OUT]


async def _lines(connection: "Connection", table: str, practice_id: str) -> AsyncGenerator[bytes]:
    rows = connection.cursor(
        f"SELECT to_jsonb(one)::text FROM {table} AS one WHERE practice_id = $1",  # noqa: S608 - our own
        practice_id, prefetch=_ROWS_AT_ONCE,
    )  # fmt: skip
    async for (row,) in rows:
        yield json.dumps(_without_secrets(json.loads(row)), ensure_ascii=False).encode() + b"\n"


def _without_secrets(content: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_secrets(value) if isinstance(value, dict) else value
        for name, value in content.items()
        if name not in _SECRET
    }


async def _write_files(
    connection: "Connection", archive: zipfile.ZipFile, practice_id: str, blob_url: str, dsn: str
) -> None:
    """Opened. A file that its store does not give stops everything: an export without it would look whole."""
    rows = await connection.fetch(
        "SELECT attachment_id FROM ingest.attachment WHERE practice_id = $1 AND state = 'ready'", practice_id
    )
    async with _sealing(dsn) as (pool, sealing):
        files = Attachments(pool, Blobs(blob_url), lambda: datetime.now(UTC), 0, sealing)
        for (attachment_id,) in rows:
            known = await files.find(practice_id, attachment_id)
            if known is not None:
                with archive.open(f"files/{attachment_id}", "w") as file:
                    async for part in files.content(known, ByteRange(0, known.size)):
                        file.write(part)


async def rewrap_keys(dsn: str, progress: Progress) -> tuple[int, int]:
    """Wrap the key of every practice anew, and seal providers' tokens anew; how many practices and channels there are.

    Raises `Failed` without a key keeper, and for tokens whose key is not there.
    """
    sealer, channels = ingest.app.channel_sealer(_keys()), 0
    async with _sealing(dsn) as (pool, sealing):
        if sealing is None:
            message = (
                "no key keeper is set: SWITCHBOARD_INGEST_SECRET_KEY, or SWITCHBOARD_INGEST_TRANSIT_URL and _TOKEN"
            )
            raise Failed(message)
        practices = await pool.fetch("SELECT DISTINCT practice_id FROM practice_of")
        for done, (practice_id,) in enumerate(practices):
            progress(done, len(practices))
            await sealing.rewrap(practice_id)
            if sealer is not None:
                channels += await _reseal(pool, practice_id, sealer)
    return len(practices), channels


def _keys() -> KeySettings:
    """As ingest has them."""
    try:
        return KeySettings()
    except ValidationError as error:
        raise Failed(f"missing or bad settings: {what_is_wrong(error)}") from None


async def _reseal(pool: "Pool", practice_id: str, sealer: Sealer) -> int:
    try:
        return await reseal_channels(pool, practice_id, sealer)
    except Unopenable:
        message = (
            f"the tokens of a channel of {practice_id} are sealed with a key that is not there: name it, or save them"
        )
        raise Failed(message) from None


@asynccontextmanager
async def _sealing(dsn: str) -> "AsyncGenerator[tuple[Pool, FileSealing | None]]":
    """As ingest does it, by the settings of its keys."""
    login = DatabaseLogin(dsn, ingest.app.SCHEMA.schema)
    async with await create_pool(login, min_size=0) as pool, httpx.AsyncClient() as http:
        yield pool, ingest.app.file_sealing(_keys(), pool, http)
