"""ingest's composition root."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
from fastapi import FastAPI, Request, Response

from ingest import api, handlers, messenger, webhooks
from ingest.adapters.texts import Texting
from ingest.consuming import consuming
from ingest.publishing import Doors, not_stored
from ingest.sending import Sender
from ingest.settings import Settings
from ingest.spooling import Spool, SpoolLimits
from shared_database import DATABASE_FAILURES, DatabaseLogin, create_pool
from shared_database.migrations import ServiceSchema
from shared_messaging import Engine, KafkaConnection, Publisher, Subscription
from shared_observability import Check, health_routes
from shared_schemas import topics
from shared_web import TokenVerifier, install_problem_details
from shared_web.stopping import stop_process

SERVICE = "ingest"
SCHEMA = ServiceSchema(schema="ingest", package="ingest")
PATHS = (r"/hooks/", r"/v1/messages$", r"/v1/messenger/", r"/v1/practices/[^/]+/(profile|channels)(/|$)")


def _now() -> datetime:
    return datetime.now(UTC)


def subscriptions() -> list[Subscription]:
    """What ingest consumes."""
    return [
        Subscription((topics.PATIENTS,), handlers.on_patients, "patients"),
        Subscription((topics.PRACTICE_SETTINGS,), handlers.on_practice_settings, "practice-settings"),
        Subscription((topics.ROUTED_MESSAGES,), handlers.on_routed_messages, "routed-messages"),
    ]


def _on_outage(_: Request, __: Exception) -> Response:
    """PostgreSQL does not answer, so nobody can say whose message it is, nor keep it."""
    return not_stored().response()


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI app; its lifespan starts and drains the consumers."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        kafka = KafkaConnection(settings.kafka_bootstrap_servers, "switchboard-ingest")
        pool = await create_pool(DatabaseLogin(settings.postgres_dsn.get_secret_value(), SCHEMA.schema), max_size=20)
        async with pool, Publisher(kafka) as publisher, httpx.AsyncClient(timeout=10) as http:

            def create_engine() -> Engine:
                return Engine(
                    SERVICE,
                    subscriptions(),
                    kafka=kafka,
                    pool=pool,
                    publisher=publisher,
                    on_stopped=stop_process,
                    publishes=(topics.PATIENT_MESSAGES.name, topics.CONVERSATION_CHANGES.name),
                )

            limits = SpoolLimits(settings.kafka_patience, settings.spool_rows)
            async with Spool(pool, publisher, _now, limits) as spool, consuming(create_engine, stop_process):
                app.state.doors = Doors(pool, spool, _now, settings.public_url.rstrip("/"))
                app.state.texting = Texting(
                    http, settings.twilio_api_url.rstrip("/"), settings.telnyx_api_url.rstrip("/")
                )
                sending = asyncio.create_task(Sender(pool, app.state.texting, _now).run(), name="send texts")
                try:
                    yield
                finally:
                    sending.cancel()
                    await asyncio.wait({sending})

    def accepts() -> Check:
        """Not about the consumers: without Kafka messages are still accepted, so traffic must still come."""
        doors: Doors | None = getattr(app.state, "doors", None)
        reason = "starting" if doors is None else doors.spool.trouble
        return Check(not reason, reason)

    app = FastAPI(title="Switchboard ingest", version="1", lifespan=lifespan)
    app.state.tokens = TokenVerifier(settings.jwks, issuer=settings.jwt_issuer, audience=settings.jwt_audience)
    app.state.checks = {"doors": accepts}
    install_problem_details(app)
    for outage in DATABASE_FAILURES:
        app.add_exception_handler(outage, _on_outage)
    app.include_router(webhooks.routes(lambda: app.state.doors))
    app.include_router(messenger.routes(lambda: app.state.doors, lambda: app.state.texting))
    app.include_router(api.routes(lambda: app.state.doors))
    app.include_router(health_routes(app.state.checks))
    return app
