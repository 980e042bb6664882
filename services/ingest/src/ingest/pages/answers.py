"""What all pages have in common: whose they are, in which language, how forms are read and answers are made."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Path as PathParameter
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from ingest import web
from ingest.configuration import Profile
from ingest.publishing import Doors
from ingest.storage.owners import practice_of
from ingest.storage.practices import profile_of
from ingest.thread import MOST_FILE_BYTES, MOST_FILES
from ingest.web.words import WORDS
from shared_database import DATABASE_FAILURES
from shared_web import Problem, bounded_body
from shared_web.assets import PAGE_HEADERS

Slug = Annotated[str, PathParameter(pattern=r"^[a-z0-9-]{1,64}$")]
LANGUAGE_COOKIE = "switchboard_language"
_A_YEAR = 365 * 24 * 3600
_MOST_FIELDS = 20
_MOST_FORM_BYTES = 64 * 1024
MOST_FILES_BYTES = MOST_FILES * MOST_FILE_BYTES + _MOST_FORM_BYTES
"""A form with files, as large as it may be."""


@dataclass(frozen=True, slots=True)
class Practice:
    """Whose messenger it is."""

    practice_id: str
    profile: Profile

    @property
    def path(self) -> str:
        """Where its pages begin."""
        return f"/m/{self.profile.slug}"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with a field, as a key of `WORDS`."""

    field: str
    words: str


@dataclass(slots=True)
class Form:
    """What a form sent. Files are those that were chosen."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[bytes] = field(default_factory=list)

    def get(self, name: str) -> str:
        """A field without the space around it; empty when it was not sent."""
        return self.fields.get(name, "").strip()


class PageRoute(APIRoute):
    """Answers problems with a page, and refuses forms that another site made the browser send."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See FastAPI's `APIRoute`."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                if request.method == "POST" and request.headers.get("sec-fetch-site", "") == "cross-site":
                    return _trouble(request, HTTPStatus.FORBIDDEN)
                response = await handle(request)
            except Problem as problem:
                return _trouble(request, problem.status)
            except DATABASE_FAILURES:
                return _trouble(request, HTTPStatus.SERVICE_UNAVAILABLE)
            if "language" in request.query_params:
                response.set_cookie(LANGUAGE_COOKIE, language_of(request), max_age=_A_YEAR, path="/m", samesite="lax")
            return response

        return answer


async def practice_at(parts: Doors, slug: str) -> Practice:
    """The practice of an address. Raises a 404 problem where there is none."""
    practice_id = await practice_of(parts.pool, "slug", slug)
    profile = await profile_of(parts.pool, practice_id) if practice_id else None
    if practice_id is None or profile is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such practice")
    return Practice(practice_id, profile)


def language_of(request: Request) -> str:
    """What was chosen here, or before; else the first language of the browser's that we have; else English."""
    accepted = [
        one.partition(";")[0].strip()[:2].lower() for one in request.headers.get("accept-language", "").split(",")
    ]
    chosen = [request.query_params.get("language"), request.cookies.get(LANGUAGE_COOKIE), *accepted]
    return next((one for one in chosen if one in WORDS), "en")


def show(
    request: Request,
    practice: Practice | None,
    template: str,
    errors: tuple[FieldError, ...] = (),
    status: HTTPStatus | None = None,
    **context: object,
) -> Response:
    """A page. With errors its status is 422, unless another is given."""
    language = language_of(request)
    words = WORDS[language]
    messenger = practice.profile.messenger if practice else None
    content = web.page(
        template,
        language,
        {
            "languages": {code: known["language_name"] for code, known in WORDS.items()},
            "practice": practice,
            "hours": messenger.hours.get(language) if messenger else None,  # type: ignore[call-overload]
            "emergency": (messenger.emergency_notice.get(language) if messenger else None) or words["emergency"],  # type: ignore[call-overload]
            "urgent": practice.profile.emergency_text if practice and "urgent" in request.query_params else None,
            "errors": [(one.field, words[one.words]) for one in errors],
            "errors_by_field": {one.field: words[one.words] for one in reversed(errors)},
            **context,
        },
    )
    chosen = status or (HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK)
    return HTMLResponse(content, chosen, headers=PAGE_HEADERS)


def go_to(path: str) -> Response:
    """Another page, after a form was taken or because this is not the time for this one."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, headers={"Cache-Control": "no-store"})


async def read_form(request: Request) -> Form:
    """The fields and files of a form, of a bounded size. Raises a 400 or 413 problem for what is none."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        body = await bounded_body(request, _MOST_FORM_BYTES)
        try:
            return Form(dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)))
        except ValueError:
            raise Problem(HTTPStatus.BAD_REQUEST, "This is no form") from None
    body = await bounded_body(request, MOST_FILES_BYTES)

    async def stream() -> AsyncGenerator[bytes]:
        yield body

    parser = MultiPartParser(
        request.headers, stream(), max_files=2 * MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=_MOST_FORM_BYTES
    )
    try:
        return await _form(await parser.parse())
    except (MultiPartException, ValueError, KeyError):
        raise Problem(HTTPStatus.BAD_REQUEST, "This is no form") from None


async def _form(data: FormData) -> Form:
    form = Form()
    for name, value in data.multi_items():
        if isinstance(value, str):
            form.fields[name] = value
        elif value.filename:
            form.files.append(await value.read())
    await data.close()
    return form


def _trouble(request: Request, status: HTTPStatus) -> Response:
    name = "not_found" if status == HTTPStatus.NOT_FOUND else "trouble"
    return show(request, None, "trouble.html", status=status, name=name)
