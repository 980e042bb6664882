"""Erases one patient: rows of all services, files, and what compacted topics keep for ever.

What other topics hold goes with their time, 30 days at the latest: Kafka deletes no single record. The audit keeps the
patient's id: it must say who erased whom.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import ingest.storage.erasing as in_ingest
import notifier.storage.erasing as in_notifier
import pm_sync.storage.erasing as in_pm_sync
import router.storage.erasing as in_router
from ingest.adapters.blobs import Blobs
from ingest.attachments import key_of
from shared_database import append_audit
from shared_messaging import Outgoing, Publisher
from shared_schemas.topics import CATALOGUE, COMPACTION_LAG, DEAD_LETTER_RETENTION
from switchboard_cli.auditing import Operator, look_into, owner, seeing, tables_of_practices
from switchboard_cli.connecting import kafka_at
from switchboard_cli.failures import Failed

if TYPE_CHECKING:
    from shared_database.pools import Connection

ERASED: Mapping[str, Mapping[str, str]] = {
    "router": in_router.ERASED,
    "notifier": in_notifier.ERASED,
    "pm_sync": in_pm_sync.ERASED,
    "ingest": in_ingest.ERASED,
}
"""ingest last: it knows which ids and phones are the patient's."""
_UNFINISHED = {"router": in_router.UNFINISHED, "ingest": in_ingest.UNFINISHED}
_KEPT = frozenset({"audit_record", "audit_end", "erasure"})
"""They must say who was erased, and who wanted it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything is."""

    dsn: str
    kafka_bootstrap_servers: str
    blob_url: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What was removed, or would be."""

    patient_ids: list[str]
    """The patient, records merged into it, and contacts that are this patient."""
    rows: dict[str, int]
    """By table; those with none are left out."""
    files: int
    left: dict[str, int]
    """Rows by table that still name the patient; none, if all went well."""
    topics_until: datetime
    """When the last record has gone from the topics and the dead letters."""

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"topics_until": self.topics_until.isoformat(timespec="seconds")}


async def erase(on: Installation, practice_id: str, patient_id: str, *, dry_run: bool) -> Erased:
    """Erase a patient; `dry_run` only counts. Raises `Failed` while something of the patient is not finished.

    Files go first and rows last, so whatever stops it, the same command again finishes the work.
    """
    async with owner(on.dsn) as connection:
        async with seeing(connection, practice_id):
            ids = await _ids(connection, practice_id, patient_id)
            await _check_finished(connection, practice_id, ids)
            files = await _files(connection, practice_id, ids)
            rows = await _count(connection, practice_id, ids)
            if not dry_run and (rows or files):
                by = Operator("switchboard-erase")
                await append_audit(connection, practice_id, by, "erase", f"patient:{patient_id}", ids)
        if not dry_run:
            await Blobs(on.blob_url).remove([key_of(practice_id, one) for one in files])
            await _leave_tombstones(on.kafka_bootstrap_servers, practice_id, ids)
            async with seeing(connection, practice_id):
                await _delete(connection, practice_id, ids)
        async with seeing(connection, practice_id):
            left = await leftovers(connection, practice_id, ids)
    until = datetime.now(UTC) + max(DEAD_LETTER_RETENTION, COMPACTION_LAG)
    return Erased(ids, rows, len(files), left, until)


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of an erasure that a practice asked for."""

    practice_id: str
    patient_id: str
    waits_for: str | None
    """None: it is done."""


async def erase_asked(on: Installation, say: Callable[[str, str], None]) -> list[Carried]:
    """Erase all whom their practices want erased. What cannot be done yet is noted with why, and tried again next time."""
    carried: list[Carried] = []
    for practice_id, patient_id in await _asked(on.dsn):
        say(practice_id, f"erasing {patient_id}")
        carried.append(Carried(practice_id, patient_id, await _carry_out(on, practice_id, patient_id)))
    return carried


async def _asked(dsn: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    async with owner(dsn) as connection:
        for (practice_id,) in await connection.fetch("SELECT DISTINCT practice_id FROM ingest.practice_of ORDER BY 1"):
            async with seeing(connection, practice_id):
                rows = await connection.fetch(
                    "SELECT patient_id FROM ingest.erasure WHERE practice_id = $1 AND done_at IS NULL ORDER BY asked_at",
                    practice_id,
                )
            found += [(practice_id, patient_id) for (patient_id,) in rows]
    return found


async def _carry_out(on: Installation, practice_id: str, patient_id: str) -> str | None:
    """What it waits for; None: it is done."""
    try:
        done = await erase(on, practice_id, patient_id, dry_run=False)
        waits_for = f"rows are left in {', '.join(sorted(done.left))}" if done.left else None
    except Failed as why:
        waits_for = str(why)
    async with owner(on.dsn) as connection, seeing(connection, practice_id):
        await connection.execute(
            "UPDATE ingest.erasure SET waits_for = $3, done_at = CASE WHEN $3::text IS NULL THEN now() END "
            "WHERE practice_id = $1 AND patient_id = $2",
            practice_id, patient_id, waits_for,
        )  # fmt: skip
    return waits_for


def in_words(done: Erased, *, dry_run: bool) -> list[str]:
    """What to tell the operator."""
    lines = [f"{', '.join(done.patient_ids)}: {'there are' if dry_run else 'removed'}"]
    lines += [f"  {count} of {table}" for table, count in done.rows.items()]
    lines += [f"  {done.files} files"]
    if dry_run:
        return lines
    lines += [f"left in {table}: {count} rows that name the patient" for table, count in sorted(done.left.items())]
    return [*lines, f"the topics forget it until {done.topics_until:%Y-%m-%d}; the audit keeps the ids"]


async def leftovers(connection: "Connection", practice_id: str, words: Sequence[str]) -> dict[str, int]:
    """Rows of a practice in any table of any service that have one of these words anywhere; the audit is left out."""
    pattern = rf"(^|[^A-Za-z0-9_-])({'|'.join(map(re.escape, words))})($|[^A-Za-z0-9_-])"
    found: dict[str, int] = {}
    for schema in ERASED:
        for table in set(await tables_of_practices(connection, schema)) - _KEPT:
            count = await connection.fetchval(
                f"SELECT count(*) FROM {schema}.{table} AS one WHERE practice_id = $1 AND one::text ~ $2",  # noqa: S608 - our own
                practice_id, pattern,
            )  # fmt: skip
            if count:
                found[f"{schema}.{table}"] = count
    return found


async def _ids(connection: "Connection", practice_id: str, patient_id: str) -> list[str]:
    await look_into(connection, "ingest")
    rows = await connection.fetch(in_ingest.RECORDS_OF_PATIENT, practice_id, [patient_id])
    return [row[0] for row in rows]


async def _check_finished(connection: "Connection", practice_id: str, ids: list[str]) -> None:
    for schema, conditions in _UNFINISHED.items():
        await look_into(connection, schema)
        for what, question in conditions.items():
            arguments = (practice_id, ids) if "$2" in question else (practice_id,)
            if await connection.fetchval(f"SELECT EXISTS ({question})", *arguments):
                message = f"{what}: nothing was erased. Finish that, then try again"
                raise Failed(message)


async def _files(connection: "Connection", practice_id: str, ids: list[str]) -> list[str]:
    await look_into(connection, "ingest")
    return [row[0] for row in await connection.fetch(in_ingest.FILES_OF_PATIENT, practice_id, ids)]


async def _count(connection: "Connection", practice_id: str, ids: list[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for schema, tables in ERASED.items():
        await look_into(connection, schema)
        for table, condition in tables.items():
            question = f"SELECT count(*) FROM {table} WHERE practice_id = $1 AND ({condition})"  # noqa: S608 - our own
            if count := await connection.fetchval(question, practice_id, ids):
                counted[f"{schema}.{table}"] = count
    return counted


async def _delete(connection: "Connection", practice_id: str, ids: list[str]) -> None:
    for schema, tables in ERASED.items():
        await look_into(connection, schema)
        for table, condition in tables.items():
            await connection.execute(
                f"DELETE FROM {table} WHERE practice_id = $1 AND ({condition})",  # noqa: S608 - our own
                practice_id, ids,
            )  # fmt: skip


async def _leave_tombstones(bootstrap_servers: str, practice_id: str, ids: list[str]) -> None:
    """Compaction then removes what was there under the patient's keys; consumers forget it at once."""
    compacted = [one.name for one in CATALOGUE if one.retention is None and one.key == "practice/patient"]
    async with Publisher(kafka_at(bootstrap_servers)) as publisher:
        await publisher.send(
            [Outgoing(name, f"{practice_id}/{one}".encode(), None, ()) for name in compacted for one in ids]
        )
