"""What every service's app has, whatever it serves."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from shared_web.bodies import MOST_BODY_BYTES, BodyDeadline, BodyLimit
from shared_web.pace import Pace
from shared_web.principals import TokenVerifier
from shared_web.problems import install_problem_details
from shared_web.settings import ServiceSettings

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


def service_app(service: str, settings: ServiceSettings, lifespan: Lifespan) -> FastAPI:
    """A `bounded_app` that knows callers by their tokens, and paces them by practice."""
    app = bounded_app(f"Switchboard {service}", lifespan)
    app.state.tokens = TokenVerifier(settings.jwks, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    app.state.pace = Pace(settings.practice_rate)
    return app
