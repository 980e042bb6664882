"""The messenger's logins and sessions. Codes and session tokens are kept as digests."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ingest.storage.owners import claim, digest, give_up, practice_of
from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool

CODE_LIVES = timedelta(minutes=10)
MOST_ATTEMPTS = 5
"""Of one login, codes and dates of birth together."""
MOST_LOGINS = 5
"""Of one phone in an hour: no more codes are sent than that."""
SESSION_LIVES = timedelta(hours=12)


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


async def begin_login(pool: "Pool", practice_id: str, login_id: str, phone: str, code: str, now: datetime) -> bool:
    """Note a login; False when this phone has had too many lately: send no code then."""
    async with practice_scope(pool, practice_id) as connection:
        await claim(connection, "login", login_id, practice_id)
        lately = await connection.fetchval(
            "SELECT count(*) FROM login WHERE practice_id = $1 AND phone = $2 AND began_at > $3",
            practice_id,
            phone,
            now - timedelta(hours=1),
        )
        await connection.execute(
            "INSERT INTO login (practice_id, login_id, phone, code_digest, began_at) VALUES ($1, $2, $3, $4, $5)",
            practice_id,
            login_id,
            phone,
            _code_digest(login_id, code),
            now,
        )
    return bool(lately < MOST_LOGINS)


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
            practice_id,
            login_id,
            MOST_ATTEMPTS,
            now - CODE_LIVES,
        )
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
        await claim(connection, "session", digest(token), login.practice_id)
        await connection.execute(
            "INSERT INTO session VALUES ($1, $2, $3, $4, $5)",
            login.practice_id,
            digest(token),
            patient_id,
            csrf_token,
            now + SESSION_LIVES,
        )


async def session_of(pool: "Pool", token: str, now: datetime) -> Session | None:
    """Who is logged in with this token; None when nobody is, or no longer."""
    practice_id = await practice_of(pool, "session", digest(token))
    if practice_id is None:
        return None
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT patient_id, csrf_token FROM session WHERE practice_id = $1 AND digest = $2 AND ends_at > $3",
            practice_id,
            digest(token),
            now,
        )
    return None if row is None else Session(practice_id, row["patient_id"], row["csrf_token"])


def _code_digest(login_id: str, code: str) -> bytes:
    """Bound to its login: a code that was texted for another login is worth nothing."""
    return hashlib.sha256(f"{login_id}/{code}".encode()).digest()
