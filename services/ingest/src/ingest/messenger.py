"""The patient messenger's JSON: log in, see the thread and the picker, write, read, follow it live."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest import login, thread
from ingest.adapters.texts import Texting
from ingest.attachments import Attachments
from ingest.live import Live, State
from ingest.login import Asked, Cookies, LoggedIn
from ingest.publishing import Doors
from ingest.storage.logins import Session, end_session
from ingest.storage.owners import practice_of
from ingest.storage.practices import practices_that_text, profile_of
from ingest.thread import MOST_CHARACTERS, MOST_FILE_BYTES, MOST_FILES, Writing
from shared_schemas.values import Attachment, Id
from shared_web import Problem, bounded_body
from shared_web.event_streams import EventStream

Language = Literal["en", "es"]
CsrfToken = Annotated[str | None, Header(alias="X-CSRF-Token")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StartLogin(_Body):
    """Whose phone, and which practice's messenger: an installation with one practice that texts needs no slug."""

    practice_slug: Annotated[str | None, Field(pattern=r"^[a-z0-9-]{1,64}$")] = None
    phone: Annotated[str, Field(pattern=r"^[+0-9().\s/-]{3,32}$")]


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
    """What the patient writes, and the ids of files that were sent before. The same `client_message_id` again is the same
    message.
    """

    client_message_id: Id
    body: Annotated[str, Field(max_length=MOST_CHARACTERS)] = ""
    reason_id: Id | None = None
    attachments: Annotated[tuple[Id, ...], Field(max_length=MOST_FILES)] = ()

    @model_validator(mode="after")
    def _something(self) -> "NewMessage":
        if not self.body.strip() and not self.attachments:
            message = "there is neither a text nor a file"
            raise ValueError(message)
        return self


class ReadUpTo(_Body):
    """The newest message of the practice that the patient has read."""

    message_id: Id


class Messenger:
    """What the endpoints work with; most of it exists only while the app runs, so it is asked for at each request."""

    def __init__(
        self,
        doors: Callable[[], Doors],
        texting: Callable[[], Texting],
        files: Callable[[], Attachments],
        live: Callable[[], Live],
        *,
        is_behind_gateway: bool,
    ) -> None:
        self.doors = doors
        self.texting = texting
        self.files = files
        self.live = live
        self._is_behind_gateway = is_behind_gateway

    def address(self, request: Request) -> str:
        """Where a request comes from. Behind our gateway the last of X-Forwarded-For is what the gateway saw."""
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        if self._is_behind_gateway and forwarded:
            return forwarded
        return request.client.host if request.client else ""

    async def session(self, request: Request) -> Session:
        """Who is logged in. Raises a 401 problem when nobody is."""
        found = await login.session_in(self.doors(), request)
        if found is None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "Log in first")
        return found

    async def changing(self, request: Request, csrf_token: str | None) -> Session:
        """The same for a request that changes something. Raises a 403 problem when another site may have made it."""
        found = await self.session(request)
        if not login.has_csrf_token(found, csrf_token):
            raise Problem(HTTPStatus.FORBIDDEN, "The X-CSRF-Token of this session is missing or wrong")
        return found


def routes(messenger: Messenger) -> APIRouter:
    """The endpoints."""
    router = APIRouter(prefix="/v1/messenger")
    _add_login(router, messenger)
    _add_reading(router, messenger)
    _add_writing(router, messenger)
    return router


def _add_login(router: APIRouter, messenger: Messenger) -> None:
    @router.post("/login")
    async def begin(body: StartLogin, request: Request, background: BackgroundTasks) -> dict[str, str]:
        """Text a code to the phone, if it is a patient's. The answer is the same if it is not (ASVS 6.3.8)."""
        parts = messenger.doors()
        practice_id = await _practice(parts, body.practice_slug)
        profile = await profile_of(parts.pool, practice_id)
        country = profile.country if profile else "US"
        asked = Asked(practice_id, country, body.phone, messenger.address(request))
        begun = await login.begin(parts, messenger.texting(), asked)
        background.add_task(begun.send_code)
        return {"login_id": begun.login_id}

    @router.post("/login/verify")
    async def verify(body: ProveLogin, request: Request, response: Response) -> dict[str, str]:
        """Check the code, then the date of birth; then the patient is logged in, by a cookie. Where the date of birth was
        given within thirty days in the same browser, the code is enough.
        """
        parts = messenger.doors()
        cookies = Cookies.under(parts.public_url)
        done: LoggedIn | None
        if body.date_of_birth is not None:
            done = await login.prove_birth_date(parts, body.login_id, body.date_of_birth)
        else:
            done = await login.prove_code(parts, body.login_id, body.code or "", cookies.read(request, "device"))
        if done is None:
            return {"next": "date_of_birth"}
        cookies.write_login(response, done)
        return {"csrf_token": done.csrf_token}

    @router.post("/logout", status_code=HTTPStatus.NO_CONTENT)
    async def logout(request: Request, csrf_token: CsrfToken = None) -> Response:
        """End the session."""
        parts = messenger.doors()
        await end_session(parts.pool, await messenger.changing(request, csrf_token))
        response = Response(status_code=HTTPStatus.NO_CONTENT)
        Cookies.under(parts.public_url).forget(response, "session")
        return response


def _add_reading(router: APIRouter, messenger: Messenger) -> None:
    @router.get("/state")
    async def state(request: Request, language: Language = "en") -> dict[str, Any]:
        """The thread, and the picker exactly when the patient is to be asked (rules R1 to R3)."""
        return await thread.state_of(messenger.doors(), await messenger.session(request), language)

    @router.get("/stream", response_class=EventStream)
    async def stream(
        request: Request, language: Language = "en", last_event_id: Annotated[str | None, Header()] = None
    ) -> EventStream:
        """The state again after each change, as server-sent events `state`; it ends with the session."""
        patient = await messenger.session(request)

        async def read_state() -> State:
            return await thread.state_of(messenger.doors(), patient, language)

        return EventStream(messenger.live().stream(patient, last_event_id, read_state))


def _add_writing(router: APIRouter, messenger: Messenger) -> None:
    @router.post("/attachments", status_code=HTTPStatus.CREATED, max_body_size=MOST_FILE_BYTES)
    async def attach(request: Request, csrf_token: CsrfToken = None) -> Attachment:
        """Send a photo or a PDF (the body, as it is) for a message to come. The same file again is the same attachment."""
        patient = await messenger.changing(request, csrf_token)
        return await thread.keep_file(messenger.files(), patient, await bounded_body(request, MOST_FILE_BYTES))

    @router.post("/messages", status_code=HTTPStatus.ACCEPTED)
    async def write(body: NewMessage, request: Request, csrf_token: CsrfToken = None) -> dict[str, str | None]:
        """Send a message; 202 once it is durable. What it carries by the rules is decided by router (R4, R11, R12). With
        one of the practice's emergency words, `emergency_text` is to be shown at once.
        """
        patient = await messenger.changing(request, csrf_token)
        writing = Writing(body.client_message_id, body.body, body.reason_id, body.attachments)
        return asdict(await thread.send(messenger.doors(), messenger.files(), patient, writing))

    @router.post("/read", status_code=HTTPStatus.NO_CONTENT)
    async def read(body: ReadUpTo, request: Request, csrf_token: CsrfToken = None) -> Response:
        """The patient has read the practice's messages (rule R2)."""
        await thread.read_up_to(messenger.doors(), await messenger.changing(request, csrf_token), body.message_id)
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
