"""The patient messenger's JSON: log in, see the thread and the picker, write, read."""

import secrets
from collections.abc import Callable
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any

import httpx
import structlog
from fastapi import APIRouter, Cookie, Header, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest.adapters.refusals import SendFailed
from ingest.adapters.texts import TextChannel, Texting, can_text
from ingest.domain.picker import carried_reason, is_asked, offered_reasons
from ingest.publishing import Doors
from ingest.storage.logins import SESSION_LIVES, Login, Session, begin_login, begin_session, session_of, try_login
from ingest.storage.owners import practice_of
from ingest.storage.patients import patients_born_on, patients_with_phone, settings_of, thread_of
from ingest.storage.practices import channels_of, practices_that_text, profile_of
from ingest.webhooks import e164
from shared_schemas import ids
from shared_schemas.conversation_changes import Actor, PracticeMessageReadV1
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_settings import Reason
from shared_schemas.values import Id
from shared_web import Problem

COOKIE = "switchboard_session"
MOST_CHARACTERS = 10_000

log = structlog.get_logger()


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StartLogin(_Body):
    """Whose phone, and which practice's messenger: an installation with one practice that texts needs no slug."""

    practice_slug: Annotated[str | None, Field(max_length=64)] = None
    phone: Annotated[str, Field(min_length=3, max_length=32)]


class ProveLogin(_Body):
    """First the code that was texted, then the date of birth."""

    login_id: Id
    code: Annotated[str | None, Field(pattern=r"^[0-9]{6}$")] = None
    date_of_birth: date | None = None

    @model_validator(mode="after")
    def _one_proof(self) -> "ProveLogin":
        if (self.code is None) == (self.date_of_birth is None):
            message = "send either code or date_of_birth"
            raise ValueError(message)
        return self


class NewMessage(_Body):
    """What the patient writes. The same `client_message_id` again is the same message."""

    client_message_id: Id
    body: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
    reason_id: Id | None = None


class ReadUpTo(_Body):
    """The newest message of the practice that the patient has read."""

    message_id: Id


def routes(doors: Callable[[], Doors], texting: Callable[[], Texting]) -> APIRouter:
    """The endpoints. What they work with exists only while the app runs, so it is asked for at each request."""
    router = APIRouter(prefix="/v1/messenger")
    _add_login(router, doors, texting)
    _add_thread(router, doors)
    return router


def _add_login(router: APIRouter, doors: Callable[[], Doors], texting: Callable[[], Texting]) -> None:
    @router.post("/login")
    async def login(body: StartLogin) -> dict[str, str]:
        """Text a code to the phone, if it is a patient's. The answer is the same if it is not (ASVS 6.3.8)."""
        parts = doors()
        login_id, code = secrets.token_urlsafe(24), f"{secrets.randbelow(1_000_000):06}"
        practice_id = await _practice(parts, body.practice_slug)
        profile = await profile_of(parts.pool, practice_id)
        phone = e164(body.phone, profile.country if profile else "US")
        may_send = await begin_login(parts.pool, practice_id, login_id, phone, code, parts.clock())
        if may_send and await patients_with_phone(parts.pool, practice_id, phone):
            await _send_code(parts, texting(), practice_id, phone, code)
        return {"login_id": login_id}

    @router.post("/login/verify")
    async def verify(body: ProveLogin, response: Response) -> dict[str, str]:
        """Check the code, then the date of birth; then the patient is logged in, by a cookie."""
        parts = doors()
        now = parts.clock()
        login = await try_login(parts.pool, body.login_id, now, code=body.code)
        if login is None:
            raise _not_proven()
        if body.date_of_birth is None:
            return {"next": "date_of_birth"}
        patient_id = await _patient(parts, login, body.date_of_birth)
        token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        await begin_session(parts.pool, body.login_id, login, patient_id, token, csrf_token, now)
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(SESSION_LIVES.total_seconds()),
            httponly=True,
            secure=parts.public_url.startswith("https://"),
            samesite="lax",
        )
        return {"csrf_token": csrf_token}


def _add_thread(router: APIRouter, doors: Callable[[], Doors]) -> None:
    async def session(token: str | None, csrf_token: str | None, *, is_change: bool) -> Session:
        parts = doors()
        found = await session_of(parts.pool, token, parts.clock()) if token else None
        if found is None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "Log in first")
        if is_change and not (csrf_token and secrets.compare_digest(csrf_token, found.csrf_token)):
            raise Problem(HTTPStatus.FORBIDDEN, "The X-CSRF-Token of this session is missing or wrong")
        return found

    @router.get("/state")
    async def state(switchboard_session: Annotated[str | None, Cookie()] = None) -> dict[str, Any]:
        """The thread, and the picker exactly when the patient is to be asked (rules R1 to R3)."""
        parts, patient = doors(), await session(switchboard_session, None, is_change=False)
        settings = await settings_of(parts.pool, patient.practice_id)
        thread = await thread_of(parts.pool, patient.practice_id, patient.patient_id)
        now = parts.clock()
        is_picking = is_asked(thread.state, settings, now)
        carried = carried_reason(thread.state, settings, now) if settings.reason_routing else None
        return {
            "conversation": {"status": "open" if thread.state.is_open else "closed"},
            "picker": [_shown(reason) for reason in offered_reasons(settings)] if is_picking else None,
            "reason": _shown(carried) if carried else None,
            "messages": thread.messages,
            "csrf_token": patient.csrf_token,
        }

    @router.post("/messages", status_code=HTTPStatus.ACCEPTED)
    async def write(
        body: NewMessage,
        switchboard_session: Annotated[str | None, Cookie()] = None,
        x_csrf_token: Annotated[str | None, Header()] = None,
    ) -> dict[str, str]:
        """Send a message; 202 once it is durable. What it carries by the rules is decided by router (R4, R11, R12)."""
        parts, patient = doors(), await session(switchboard_session, x_csrf_token, is_change=True)
        provider_message_id = f"{patient.patient_id}/{body.client_message_id}"
        message_id = ids.message_id("web", patient.practice_id, provider_message_id)
        await parts.accept(
            MessageReceivedV1(
                message_id=message_id,
                practice_id=patient.practice_id,
                patient_id=patient.patient_id,
                channel="web",
                provider_message_id=provider_message_id,
                received_at=parts.clock(),
                body=body.body,
                requested_reason_id=body.reason_id,
                identity="verified",
            )
        )
        return {"message_id": message_id}

    @router.post("/read", status_code=HTTPStatus.NO_CONTENT)
    async def read(
        body: ReadUpTo,
        switchboard_session: Annotated[str | None, Cookie()] = None,
        x_csrf_token: Annotated[str | None, Header()] = None,
    ) -> Response:
        """The patient has read the practice's messages (rule R2)."""
        parts, patient = doors(), await session(switchboard_session, x_csrf_token, is_change=True)
        await parts.accept(
            PracticeMessageReadV1(
                change_id=ids.content_id("read", patient.practice_id, patient.patient_id, body.message_id),
                practice_id=patient.practice_id,
                patient_id=patient.patient_id,
                actor=Actor(kind="patient", id=patient.patient_id),
                occurred_at=parts.clock(),
                message_id=body.message_id,
            )
        )
        return Response(status_code=HTTPStatus.NO_CONTENT)


async def _practice(parts: Doors, slug: str | None) -> str:
    if slug is None:
        texting = await practices_that_text(parts.pool)
        if len(texting) != 1:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "There are several practices: send practice_slug")
        return texting[0]
    practice_id = await practice_of(parts.pool, "slug", slug)
    if practice_id is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such practice")
    return practice_id


async def _patient(parts: Doors, login: Login, birth_date: date) -> str:
    """The one patient with this phone and date of birth. Twins with one phone cannot be told apart: not logged in."""
    found = await patients_born_on(parts.pool, login.practice_id, login.phone, birth_date)
    if not login.is_code_verified or len(found) != 1:
        raise _not_proven()
    return found[0]


async def _send_code(parts: Doors, texting: Texting, practice_id: str, phone: str, code: str) -> None:
    channels = (await channels_of(parts.pool, practice_id)).values()
    sms = next((one for one in channels if isinstance(one, TextChannel) and can_text(one)), None)
    if sms is None:
        log.warning("a practice has no channel to text codes with", practice_id=practice_id)
        return
    text = f"{code} is your code. It works for ten minutes. Nobody from the practice will ask you for it."
    try:
        await texting.send(sms, phone, text)
    except (SendFailed, httpx.HTTPError) as error:
        log.warning("a code could not be texted", practice_id=practice_id, error=type(error).__name__)


def _shown(reason: Reason) -> dict[str, str]:
    return {"id": reason.id, "label": reason.label.get("en") or next(iter(reason.label.values()), reason.id)}


def _not_proven() -> Problem:
    """The same answer for a wrong code, a wrong date, too many attempts and an unknown login."""
    return Problem(HTTPStatus.FORBIDDEN, "This could not be verified: start again")
