"""The single origin: the four services as one ASGI app, on one port, without a gateway.

Each service says which paths it answers (`PATHS`); the gateway of a larger installation does the same by configuration.
"""

import os
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

import ingest.app
import ingest.settings
import notifier.app
import notifier.settings
import pm_sync.app
import pm_sync.settings
import router.app
import router.settings
from shared_database.migrations import ServiceSchema
from shared_observability import health_routes
from shared_web import Problem, bounded_app
from shared_web.settings import ServiceSettings
from switchboard_cli import development_sign_in
from switchboard_cli.development_issuer import DevelopmentIssuer

_CREATE: Mapping[str, Callable[[], FastAPI]] = {
    "ingest": lambda: ingest.app.create_app(ingest.settings.Settings.model_validate({})),
    "router": lambda: router.app.create_app(router.settings.Settings.model_validate({})),
    "notifier": lambda: notifier.app.create_app(notifier.settings.Settings.model_validate({})),
    "pm-sync": lambda: pm_sync.app.create_app(pm_sync.settings.Settings.model_validate({})),
}
_PATHS: Mapping[str, tuple[str, ...]] = {
    "ingest": ingest.app.PATHS,
    "router": router.app.PATHS,
    "pm-sync": pm_sync.app.PATHS,
    "notifier": notifier.app.PATHS,
}
SERVICES = tuple(_CREATE)
SCHEMAS: tuple[ServiceSchema, ...] = (ingest.app.SCHEMA, router.app.SCHEMA, notifier.app.SCHEMA, pm_sync.app.SCHEMA)

CONSUMERS: tuple[ServiceSchema, ...] = (ingest.app.SCHEMA, router.app.SCHEMA, notifier.app.SCHEMA)
"""Those that read topics: pm-sync only writes."""


def create_service(name: str) -> FastAPI:
    """One service, from the environment's settings.

    Raises pydantic's ValidationError for a missing or bad setting, KeyError for a name that is not in `SERVICES`.
    """
    return _CREATE[name]()


def create_origin() -> FastAPI:
    """All four services as one app. It starts and drains them together, and is ready when all of them are."""
    services = {name: create_service(name) for name in SERVICES}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as running:
            for service in services.values():
                await running.enter_async_context(service.router.lifespan_context(service))
            yield

    origin = bounded_app("Switchboard", lifespan)
    checks = {
        f"{name}.{check}": ask for name, service in services.items() for check, ask in service.state.checks.items()
    }
    origin.include_router(health_routes(checks))
    if development_sign_in.VARIABLE in os.environ:
        issuer = DevelopmentIssuer(Path(os.environ[development_sign_in.VARIABLE]))
        public_url = ServiceSettings.model_validate({}).public_url
        origin.include_router(development_sign_in.routes(issuer, public_url))
    origin.router.default = _by_path({name: (services[name], paths) for name, paths in _PATHS.items()})
    origin.state.draining = lambda: _drain(services.values())
    return origin


def _by_path(services: Mapping[str, tuple[ASGIApp, tuple[str, ...]]]) -> ASGIApp:
    routes = [(re.compile("|".join(f"(?:{path})" for path in paths)), app) for app, paths in services.values()]

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        for pattern, app in routes:
            if pattern.match(scope["path"]):
                await app(scope, receive, send)
                return
        raise Problem(HTTPStatus.NOT_FOUND, "There is nothing at this address")

    return dispatch


def _drain(services: Iterable[FastAPI]) -> None:
    for service in services:
        drain: Callable[[], None] | None = getattr(service.state, "draining", None)
        if drain is not None:
            drain()
