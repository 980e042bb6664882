"""What every service's app has, whatever it serves."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.telemetry import TelemetryConfig

from shared_web.bodies import MOST_BODY_BYTES, BodyDeadline, BodyLimit
from shared_web.pace import Pace
from shared_web.principals import TokenVerifier
from shared_web.problems import Problem, install_problem_details
from shared_web.settings import ServiceSettings

log = structlog.get_logger()

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""For every app: FastAPI's own telemetry records paths, queries and the texts of exceptions, in which patients are named."""


Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def bounded_app(title: str, lifespan: Lifespan | None = None, *, most_bytes: int = MOST_BODY_BYTES) -> FastAPI:
    """An app without endpoints: bodies are bounded in size and time, and every error is a problem.

    An endpoint that takes larger bodies says so (FastAPI's `max_body_size`). The app's description is for `just contracts`
    alone: nobody is served it.
    """
    app = FastAPI(
        title=title,
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=NO_TELEMETRY,
    )
    app.add_middleware(BodyLimit, most_bytes=most_bytes)
    install_problem_details(app)
    app.add_middleware(BodyDeadline)
    return app


@dataclass(frozen=True, slots=True)
class StoreFailures:
    """What the store behind an app raises, by whose fault it is."""

    away: tuple[type[Exception], ...]
    """It does not answer, or not now."""
    unkeepable: tuple[type[Exception], ...]
    """What was asked holds something that it cannot keep, wherever it stood in the request: a NUL, a time of no year."""


def service_app(service: str, settings: ServiceSettings, lifespan: Lifespan, failures: StoreFailures) -> FastAPI:
    """A `bounded_app` that knows callers by their tokens, paces them by practice, and says whose fault a failure is."""
    app = bounded_app(f"Switchboard {service}", lifespan)
    app.state.tokens = TokenVerifier(settings.jwks, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    app.state.pace = Pace(settings.practice_rate)
    for error in failures.away:
        app.add_exception_handler(error, _on_away)
    for error in failures.unkeepable:
        app.add_exception_handler(error, _on_unkeepable)
    return app


def _on_away(_: Request, error: Exception) -> Response:
    log.error("the store failed a request", kind=type(error).__name__)
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Not now: send it again", headers={"Retry-After": "5"}).response()


def _on_unkeepable(_: Request, __: Exception) -> Response:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "The request holds a NUL, or a number or time beyond all bounds"
    ).response()
