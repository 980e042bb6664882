"""Errors as problem details: https://www.rfc-editor.org/rfc/rfc9457

An answer names what is wrong and where, and never repeats what was sent: it may be about a patient.
"""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


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
            content | self.extensions, status_code=self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def install_problem_details(app: FastAPI) -> None:
    """Make every error of this app a problem: our own, the framework's, and what the request's form got wrong."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(Exception, _on_unexpected)


def _on_problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return error.response()


def _on_http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    return Problem(status, status.phrase, headers=error.headers).response()


def _on_invalid_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"pointer": "/".join(str(part) for part in ("#", *problem["loc"])), "detail": str(problem["type"])}
        for problem in error.errors()
    ]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The request does not have the expected form", extensions={"errors": errors}
    ).response()


def _on_unexpected(_: Request, __: Exception) -> JSONResponse:
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side").response()
