"""pm-sync's composition root."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI

from pm_sync.api import Dependencies, routes
from pm_sync.drop_folder import DropFolder
from pm_sync.runs import Runs
from pm_sync.settings import Settings
from shared_database import DatabaseLogin, create_pool
from shared_database.migrations import ServiceSchema
from shared_messaging import KafkaConnection, Publisher, partition_counts
from shared_observability import Check, health_routes
from shared_schemas import topics
from shared_web import TokenVerifier, install_problem_details

SERVICE = "pm-sync"
SCHEMA = ServiceSchema(schema="pm_sync", package="pm_sync")
PATHS = (r"/v1/practices/[^/]+/pm-connections(/|$)",)


def _now() -> datetime:
    return datetime.now(UTC)


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI app; its lifespan starts and stops the drop folder."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        kafka = KafkaConnection(settings.kafka_bootstrap_servers, "switchboard-pm-sync")
        outputs = (topics.APPOINTMENTS.name, topics.PATIENTS.name, topics.PRACTICE_DIRECTORY.name)
        await partition_counts(kafka, outputs)
        pool = await create_pool(DatabaseLogin(settings.postgres_dsn.get_secret_value(), SCHEMA.schema))
        async with pool, Publisher(kafka) as publisher:
            runs = Runs(pool, publisher, _now)
            app.state.dependencies = Dependencies(pool, runs, _now)
            watching = None
            if settings.drop_dir is not None:
                watching = asyncio.create_task(DropFolder(settings.drop_dir, runs, pool).watch(), name="drop folder")
                app.state.watching = watching
            try:
                yield
            finally:
                if watching is not None:
                    watching.cancel()
                    await asyncio.wait({watching})

    def watching_files() -> Check:
        task: asyncio.Task[None] | None = getattr(app.state, "watching", None)
        return Check(task is None or not task.done(), "the drop folder is not watched any more")

    app = FastAPI(title="Switchboard pm-sync", version="1", lifespan=lifespan)
    app.state.tokens = TokenVerifier(settings.jwks, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    app.state.checks = {"drop_folder": watching_files}
    install_problem_details(app)
    app.include_router(routes(lambda: app.state.dependencies))
    app.include_router(health_routes(app.state.checks))
    return app
