"""The messenger's logins, sessions and known devices. Codes and tokens are kept as digests."""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ingest.storage.contacts import subject_of
from ingest.storage.owners import claim, digest, give_up, practice_of
from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

CODE_LIVES = timedelta(minutes=10)
MOST_ATTEMPTS = 5
"""Of one login, codes and dates of birth together."""
MOST_LOGINS = {"phone": 5, "address": 100, "practice": 2000}
"""In an hour: for one phone, from one network address, of one practice. No more codes are sent than that."""
SESSION_LIVES = timedelta(hours=12)
DEVICE_LIVES = timedelta(days=30)
"""After this the date of birth is asked for again."""


@dataclass(frozen=True, slots=True)
class Login:
    """A login under way."""

    practice_id: str
    phone: str
    is_code_verified: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A patient who is logged in."""

    practice_id: str
    patient_id: str
    csrf_token: str
    digest: str
    ends_at: datetime


async def count_login(pool: "Pool", practice_id: str, phone: str, address: str, now: datetime) -> bool:
    """Count a login in this hour; False when it is one too many for the phone, the network address or the practice."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    async with practice_scope(pool, practice_id) as connection:
        whose = {"phone": phone, "address": address, "practice": practice_id}
        subjects = {
            await subject_of(connection, practice_id, f"{kind}/{value}"): MOST_LOGINS[kind]
            for kind, value in whose.items()
        }
        await connection.execute("DELETE FROM login_count WHERE practice_id = $1 AND hour < $2", practice_id, hour)
        rows = await connection.fetch(
            "INSERT INTO login_count SELECT $1, subject, $3, 1 FROM unnest($2::text[]) AS subject ORDER BY subject "
            "ON CONFLICT (practice_id, subject, hour) DO UPDATE SET logins = login_count.logins + 1 "
            "RETURNING subject, logins",
            practice_id, list(subjects), hour,
        )  # fmt: skip
    return all(row["logins"] <= subjects[row["subject"]] for row in rows)


async def begin_login(pool: "Pool", practice_id: str, login_id: str, phone: str, code: str, now: datetime) -> None:
    """Note a login, and forget those that are over."""
    async with practice_scope(pool, practice_id) as connection:
        await _forget(connection, "login", practice_id, now - CODE_LIVES)
        await claim(connection, "login", login_id, practice_id)
        await connection.execute(
            "INSERT INTO login (practice_id, login_id, phone, code_digest, began_at) VALUES ($1, $2, $3, $4, $5)",
            practice_id, login_id, phone, _code_digest(login_id, code), now,
        )  # fmt: skip


async def try_login(pool: "Pool", login_id: str, now: datetime, *, code: str | None) -> Login | None:
    """Count an attempt and check the code, if one is given; None when the login is unknown, too old, or out of attempts,
    or the code is wrong. A right code works once.
    """
    practice_id = await practice_of(pool, "login", login_id)
    if practice_id is None:
        return None
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "UPDATE login SET attempts = attempts + 1 WHERE practice_id = $1 AND login_id = $2 AND attempts < $3 "
            "AND began_at > $4 RETURNING phone, code_digest, is_code_verified",
            practice_id, login_id, MOST_ATTEMPTS, now - CODE_LIVES,
        )  # fmt: skip
        if row is None:
            return None
        if code is None:
            return Login(practice_id, row["phone"], row["is_code_verified"])
        is_right = hmac.compare_digest(row["code_digest"], _code_digest(login_id, code)) and not row["is_code_verified"]
        if not is_right:
            return None
        await connection.execute(
            "UPDATE login SET is_code_verified = true WHERE practice_id = $1 AND login_id = $2", practice_id, login_id
        )
    return Login(practice_id, row["phone"], is_code_verified=True)


async def begin_session(
    pool: "Pool", login_id: str, login: Login, patient_id: str, token: str, csrf_token: str, now: datetime
) -> None:
    """Log a patient in: `token` stands for them until the session ends. The login is used up."""
    async with practice_scope(pool, login.practice_id) as connection:
        await connection.execute(
            "DELETE FROM login WHERE practice_id = $1 AND login_id = $2", login.practice_id, login_id
        )
        await give_up(connection, "login", login_id, login.practice_id)
        await _forget(connection, "session", login.practice_id, now)
        await claim(connection, "session", digest(token), login.practice_id)
        await connection.execute(
            "INSERT INTO session VALUES ($1, $2, $3, $4, $5)",
            login.practice_id, digest(token), patient_id, csrf_token, now + SESSION_LIVES,
        )  # fmt: skip


async def session_of(pool: "Pool", token: str, now: datetime) -> Session | None:
    """Who is logged in with this token; None when nobody is, or no longer."""
    practice_id = await practice_of(pool, "session", digest(token))
    if practice_id is None:
        return None
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT practice_id, patient_id, csrf_token, digest, ends_at FROM session "
            "WHERE practice_id = $1 AND digest = $2 AND ends_at > $3",
            practice_id, digest(token), now,
        )  # fmt: skip
    return None if row is None else Session(**row)


async def end_session(pool: "Pool", session: Session) -> None:
    """Log a patient out."""
    async with practice_scope(pool, session.practice_id) as connection:
        await connection.execute(
            "DELETE FROM session WHERE practice_id = $1 AND digest = $2", session.practice_id, session.digest
        )
        await give_up(connection, "session", session.digest, session.practice_id)


async def versions_of(pool: "Pool", sessions: Collection[tuple[str, str]], now: datetime) -> dict[str, int]:
    """Of these (practice, digest of a session) those that have not ended, with the version of their conversation."""
    async with practice_scope(pool, *{practice for practice, _ in sessions}) as connection:
        rows = await connection.fetch(
            "SELECT digest, coalesce(version, 0) AS version "
            "FROM unnest($1::text[], $2::text[]) AS asked (practice_id, digest) JOIN session USING (practice_id, digest) "
            "LEFT JOIN conversation USING (practice_id, patient_id) WHERE ends_at > $3",
            [practice for practice, _ in sessions], [key for _, key in sessions], now,
        )  # fmt: skip
    return {row["digest"]: row["version"] for row in rows}


async def keep_device(pool: "Pool", login: Login, patient_id: str, token: str, now: datetime) -> None:
    """The date of birth was right on this device."""
    async with practice_scope(pool, login.practice_id) as connection:
        await connection.execute(
            "DELETE FROM known_device WHERE practice_id = $1 AND proven_at < $2", login.practice_id, now - DEVICE_LIVES
        )
        await connection.execute(
            "INSERT INTO known_device VALUES ($1, $2, $3, $4, $5)",
            login.practice_id, digest(token), login.phone, patient_id, now,
        )  # fmt: skip


async def patient_on_device(pool: "Pool", login: Login, token: str, now: datetime) -> str | None:
    """Who gave the right date of birth on this device for this phone, within the time that it holds."""
    async with practice_scope(pool, login.practice_id) as connection:
        found: str | None = await connection.fetchval(
            "SELECT patient_id FROM known_device WHERE practice_id = $1 AND digest = $2 AND phone = $3 AND proven_at > $4",
            login.practice_id, digest(token), login.phone, now - DEVICE_LIVES,
        )  # fmt: skip
    return found


async def _forget(connection: "Connection", table: str, practice_id: str, before: datetime) -> None:
    key, ends = {"login": ("login_id", "began_at"), "session": ("digest", "ends_at")}[table]
    await connection.execute(
        f"WITH gone AS (DELETE FROM {table} WHERE practice_id = $1 AND {ends} < $2 RETURNING {key} AS key) "
        f"DELETE FROM practice_of USING gone WHERE kind = '{table}' AND practice_of.key = gone.key",
        practice_id, before,
    )  # fmt: skip


def _code_digest(login_id: str, code: str) -> bytes:
    """Bound to its login: a code that was texted for another login is worth nothing."""
    return hashlib.sha256(f"{login_id}/{code}".encode()).digest()
