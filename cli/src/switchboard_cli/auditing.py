"""Checks the audit's chains, and reads in them who saw a patient's data. Logs in as the database's owner."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from shared_database.audit import AuditRecord, broken_links
from shared_database.migrations import ServiceSchema
from shared_database.pools import SCOPE
from switchboard_cli.failures import Failed

if TYPE_CHECKING:
    from shared_database.pools import Connection

_ROWS_AT_ONCE = 1_000
_COLUMNS = "practice_id, position, at, actor, role, action, subject, patient_ids, digest"


@dataclass(frozen=True, slots=True)
class Operator:
    """Whoever runs a command with the owner's login: the command is all that is known of them."""

    staff_id: str
    role: str = "operator"


@dataclass(frozen=True, slots=True)
class End:
    """Where a practice's chain in one service ends: to be kept where the database's owner cannot change it."""

    schema: str
    practice_id: str
    position: int
    digest: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A link that is not what was appended."""

    schema: str
    practice_id: str
    position: int
    problem: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of looking at all chains."""

    ends: list[End]
    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody saw or changed something of a patient, or was told of it."""

    at: datetime
    actor: str
    role: str
    action: str
    subject: str

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"at": self.at.isoformat()}


async def verify(dsn: str, schemas: Sequence[ServiceSchema], kept: Sequence[End]) -> Verified:
    """Compare every record with its digest; with `kept` ends of earlier, also the chains with those."""
    ends: list[End] = []
    problems: list[Problem] = []
    async with owner(dsn) as connection:
        for schema in schemas:
            for practice_id, position, digest in await _ends_of(connection, schema.schema):
                noted = {
                    one.position: bytes.fromhex(one.digest)
                    for one in kept
                    if (one.schema, one.practice_id) == (schema.schema, practice_id)
                }
                async with seeing(connection, practice_id):
                    records = _records(connection, schema.schema, practice_id)
                    broken = await broken_links(records, (position, digest), noted)
                problems += [Problem(schema.schema, practice_id, one.position, one.problem) for one in broken]
                ends.append(End(schema.schema, practice_id, position, digest.hex()))
    known = {(one.schema, one.practice_id) for one in ends}
    gone = {(one.schema, one.practice_id) for one in kept} - known
    problems += [Problem(*one, 1, "is missing, and with it the whole chain") for one in sorted(gone)]
    return Verified(ends, problems)


def kept_ends(file: Path) -> list[End]:
    """What an earlier `audit verify --json` printed. Raises `Failed` for another file."""
    try:
        return [End(**one) for one in json.loads(file.read_text("utf-8"))["ends"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{file} is not what switchboard audit verify --json prints"
        raise Failed(message) from error


async def accesses_to(dsn: str, schemas: Sequence[ServiceSchema], practice_id: str, patient_id: str) -> list[Access]:
    """Who saw or changed what of a patient, or was told of it, in the order of time; the patient's contacts included."""
    async with owner(dsn) as connection, seeing(connection, practice_id):
        contacts = await connection.fetch(
            "SELECT contact_id FROM ingest.contact WHERE practice_id = $1 AND linked_to = $2", practice_id, patient_id
        )
        whose = [patient_id, *(row["contact_id"] for row in contacts)]
        found = [
            Access(*row)
            for schema in schemas
            for row in await connection.fetch(
                f"SELECT at, actor, role, action, subject FROM {schema.schema}.audit_record "  # noqa: S608 - our own
                "WHERE practice_id = $1 AND patient_ids && $2",
                practice_id, whose,
            )
        ]  # fmt: skip
        told = await connection.fetch(
            "SELECT notified_at, staff_id, 'member', 'was told', 'message:' || message_id FROM notifier.notification "
            "JOIN notifier.conversation USING (practice_id, conversation_id) "
            "WHERE practice_id = $1 AND patient_id = ANY ($2)",
            practice_id, whose,
        )  # fmt: skip
    return sorted([*found, *(Access(*row) for row in told)], key=lambda one: one.at)


@asynccontextmanager
async def owner(dsn: str) -> "AsyncGenerator[Connection]":
    """A connection of the database's owner."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def seeing(connection: "Connection", practice_id: str) -> AsyncGenerator[None]:
    """A transaction that sees one practice: row-level security binds the owner, too."""
    async with connection.transaction():
        await see(connection, practice_id)
        yield


async def see(connection: "Connection", practice_id: str) -> None:
    """Let the transaction that is under way see one practice."""
    await connection.fetchval("SELECT set_config($1, $2, true)", SCOPE, practice_id)


async def look_into(connection: "Connection", schema: str) -> None:
    """Let the transaction that is under way find the tables and functions of a service without naming it."""
    await connection.fetchval("SELECT set_config('search_path', $1, true)", schema)


async def tables_of_practices(connection: "Connection", schema: str) -> list[str]:
    """The tables of a service that say of each row which practice it is of; a table's partitions are parts of it."""
    rows = await connection.fetch(
        "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'practice_id' "
        "WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname",
        schema,
    )
    return [row["relname"] for row in rows]


async def _ends_of(connection: "Connection", schema: str) -> list[tuple[str, int, bytes]]:
    """Of the chains that somebody took the end of, too, as far as this login sees all practices."""
    rows = await connection.fetch(
        f"SELECT practice_id, coalesce(position, 0), coalesce(digest, '') FROM {schema}.audit_end "  # noqa: S608 - our own
        f"FULL JOIN (SELECT DISTINCT practice_id FROM {schema}.audit_record) AS recorded USING (practice_id) ORDER BY 1"
    )
    return [tuple(row) for row in rows]


async def _records(connection: "Connection", schema: str, practice_id: str) -> AsyncGenerator[AuditRecord]:
    rows = connection.cursor(
        f"SELECT {_COLUMNS} FROM {schema}.audit_record WHERE practice_id = $1 ORDER BY position",  # noqa: S608 - our own
        practice_id, prefetch=_ROWS_AT_ONCE,
    )  # fmt: skip
    async for row in rows:
        yield AuditRecord(**row)
