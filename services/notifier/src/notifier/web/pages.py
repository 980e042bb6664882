"""The console's pages: inbox and notifications for staff, routing and operations for administrators and operators."""

from http import HTTPStatus
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic_core import to_json

from notifier.web.rendering import ADDRESSES, LANGUAGE_COOKIE, language_of
from notifier.web.sign_in import SignIn, sign_in_address
from notifier.web.words import LANGUAGES, WORDS
from shared_web import Principal, Problem
from shared_web.principals import current_principal, session_of

PAGES = tuple(ADDRESSES)
PUSH_WORDS = ("urgent", "push.waits.one", "push.waits.other")
A_YEAR = 365 * 24 * 3600


def routes(parts: SignIn) -> APIRouter:
    """The pages. Whoever is not signed in is sent to sign in and comes back."""
    router = APIRouter(include_in_schema=False)

    @router.get("/inbox")
    async def inbox(request: Request) -> Response:
        return await _page(parts, request, "inbox")

    @router.get("/routing")
    async def routing(request: Request) -> Response:
        return await _page(parts, request, "routing")

    @router.get("/operations")
    async def operations(request: Request) -> Response:
        return await _page(parts, request, "operations")

    @router.get("/console/notifications")
    async def notifications(request: Request) -> Response:
        return await _page(parts, request, "notifications")

    @router.get("/console/push-worker.js")
    async def push_worker() -> Response:
        """What shows push messages. Its address must stay the same, and it must be able to do without any page."""
        words = {language: {key: WORDS[language][key] for key in PUSH_WORDS} for language in LANGUAGES}
        worker = (files("notifier.web") / "assets" / "push-worker.js").read_text("utf-8")
        content = f"const WORDS = {to_json(words).decode()};\n{worker}"
        return Response(content, media_type="text/javascript; charset=utf-8", headers={"Cache-Control": "no-cache"})

    @router.get("/console/language/{language}")
    async def choose_language(request: Request, language: str) -> Response:
        """Remember a language; the browser goes back to where it was."""
        back = request.query_params.get("next", "")
        is_ours = back in ADDRESSES.values()
        response = RedirectResponse(back if is_ours else ADDRESSES["inbox"], HTTPStatus.SEE_OTHER)
        if language in LANGUAGES:
            parts.keep(response, LANGUAGE_COOKIE, language, A_YEAR)
        return response

    return router


async def _page(parts: SignIn, request: Request, name: str) -> Response:
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    try:
        caller = await current_principal(request)
    except Problem as problem:
        if problem.status != HTTPStatus.UNAUTHORIZED:
            raise
        return RedirectResponse(sign_in_address(target), HTTPStatus.SEE_OTHER)
    language = language_of(request)
    pages = _pages_of(caller)
    if name not in pages:
        return parts.pages.answer("refused.html", language, status=HTTPStatus.FORBIDDEN, name=name, pages=pages)
    session = parts.session(caller, session_of(request) or "")
    practice_id = caller.practice_id or request.query_params.get("practice")
    data = {"page": name, "language": language, "words": dict(WORDS[language]), **session, "practice_id": practice_id}
    return parts.pages.answer("page.html", language, name=name, pages=pages, data=data)


def _pages_of(caller: Principal) -> tuple[str, ...]:
    match caller.role:
        case "member":
            return ("inbox", "notifications")
        case "emergency":
            return ("inbox",)
        case "administrator":
            return PAGES
        case "operator":
            return ("routing", "operations")
