"""Logging in to the messenger: a code by text to the patient's phone, then the date of birth.

A date of birth alone proves nothing (ASVS 5.0, 6.4.2): it is a match on top of the code, and decides which patient of a
household it is. The answers are the same, and take as long, whether the phone is a patient's or not.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus

import httpx
import structlog
from fastapi import Request, Response

from ingest.adapters.refusals import SendFailed
from ingest.adapters.texts import TextChannel, Texting, can_text
from ingest.domain.phones import e164
from ingest.publishing import Doors
from ingest.storage.channels import channels_of
from ingest.storage.contacts import patients_born_on, patients_with_phone
from ingest.storage.logins import (
    DEVICE_LIVES,
    SESSION_LIVES,
    Login,
    Session,
    begin_login,
    begin_session,
    count_login,
    keep_device,
    patient_on_device,
    session_of,
    try_login,
)
from ingest.storage.texts import has_opted_out
from shared_web import Problem

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish for a code: at which practice, for which phone in any spelling, from which network address."""

    practice_id: str
    country: str
    phone: str
    address: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A login under way."""

    login_id: str
    send_code: Callable[[], Awaitable[None]]
    """To be awaited after the answer is sent: how long it takes tells whether the phone is known."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A new session."""

    practice_id: str
    token: str
    csrf_token: str
    device_token: str | None
    """For a device where the date of birth was given just now."""


@dataclass(frozen=True, slots=True)
class Cookies:
    """The messenger's cookies. Where we are reached by TLS no other host and no plain page can set them."""

    is_secure: bool

    @classmethod
    def under(cls, public_url: str) -> "Cookies":
        """The cookies of an installation that the world reaches by this URL."""
        return cls(public_url.startswith("https://"))

    def name(self, what: str) -> str:
        """`__Host-`: https://www.rfc-editor.org/rfc/rfc6265#section-4.1 and its successor, draft-ietf-httpbis-rfc6265bis."""
        return f"__Host-switchboard_{what}" if self.is_secure else f"switchboard_{what}"

    def read(self, request: Request, what: str) -> str | None:
        """What a browser sent."""
        return request.cookies.get(self.name(what))

    def write(self, response: Response, what: str, value: str, seconds: float) -> None:
        """No script reads it, and no other site sends it along with a form."""
        response.set_cookie(
            self.name(what), value, max_age=int(seconds), path="/", httponly=True, secure=self.is_secure, samesite="lax"
        )

    def forget(self, response: Response, what: str) -> None:
        """Take it back."""
        response.delete_cookie(self.name(what), path="/", httponly=True, secure=self.is_secure, samesite="lax")

    def write_login(self, response: Response, login: LoggedIn) -> None:
        """The session, and the device for which the date of birth is known now."""
        self.write(response, "session", login.token, SESSION_LIVES.total_seconds())
        if login.device_token is not None:
            self.write(response, "device", login.device_token, DEVICE_LIVES.total_seconds())


async def begin(parts: Doors, texting: Texting, asked: Asked) -> Begun:
    """Begin a login. Raises a 429 problem when there were too many lately."""
    now, practice_id = parts.clock(), asked.practice_id
    login_id, code = secrets.token_urlsafe(24), f"{secrets.randbelow(1_000_000):06}"
    number = e164(asked.phone, asked.country)
    if not await count_login(parts.pool, practice_id, number, asked.address, now):
        title = "Too many codes were asked for: try again in an hour"
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, title, headers={"Retry-After": "3600"})
    await begin_login(parts.pool, practice_id, login_id, number, code, now)

    async def send_code() -> None:
        if await patients_with_phone(parts.pool, practice_id, number):
            await _text_code(parts, texting, practice_id, number, code)

    return Begun(login_id, send_code)


async def prove_code(parts: Doors, login_id: str, code: str, device_token: str | None) -> LoggedIn | None:
    """Check the code. None: the date of birth is still to be given; on a known device it need not be.

    Raises a 403 problem, the same one for everything that may be wrong.
    """
    login = await _tried(parts, login_id, code)
    if device_token is None:
        return None
    patient_id = await patient_on_device(parts.pool, login, device_token, parts.clock())
    if patient_id is None or patient_id not in await patients_with_phone(parts.pool, login.practice_id, login.phone):
        return None
    return await _logged_in(parts, login_id, login, patient_id, device_token=None)


async def prove_birth_date(parts: Doors, login_id: str, birth_date: date) -> LoggedIn:
    """Find the patient who was born on this day, and log them in. Twins who share a phone cannot be told apart.

    Raises a 403 problem, the same one for everything that may be wrong.
    """
    login = await _tried(parts, login_id, None)
    found = await patients_born_on(parts.pool, login.practice_id, login.phone, birth_date)
    if not login.is_code_verified or len(found) != 1:
        raise _not_proven()
    device_token = secrets.token_urlsafe(32)
    await keep_device(parts.pool, login, found[0], device_token, parts.clock())
    return await _logged_in(parts, login_id, login, found[0], device_token=device_token)


async def session_in(parts: Doors, request: Request) -> Session | None:
    """Who is logged in in the browser that sent this; None when nobody is."""
    token = Cookies.under(parts.public_url).read(request, "session")
    return await session_of(parts.pool, token, parts.clock()) if token else None


def has_csrf_token(session: Session, token: str | None) -> bool:
    """Whether a request comes from our own page of this session."""
    return token is not None and secrets.compare_digest(token.encode(), session.csrf_token.encode())


async def _tried(parts: Doors, login_id: str, code: str | None) -> Login:
    login = await try_login(parts.pool, login_id, parts.clock(), code=code)
    if login is None:
        raise _not_proven()
    return login


async def _logged_in(
    parts: Doors, login_id: str, login: Login, patient_id: str, *, device_token: str | None
) -> LoggedIn:
    token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    await begin_session(parts.pool, login_id, login, patient_id, token, csrf_token, parts.clock())
    return LoggedIn(login.practice_id, token, csrf_token, device_token)


async def _text_code(parts: Doors, texting: Texting, practice_id: str, phone: str, code: str) -> None:
    if await has_opted_out(parts.pool, practice_id, phone):
        return
    channels = (await channels_of(parts.pool, practice_id, parts.sealer)).items()
    sms = next(((id_, one) for id_, one in channels if isinstance(one, TextChannel) and can_text(one)), None)
    if sms is None:
        log.warning("a practice has no channel to text codes with", practice_id=practice_id)
        return
    text = f"{code} is your code. It works for ten minutes. Nobody from the practice will ask you for it."
    try:
        await texting.send(*sms, phone, text, text_id="code")
    except (SendFailed, httpx.HTTPError) as error:
        log.warning("a code could not be texted", practice_id=practice_id, error=type(error).__name__)


def _not_proven() -> Problem:
    """The same answer for a wrong code, a wrong date, too many attempts and an unknown login."""
    return Problem(HTTPStatus.FORBIDDEN, "This could not be verified: start again")
