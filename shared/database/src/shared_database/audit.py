"""Who read or changed what: appended before it is done or answered, and never changed again (HIPAA, 45 CFR 164.312(b)).

A record holds ids and nothing that anybody said. What cannot be audited is not done: an append that fails is the
request's failure. So a record says what somebody set out to do; that it came to pass, other records show.
"""

import hashlib
import json
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from shared_database.pools import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Actor(Protocol):
    """Who does it: a verified caller."""

    @property
    def staff_id(self) -> str:
        """The person."""
        ...

    @property
    def role(self) -> str:
        """As what the person does it."""
        ...


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One link of a practice's chain."""

    practice_id: str
    position: int
    """From 1 on, without a gap."""
    at: datetime
    actor: str
    role: str
    action: str
    """`read`, `list`, `search`, `seen`, `save`, `delete`, `export`, `erase`, or an action on a conversation."""
    subject: str
    """`conversation:<id>`, `attachment:<id>`, `routing-settings:<version>`, …"""
    patient_ids: list[str]
    """Whose data it was about."""
    digest: bytes

    def follows(self, before: bytes) -> bool:
        """Whether this is what was appended after the record whose digest is `before`."""
        microseconds = (self.at - _EPOCH) // timedelta(microseconds=1)
        said = [self.practice_id, self.position, microseconds, self.actor, self.role, self.action, self.subject]
        content = json.dumps([*said, self.patient_ids], ensure_ascii=False).encode()
        return hashlib.sha256(before + content).digest() == self.digest


@dataclass(frozen=True, slots=True)
class Broken:
    """Where a chain is not what was appended, and how that shows."""

    position: int
    problem: str


async def append_audit(  # noqa: PLR0913 - what a record says
    connection: "Connection", practice_id: str, by: Actor, action: str, subject: str, patient_ids: Iterable[str] = ()
) -> None:
    """Append a record, as a part of the caller's transaction, which must see the practice."""
    await connection.execute(
        "SELECT append_audit($1, $2, $3, $4, $5, $6)",
        practice_id, by.staff_id, by.role, action, subject, sorted(set(patient_ids)),
    )  # fmt: skip


async def audit(  # noqa: PLR0913 - what a record says
    pool: "Pool", practice_id: str, by: Actor, action: str, subject: str, patient_ids: Iterable[str] = ()
) -> None:
    """Append a record; durable on return."""
    async with practice_scope(pool, practice_id) as connection:
        await append_audit(connection, practice_id, by, action, subject, patient_ids)


async def broken_links(
    records: AsyncIterable[AuditRecord], end: tuple[int, bytes], kept: Mapping[int, bytes]
) -> list[Broken]:
    """What is wrong with a practice's chain, whose records come in the order of their positions.

    `end` is where it says that it ends, `kept` the digests that somebody noted elsewhere earlier, by position: only these
    show a chain that was cut, or written anew from some place on, by somebody with all rights to the database.
    """
    found: list[Broken] = []
    position, before = 0, b""
    async for record in records:
        if record.position != position + 1:
            found.append(Broken(position + 1, _missing(position + 1, record.position - 1)))
        elif not record.follows(before):
            found.append(Broken(record.position, "it, or the record before it, is not what was appended"))
        position, before = record.position, record.digest
        if kept.get(position, before) != before:
            found.append(Broken(position, "is not the record that was there when its digest was noted"))
    if end[0] > position:
        found.append(Broken(position + 1, _missing(position + 1, end[0])))
    elif end != (position, before):
        found.append(Broken(position, "the chain does not end where it says"))
    cut = [noted for noted in kept if noted > max(position, end[0])]
    if cut:
        found.append(Broken(position + 1, _missing(position + 1, max(cut))))
    return found


def _missing(first: int, last: int) -> str:
    return "is missing" if first == last else f"is missing, and all up to {last}"
