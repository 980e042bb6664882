"""Whose an address is: patients who have it, and contacts, which are addresses of nobody or of several."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.domain.identity import Sender, sender_of
from shared_database import practice_scope
from shared_schemas import ids

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool, Row

_SURVIVORS = "SELECT survivors($1, ARRAY (SELECT patient_id FROM patient WHERE practice_id = $1 AND %s)) AS patient_id"
_WITH_PHONE = _SURVIVORS % "phones @> ARRAY[$2::text]"
_WITH_PHONE_AND_BIRTH_DATE = _SURVIVORS % "phones @> ARRAY[$2::text] AND birth_date = $3"
_WITH_ID = _SURVIVORS % "patient_id = $2"

LINKS = """
linked AS (
    INSERT INTO contact (practice_id, contact_id, linked_to, linked_at)
    SELECT * FROM unnest($24::text[], $25::text[], $26::text[], $27::timestamptz[])
    ON CONFLICT (practice_id, contact_id) DO UPDATE SET linked_to = excluded.linked_to, linked_at = excluded.linked_at
    WHERE contact.linked_at IS NULL OR contact.linked_at <= excluded.linked_at
    RETURNING 1
)"""
"""CTE of the statement that keeps the history, from $24 on: practice, contact, patient, instant."""


@dataclass(frozen=True, slots=True)
class Contact:
    """An address that is nobody's or several people's."""

    phone: str | None
    """None for the contact of another program's channel."""
    candidates: Sequence[str]
    """The patients who have this phone now."""
    linked_to: str | None
    """The patient that staff said it is."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of an address, as the function `writers_at` tells it."""

    address_id: str
    patients: Sequence[str]
    linked_to: str | None
    is_contact: bool
    answered: Sequence[str]
    """Those whose answers go there through the channel that was asked for."""
    has_opted_out: bool

    @classmethod
    def of(cls, address_id: str, row: "Row") -> "Known":
        """From a row of `writers_at`."""
        return cls(
            address_id, row["patients"], row["linked_to"], row["is_contact"], row["answered"], row["has_opted_out"]
        )


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes from a phone."""

    sender: Sender
    has_opted_out: bool
    """The phone has said STOP, and not START since."""


async def writer_at(
    pool: "Pool",
    practice_id: str,
    contact_key: bytes | None,
    phone: str,
    channel_id: str | None,
    known: Known | None = None,
) -> Writer:
    """Who writes from this phone (E.164), by this channel. A contact is kept, so that staff can find out who it is; so is
    where a patient texts from: answers go there, through the same channel.

    `known` is what was told of an address before; of no use when that is another one.
    """
    if contact_key is None:
        async with practice_scope(pool, practice_id) as connection:
            contact_key = await _contact_key(connection, practice_id)
    address_id = ids.contact_id(contact_key, practice_id, phone)
    if known is None or known.address_id != address_id:
        asked = [[practice_id], [address_id], [phone], [channel_id]]
        (row,) = await pool.fetch("SELECT * FROM writers_at($1, $2, $3, $4)", *asked)
        known = Known.of(address_id, row)
    sender = sender_of(address_id, known.patients, known.linked_to)
    new_contact = address_id if sender.identity != "matched" and not known.is_contact else None
    answer_through = channel_id if sender.patient_id not in known.answered else None
    if new_contact is not None or answer_through is not None:
        kept = (practice_id, new_contact, sender.patient_id, phone, answer_through)
        await pool.execute("SELECT keep_writer($1, $2, $3, $4, $5)", *kept)
    return Writer(sender, known.has_opted_out)


async def caller_at(
    pool: "Pool", practice_id: str, contact_key: bytes | None, phone: str, known: Known | None = None
) -> Sender:
    """Who calls from this phone (E.164). A contact is kept as well; texts are not answered to a phone that calls."""
    return (await writer_at(pool, practice_id, contact_key, phone, None, known)).sender


async def patients_with_phone(pool: "Pool", practice_id: str, phone: str) -> list[str]:
    """The active patients of a practice who have this phone (E.164). A merged record's phone is its survivor's."""
    async with practice_scope(pool, practice_id) as connection:
        return await _patients(connection, _WITH_PHONE, practice_id, phone)


async def patients_born_on(pool: "Pool", practice_id: str, phone: str, birth_date: object) -> list[str]:
    """The active patients with this phone and this date of birth."""
    async with practice_scope(pool, practice_id) as connection:
        return await _patients(connection, _WITH_PHONE_AND_BIRTH_DATE, practice_id, phone, birth_date)


async def survivor_of(pool: "Pool", practice_id: str, patient_id: str) -> str | None:
    """The active patient that a record is, or was merged into; None where there is none."""
    async with practice_scope(pool, practice_id) as connection:
        found = await _patients(connection, _WITH_ID, practice_id, patient_id)
    return found[0] if found else None


async def contact_of(pool: "Pool", practice_id: str, contact_id: str) -> Contact | None:
    """A contact with the patients it may be; None for one that never wrote."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT phone, linked_to FROM contact WHERE practice_id = $1 AND contact_id = $2", practice_id, contact_id
        )
        if row is None:
            return None
        candidates = await _patients(connection, _WITH_PHONE, practice_id, row["phone"])
        return Contact(row["phone"], candidates, row["linked_to"])


async def subject_of(connection: "Connection", practice_id: str, address: str) -> str:
    """What stands for an address in this practice's tables and events: a digest under the practice's own key."""
    return ids.contact_id(await _contact_key(connection, practice_id), practice_id, address)


async def _patients(connection: "Connection", question: str, practice_id: str, *arguments: object) -> list[str]:
    return [row["patient_id"] for row in await connection.fetch(question, practice_id, *arguments)]


async def _contact_key(connection: "Connection", practice_id: str) -> bytes:
    """Made when it is first asked for. It never changes: the ids of contacts would be others."""
    read = "SELECT key FROM contact_key WHERE practice_id = $1"
    key: bytes | None = await connection.fetchval(read, practice_id)
    if key is None:
        await connection.execute(
            "INSERT INTO contact_key VALUES ($1, $2) ON CONFLICT DO NOTHING", practice_id, secrets.token_bytes(32)
        )
        key = await connection.fetchval(read, practice_id)
    return bytes(key or b"")
