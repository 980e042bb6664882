"""The notifier's composition root."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI

from notifier.api import Dependencies, routes
from notifier.handlers import Handlers
from notifier.settings import Settings
from notifier.streams import StaffStreams
from shared_database import DatabaseLogin, create_pool
from shared_database.migrations import ServiceSchema
from shared_messaging import Engine, KafkaConnection, Publisher, Subscription
from shared_observability import Check, health_routes
from shared_schemas import topics
from shared_web import TokenVerifier, install_problem_details
from shared_web.stopping import stop_process

SERVICE = "notifier"
SCHEMA = ServiceSchema(schema="notifier", package="notifier")
PATHS = (r"/v1/(stream|stream-tickets|events|inboxes|conversations|notifications)(/|$)",)


def _now() -> datetime:
    return datetime.now(UTC)


def subscriptions(handlers: Handlers) -> list[Subscription]:
    """What the notifier consumes."""
    return [
        Subscription((topics.ROUTED_MESSAGES,), handlers.on_routed_messages, "routed-messages"),
        Subscription((topics.PRACTICE_SETTINGS,), handlers.on_practice_settings, "practice-settings"),
    ]


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI app; its lifespan starts and drains the consumers and the streams."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        kafka = KafkaConnection(settings.kafka_bootstrap_servers, "switchboard-notifier")
        pool = await create_pool(DatabaseLogin(settings.postgres_dsn.get_secret_value(), SCHEMA.schema), max_size=16)
        async with pool, Publisher(kafka) as publisher:
            engine = Engine(
                SERVICE,
                subscriptions(Handlers(_now)),
                kafka=kafka,
                pool=pool,
                publisher=publisher,
                on_stopped=stop_process,
                publishes=(topics.STAFF_NOTIFICATIONS.name, topics.CONVERSATION_CHANGES.name),
            )
            streams = StaffStreams(kafka, heartbeat_seconds=settings.heartbeat_seconds)
            async with engine, streams:
                app.state.dependencies = Dependencies(pool, publisher, streams, _now, settings.action_wait_seconds)
                app.state.engine = engine
                app.state.draining = streams.drain
                yield

    def consuming() -> Check:
        engine: Engine | None = getattr(app.state, "engine", None)
        return (
            Check(ok=False, reason="starting") if engine is None else Check(engine.health.ready, engine.health.reason)
        )

    def streaming() -> Check:
        parts: Dependencies | None = getattr(app.state, "dependencies", None)
        return Check(parts is not None and parts.streams.is_ready, "the staff log is not read yet, or we are draining")

    app = FastAPI(title="Switchboard notifier", version="1", lifespan=lifespan)
    app.state.tokens = TokenVerifier(settings.jwks, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    app.state.checks = {"consumers": consuming, "streams": streaming}
    install_problem_details(app)
    app.include_router(routes(lambda: app.state.dependencies))
    app.include_router(health_routes(app.state.checks))
    return app
