"""Errors as problem details: https://www.rfc-editor.org/rfc/rfc9457

An answer names what is wrong and where, and never repeats what was sent: it may be about a patient.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared_schemas.places import names_in, pointer
from shared_web.headers import ANSWER_HEADERS, AnswerHeaders

MEDIA_TYPE = "application/problem+json"

_PARTS = frozenset({"body", "query", "path", "header", "cookie"})
"""Of a request, as FastAPI names them."""

_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in (("4XX", "Refused; nothing was changed"), ("503", "Not now: send it again"))
}
"""Of every endpoint, in its service's OpenAPI document. Nothing else of 400 or more is an answer of ours."""
_SCHEMA = {
    "title": "Problem",
    "description": "https://www.rfc-editor.org/rfc/rfc9457",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "description": "What is wrong where: a JSON pointer (RFC 6901, section 6), with `*` for unknown names.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An answer other than success. Raise it anywhere below an endpoint.

    `title` is the same for every problem of its kind, `detail` is about this one; `extensions` are further members of
    the JSON object (RFC 9457 section 3.2), `headers` of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        title: str,
        *,
        detail: str | None = None,
        extensions: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.extensions = dict(extensions or {})
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The answer to send."""
        content: dict[str, object] = {"type": "about:blank", "title": self.title, "status": int(self.status)}
        if self.detail is not None:
            content["detail"] = self.detail
        return JSONResponse(
            content | self.extensions,
            status_code=self.status,
            headers={**ANSWER_HEADERS, **self.headers},  # what failed unexpectedly is answered outside all middleware
            media_type=MEDIA_TYPE,
        )


def install_problem_details(app: FastAPI) -> None:
    """Make every error of this app a problem: our own, the framework's, and what the request's form got wrong.

    Every answer gets `ANSWER_HEADERS`. Endpoints that are added from now on are documented with problems.
    """
    app.add_middleware(AnswerHeaders)
    _document(app)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(Exception, _on_unexpected)


def _document(app: FastAPI) -> None:
    """https://fastapi.tiangolo.com/how-to/extending-openapi/"""
    app.router.responses.update(_DOCUMENTED)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _SCHEMA
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _on_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return error.response()


def _on_http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return Problem(status, status.phrase, headers=error.headers).response()


def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    names = _names_in(request.app)
    errors = [{"pointer": pointer(problem["loc"], names), "detail": str(problem["type"])} for problem in error.errors()]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The request does not have the expected form", extensions={"errors": errors}
    ).response()


def _names_in(app: FastAPI) -> frozenset[str]:
    """What the app's own description names; worked out at the first mistake that somebody makes."""
    known: frozenset[str] | None = getattr(app.state, "names", None)
    if known is None:
        app.state.names = known = names_in(app.openapi()) | _PARTS
    return known


def _on_unexpected(_: Request, __: Exception) -> JSONResponse:
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side").response()
