"""Who read or changed what is appended and never changed again; whatever somebody does to it all the same is found."""

import json
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from ingest.app import SCHEMA
from shared_database import DatabaseLogin, audit, create_pool, practice_scope
from shared_database.migrations import migrate
from switchboard_cli.auditing import End, accesses_to, kept_ends, verify
from switchboard_cli.origin import SCHEMAS

if TYPE_CHECKING:
    from shared_database.pools import Pool

RECORDS = 6
ATTACKS = (
    "INSERT INTO audit_record VALUES ('{0}', 99, now(), 'x', 'member', 'read', 'it', '{{}}', '')",
    "UPDATE audit_record SET actor = 'x'",
    "DELETE FROM audit_record",
    "TRUNCATE audit_record",
    "UPDATE audit_end SET position = 0",
    "DELETE FROM audit_end",
    "ALTER TABLE audit_record DISABLE TRIGGER ALL",
)


@dataclass(frozen=True, slots=True)
class Person:
    staff_id: str
    role: str = "member"


@dataclass(frozen=True, slots=True)
class Audited:
    """A practice with six records in ingest's schema, and its owner's hands."""

    dsn: str
    pool: "Pool"
    practice_id: str

    async def tamper(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.dsn, server_settings={"search_path": "ingest"})
        try:
            async with connection.transaction():
                await connection.execute("ALTER TABLE audit_record DISABLE TRIGGER append_only")
                for statement in statements:
                    await connection.execute(statement.format(self.practice_id))
                await connection.execute("ALTER TABLE audit_record ENABLE TRIGGER append_only")
        finally:
            await connection.close()

    async def problems(self, kept: list[End] | None = None) -> list[tuple[int, str]]:
        found = await verify(self.dsn, [SCHEMA], kept or [])
        return [(one.position, one.problem) for one in found.problems if one.practice_id == self.practice_id]


@pytest.fixture
async def audited(postgres_dsn: str) -> AsyncGenerator[Audited]:
    migrate(postgres_dsn, SCHEMAS)
    practice_id = f"audited-{uuid4().hex[:8]}"
    async with await create_pool(DatabaseLogin(postgres_dsn, "ingest"), min_size=0) as pool:
        for number in range(RECORDS):
            await audit(pool, practice_id, Person("fay"), "read", f"attachment:{number}", [f"pt-{number}", "pt-é\n"])
        yield Audited(postgres_dsn, pool, practice_id)


async def test_a_chain_that_nobody_touched_is_whole(audited: Audited) -> None:
    assert await audited.problems() == []


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_service_can_do_nothing_to_its_audit_but_append(audited: Audited, attack: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with practice_scope(audited.pool, audited.practice_id) as connection:
            await connection.execute(attack.format(audited.practice_id))


async def test_nobody_appends_to_the_audit_of_another_practice(audited: Audited) -> None:
    async with practice_scope(audited.pool, "somebody-else") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT append_audit($1, 'x', 'member', 'read', 'it', '{}')", audited.practice_id)


@pytest.mark.parametrize("attack", ["UPDATE audit_record SET actor = 'x'", "DELETE FROM audit_record"])
async def test_not_even_the_owner_changes_a_record_while_the_trigger_is_there(audited: Audited, attack: str) -> None:
    owner = await asyncpg.connect(audited.dsn, server_settings={"search_path": "ingest"})
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(attack)
    finally:
        await owner.close()


@pytest.mark.parametrize(
    ("statements", "positions"),
    [
        (["UPDATE audit_record SET actor = 'bo' WHERE practice_id = '{0}' AND position = 3"], [3]),
        (["UPDATE audit_record SET patient_ids = '{{}}' WHERE practice_id = '{0}' AND position = 1"], [1]),
        (["UPDATE audit_record SET at = at + interval '1 microsecond' WHERE practice_id = '{0}' AND position = 6"], [6]),
        (["DELETE FROM audit_record WHERE practice_id = '{0}' AND position = 4"], [4]),
        (["DELETE FROM audit_record WHERE practice_id = '{0}' AND position = 6"], [6]),
        (["DELETE FROM audit_record WHERE practice_id = '{0}'"], [1]),
        (
            [
                "UPDATE audit_record SET position = -2 WHERE practice_id = '{0}' AND position = 2",
                "UPDATE audit_record SET position = 2 WHERE practice_id = '{0}' AND position = 5",
                "UPDATE audit_record SET position = 5 WHERE practice_id = '{0}' AND position = -2",
            ],
            [2, 3, 5, 6],
        ),
    ],
    ids=["changed", "changed first", "changed last", "removed", "removed last", "removed all", "swapped"],
)  # fmt: skip
async def test_a_record_that_was_tampered_with_is_named(
    audited: Audited, statements: list[str], positions: list[int]
) -> None:
    await audited.tamper(*statements)

    assert [position for position, _ in await audited.problems()] == positions


async def test_a_chain_that_was_cut_or_written_anew_shows_against_ends_that_were_kept(
    audited: Audited, tmp_path: Path
) -> None:
    kept = tmp_path / "ends.json"
    kept.write_text(json.dumps(asdict(await verify(audited.dsn, [SCHEMA], []))))
    await audited.tamper(
        "DELETE FROM audit_record WHERE practice_id = '{0}' AND position > 4",
        "UPDATE audit_end SET position = 4, digest = audit_record.digest FROM audit_record "
        "WHERE audit_end.practice_id = '{0}' AND audit_record.practice_id = '{0}' AND audit_record.position = 4",
    )
    cut = await audited.problems(kept_ends(kept))
    seems_whole = await audited.problems()
    for number in range(2):
        await audit(audited.pool, audited.practice_id, Person("bo"), "read", f"attachment:{number}")

    assert cut == [(5, "is missing, and all up to 6")]
    assert seems_whole == []
    assert [position for position, _ in await audited.problems(kept_ends(kept))] == [6]


async def test_a_patient_learns_who_saw_what_and_who_was_told(audited: Audited) -> None:
    practice_id = audited.practice_id
    async with practice_scope(audited.pool, practice_id) as connection:
        await connection.execute("INSERT INTO contact VALUES ($1, 'c-1', NULL, 'pt-3', now())", practice_id)
    await audit(audited.pool, practice_id, Person("ada", "administrator"), "read", "contact:c-1", ["c-1"])

    found = await accesses_to(audited.dsn, SCHEMAS, practice_id, "pt-3")

    assert [(one.actor, one.action, one.subject) for one in found] == [
        ("fay", "read", "attachment:3"),
        ("ada", "read", "contact:c-1"),
    ]
