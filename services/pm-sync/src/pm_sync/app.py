"""pm-sync's composition root."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI

from pm_sync.adapters.fhir.servers import Servers
from pm_sync.api import Dependencies, routes
from pm_sync.asking import Asking
from pm_sync.drop_folder import DropFolder
from pm_sync.feed import Parts
from pm_sync.listening import MllpListener, tls_context
from pm_sync.policy import POLICY
from pm_sync.runs import Runs
from pm_sync.scheduling import Scheduler
from pm_sync.settings import Settings
from shared_database import DATABASE_FAILURES, UNKEEPABLE, DatabaseLogin, create_pool
from shared_database.migrations import ServiceSchema
from shared_database.sealing import Sealer
from shared_messaging import KafkaConnection, Publisher, Sources, partition_counts
from shared_observability import Check, health_routes
from shared_schemas import topics
from shared_web import StoreFailures, apply_policy, service_app

SERVICE = "pm-sync"
SCHEMA = ServiceSchema(schema="pm_sync", package="pm_sync")
PATHS = (r"/v1/practices/[^/]+/pm-connections(/|$)",)


def _now() -> datetime:
    return datetime.now(UTC)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.mllp_tls_certificate is None or settings.mllp_tls_key is None:
        return None
    ca = settings.mllp_tls_client_ca
    return tls_context(str(settings.mllp_tls_certificate), str(settings.mllp_tls_key), str(ca) if ca else None)


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI app; its lifespan starts and stops what asks, and what watches files."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        kafka = KafkaConnection(settings.kafka_bootstrap_servers, "switchboard-pm-sync", settings.kafka_security)
        outputs = (topics.APPOINTMENTS.name, topics.PATIENTS.name, topics.PRACTICE_DIRECTORY.name)
        await partition_counts(kafka, outputs)
        sealer = Sealer.of(settings.secret_key.get_secret_value()) if settings.secret_key else None
        pool = await create_pool(DatabaseLogin(settings.postgres_dsn.get_secret_value(), SCHEMA.schema))
        async with (
            pool,
            Publisher(kafka) as publisher,
            Sources(pool, publisher) as sources,
            Servers(settings.outbound_allowed, _now, time.monotonic) as servers,
            AsyncExitStack() as running,
        ):
            parts = Parts(pool, sources, _now, sealer)
            runs = Runs(parts, servers)
            if settings.mllp_port:
                tls = _tls(settings)
                listener = MllpListener(parts, host=settings.mllp_host, port=settings.mllp_port, tls=tls)
                await running.enter_async_context(listener)
            scheduler = Scheduler(pool, Asking(parts, runs).ask, _now)
            app.state.dependencies = Dependencies(parts, runs, scheduler.wake)
            app.state.tasks = [asyncio.create_task(scheduler.run(), name="scheduler")]
            if settings.drop_dir is not None:
                drop_folder = DropFolder(settings.drop_dir, runs, pool)
                app.state.tasks.append(asyncio.create_task(drop_folder.watch(), name="drop folder"))
            try:
                yield
            finally:
                for task in app.state.tasks:
                    task.cancel()
                await asyncio.wait(app.state.tasks)

    def working() -> Check:
        tasks: list[asyncio.Task[None]] = getattr(app.state, "tasks", [])
        ended = [task.get_name() for task in tasks if task.done()]
        return Check(not ended, f"has ended: {', '.join(ended)}")

    app = service_app(SERVICE, settings, lifespan, StoreFailures(DATABASE_FAILURES, UNKEEPABLE))
    app.state.checks = {"working": working}
    app.include_router(routes(lambda: app.state.dependencies))
    app.include_router(health_routes(app.state.checks))
    apply_policy(app, POLICY)
    return app
