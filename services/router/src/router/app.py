"""The router's composition root."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI

from router import api
from router.api.dependencies import Dependencies
from router.handlers import Handlers
from router.keeping import keep_decisions
from router.policy import POLICY
from router.publishing import SettingsPublisher
from router.settings import Settings
from router.storage.forgetting import forget_old
from shared_database import DATABASE_FAILURES, UNKEEPABLE, DatabaseLogin, create_pool
from shared_database.migrations import ServiceSchema
from shared_database.retention import keep_retention
from shared_messaging import Engine, EngineOptions, KafkaConnection, Publisher, Subscription
from shared_observability import Check, health_routes
from shared_schemas import topics
from shared_web import StoreFailures, apply_policy, service_app
from shared_web.stopping import stop_process

SERVICE = "router"
SCHEMA = ServiceSchema(schema="router", package="router")
PATHS = (r"/v1/practices/[^/]+/(routing-settings|coverage|simulate|what-if|decisions|unrouted|members)(/|$)",)


def _now() -> datetime:
    return datetime.now(UTC)


def subscriptions(handlers: Handlers) -> list[Subscription]:
    """What the router consumes."""
    return [
        Subscription((topics.PATIENT_MESSAGES,), handlers.on_patient_messages, "patient-messages"),
        Subscription((topics.CONVERSATION_CHANGES,), handlers.on_conversation_changes, "conversation-changes"),
        Subscription((topics.APPOINTMENTS,), handlers.on_appointments, "appointments"),
        Subscription((topics.PRACTICE_DIRECTORY,), handlers.on_practice_directory, "practice-directory"),
    ]


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI app; its lifespan starts and drains the consumers."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        kafka = KafkaConnection(settings.kafka_bootstrap_servers, "switchboard-router", settings.kafka_security)
        pool = await create_pool(DatabaseLogin(settings.postgres_dsn.get_secret_value(), SCHEMA.schema), max_size=16)
        async with pool, Publisher(kafka) as publisher:
            publishing = SettingsPublisher(pool, publisher, _now)
            engine = Engine(
                SERVICE,
                subscriptions(Handlers(_now)),
                kafka=kafka,
                pool=pool,
                publisher=publisher,
                on_stopped=stop_process,
                options=EngineOptions(dead_letter_limit=settings.dead_letter_limit),
                publishes=(
                    topics.ROUTED_MESSAGES.name,
                    topics.PRACTICE_SETTINGS.name,
                    topics.CONVERSATION_CHANGES.name,
                ),
            )
            async with engine:
                app.state.dependencies = Dependencies(pool, publishing, _now)
                app.state.engine = engine
                tasks = {
                    asyncio.create_task(publishing.run(), name="publish settings"),
                    asyncio.create_task(keep_decisions(pool, settings.decision_retention), name="keep decisions"),
                    asyncio.create_task(keep_retention(pool, _now, forget_old), name="retention"),
                }
                try:
                    yield
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.wait(tasks)

    def consuming() -> Check:
        engine: Engine | None = getattr(app.state, "engine", None)
        return (
            Check(ok=False, reason="starting") if engine is None else Check(engine.health.ready, engine.health.reason)
        )

    app = service_app(SERVICE, settings, lifespan, StoreFailures(DATABASE_FAILURES, UNKEEPABLE))
    app.state.checks = {"consumers": consuming}
    for part in (api.settings, api.subscriptions, api.decisions):
        app.include_router(part.routes(lambda: app.state.dependencies))
    app.include_router(health_routes(app.state.checks))
    apply_policy(app, POLICY)
    return app
