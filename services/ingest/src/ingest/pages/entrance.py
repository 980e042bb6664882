"""Logging in, one question a page: the phone, the code, the date of birth."""

import re
from datetime import date
from http import HTTPStatus

from fastapi import APIRouter, BackgroundTasks, Request, Response

from ingest import login
from ingest.domain.phones import is_phone
from ingest.login import Asked, Cookies, LoggedIn
from ingest.messenger import Messenger
from ingest.pages.answers import FieldError, Form, Practice, Slug, go_to, practice_at, read_form, show
from ingest.storage.logins import CODE_LIVES, end_session
from shared_web import Problem

_CODE = re.compile(r"[0-9]{6}")
_FIELDS = ("month", "day", "year")


def add(router: APIRouter, messenger: Messenger) -> None:
    """The pages before and after a session. The login is in a cookie: a code works in the browser that asked for it."""
    _add_phone(router, messenger)
    _add_code(router, messenger)
    _add_birth_date(router, messenger)

    @router.post("/{slug}/logout")
    async def logout(slug: Slug, request: Request) -> Response:
        parts = messenger.doors()
        session = await login.session_in(parts, request)
        form = await read_form(request)
        if session is not None and login.has_csrf_token(session, form.get("csrf_token")):
            await end_session(parts.pool, session)
        answer = go_to((await practice_at(parts, slug)).path)
        Cookies.under(parts.public_url).forget(answer, "session")
        return answer


def _add_phone(router: APIRouter, messenger: Messenger) -> None:
    @router.get("/{slug}")
    async def ask(slug: Slug, request: Request) -> Response:
        practice = await practice_at(messenger.doors(), slug)
        session = await login.session_in(messenger.doors(), request)
        if session is not None and session.practice_id == practice.practice_id:
            return go_to(f"{practice.path}/messages")
        return show(request, practice, "phone.html", phone="")

    @router.post("/{slug}")
    async def begin(slug: Slug, request: Request, background: BackgroundTasks) -> Response:
        parts = messenger.doors()
        practice, form = await practice_at(parts, slug), await read_form(request)
        phone = form.get("phone")
        if not is_phone(phone, practice.profile.country):
            return show(request, practice, "phone.html", (FieldError("phone", "phone_error"),), phone=phone)
        asked = Asked(practice.practice_id, practice.profile.country, phone, messenger.address(request))
        try:
            begun = await login.begin(parts, messenger.texting(), asked)
        except Problem as problem:
            if problem.status != HTTPStatus.TOO_MANY_REQUESTS:
                raise
            error = (FieldError("phone", "too_many"),)
            return show(request, practice, "phone.html", error, HTTPStatus.TOO_MANY_REQUESTS, phone=phone)
        answer = go_to(f"{practice.path}/code")
        background.add_task(begun.send_code)
        answer.background = background
        Cookies.under(parts.public_url).write(answer, "login", begun.login_id, CODE_LIVES.total_seconds())
        return answer


def _add_code(router: APIRouter, messenger: Messenger) -> None:
    @router.get("/{slug}/code")
    async def ask(slug: Slug, request: Request) -> Response:
        practice = await practice_at(messenger.doors(), slug)
        return show(request, practice, "code.html") if _login_id(messenger, request) else go_to(practice.path)

    @router.post("/{slug}/code")
    async def prove(slug: Slug, request: Request) -> Response:
        parts = messenger.doors()
        practice, login_id = await practice_at(parts, slug), _login_id(messenger, request)
        code = re.sub(r"[\s-]", "", (await read_form(request)).get("code"))
        if login_id is None:
            return show(request, practice, "phone.html", (FieldError("phone", "login_over"),), phone="")
        if not _CODE.fullmatch(code):
            return show(request, practice, "code.html", (FieldError("code", "code_error"),))
        cookies = Cookies.under(parts.public_url)
        try:
            done = await login.prove_code(parts, login_id, code, cookies.read(request, "device"))
        except Problem:
            return show(request, practice, "code.html", (FieldError("code", "not_proven"),))
        return go_to(f"{practice.path}/birth-date") if done is None else _welcome(practice, cookies, done)


def _add_birth_date(router: APIRouter, messenger: Messenger) -> None:
    @router.get("/{slug}/birth-date")
    async def ask(slug: Slug, request: Request) -> Response:
        practice = await practice_at(messenger.doors(), slug)
        if _login_id(messenger, request) is None:
            return go_to(practice.path)
        return show(request, practice, "birth_date.html", given=dict.fromkeys(_FIELDS, ""))

    @router.post("/{slug}/birth-date")
    async def prove(slug: Slug, request: Request) -> Response:
        parts = messenger.doors()
        practice, login_id, form = (
            await practice_at(parts, slug),
            _login_id(messenger, request),
            await read_form(request),
        )
        if login_id is None:
            return show(request, practice, "phone.html", (FieldError("phone", "login_over"),), phone="")
        given = {name: form.get(name) for name in _FIELDS}
        birth_date = _birth_date(form)
        if birth_date is None:
            return show(request, practice, "birth_date.html", (FieldError("month", "birth_error"),), given=given)
        try:
            done = await login.prove_birth_date(parts, login_id, birth_date)
        except Problem:
            return show(request, practice, "birth_date.html", (FieldError("month", "not_proven"),), given=given)
        return _welcome(practice, Cookies.under(parts.public_url), done)


def _login_id(messenger: Messenger, request: Request) -> str | None:
    return Cookies.under(messenger.doors().public_url).read(request, "login")


def _welcome(practice: Practice, cookies: Cookies, done: LoggedIn) -> Response:
    answer = go_to(f"{practice.path}/messages")
    cookies.write_login(answer, done)
    cookies.forget(answer, "login")
    return answer


def _birth_date(form: Form) -> date | None:
    try:
        return date(int(form.get("year")), int(form.get("month")), int(form.get("day")))
    except (ValueError, OverflowError):
        return None
