"""ingest's composition root."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import structlog
from fastapi import FastAPI, Request, Response

from ingest import api, calls, downloads, erasures, handlers, messenger, pages, webhooks
from ingest.adapters.blobs import BLOB_FAILURES, Blobs
from ingest.adapters.key_keepers import SettingsKeeper, TransitKeeper
from ingest.adapters.media import MediaSource
from ingest.adapters.texts import Texting
from ingest.attachments import Attachments
from ingest.consuming import consuming
from ingest.copying import Copier
from ingest.forgetting import Forgetting
from ingest.live import Live
from ingest.messenger import Messenger
from ingest.policy import POLICY
from ingest.publishing import Doors, not_stored
from ingest.sealing import FileSealing
from ingest.sending import Sender
from ingest.settings import KeySettings, Settings
from ingest.spooling import Spool, SpoolLimits
from ingest.storage.channels import Arrivals
from ingest.web import ASSETS
from shared_database import DATABASE_FAILURES, UNKEEPABLE, DatabaseLogin, create_pool
from shared_database.migrations import ServiceSchema
from shared_database.retention import keep_retention
from shared_database.sealing import Sealer, Unopenable
from shared_messaging import Engine, EngineOptions, KafkaConnection, Publisher, Subscription
from shared_observability import Check, health_routes
from shared_schemas import topics
from shared_web import Pace, StoreFailures, apply_policy, service_app
from shared_web.stopping import stop_process

if TYPE_CHECKING:
    from shared_database.pools import Pool

log = structlog.get_logger()

SERVICE = "ingest"
SCHEMA = ServiceSchema(schema="ingest", package="ingest")
PATHS = (
    r"/hooks/",
    r"/v1/messages$",
    r"/v1/messenger/",
    r"/m/",
    r"/v1/attachments/",
    r"/v1/practices/[^/]+/(profile|channels|contacts|failed-texts|erasures)(/|$)",
)


def _now() -> datetime:
    return datetime.now(UTC)


def subscriptions() -> list[Subscription]:
    """What ingest consumes."""
    return [
        Subscription((topics.PATIENTS,), handlers.on_patients, "patients"),
        Subscription((topics.PRACTICE_SETTINGS,), handlers.on_practice_settings, "practice-settings"),
        Subscription((topics.ROUTED_MESSAGES,), handlers.on_routed_messages, "routed-messages", is_hurried=False),
    ]


def _on_outage(_: Request, __: Exception) -> Response:
    """PostgreSQL does not answer, so nobody can say whose message it is, nor keep it."""
    return not_stored().response()


def _on_lost_key(_: Request, __: Exception) -> Response:
    """The key that a channel's secrets were sealed with is not there: nobody can say whether a webhook is the provider's."""
    log.error("the secrets of a channel cannot be opened: is its key among SWITCHBOARD_INGEST_SECRET_KEY?")
    return not_stored().response()


def _texting(settings: Settings, http: httpx.AsyncClient) -> Texting:
    return Texting(
        http,
        settings.twilio_api_url.rstrip("/"),
        settings.telnyx_api_url.rstrip("/"),
        settings.public_url.rstrip("/"),
    )


def _media_source(settings: Settings, http: httpx.AsyncClient) -> MediaSource:
    api_urls = (settings.twilio_api_url, settings.telnyx_api_url)
    return MediaSource(http, settings.media_hosts, api_urls, settings.attachment_bytes)


def file_sealing(settings: KeySettings, pool: "Pool", http: httpx.AsyncClient) -> FileSealing | None:
    """How files are sealed, by who keeps the key; None where nobody does."""
    if settings.transit_url is not None and settings.transit_token is not None:
        token = settings.transit_token.get_secret_value()
        return FileSealing(pool, TransitKeeper(http, settings.transit_url, settings.transit_key, token))
    if settings.secret_key is not None:
        return FileSealing(pool, SettingsKeeper(Sealer.of(settings.secret_key.get_secret_value())))
    return None


def channel_sealer(settings: KeySettings) -> Sealer | None:
    """How the secrets of channels are sealed: by the settings' key, so that no webhook waits for a key keeper."""
    return Sealer.of(settings.secret_key.get_secret_value()) if settings.secret_key is not None else None


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI app; its lifespan starts and drains the consumers."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        kafka = KafkaConnection(settings.kafka_bootstrap_servers, "switchboard-ingest", settings.kafka_security)
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
                    options=EngineOptions(dead_letter_limit=settings.dead_letter_limit),
                    publishes=(topics.PATIENT_MESSAGES.name, topics.CONVERSATION_CHANGES.name),
                )

            limits = SpoolLimits(settings.kafka_patience, settings.spool_rows)
            async with Spool(pool, publisher, _now, limits) as spool, consuming(create_engine, stop_process):
                sealer = channel_sealer(settings)
                doors = Doors(pool, spool, _now, settings.public_url.rstrip("/"), Arrivals(pool, sealer), sealer)
                sealing = file_sealing(settings, pool, http)
                files = Attachments(pool, Blobs(settings.blob_url), _now, settings.attachment_bytes, sealing)
                app.state.doors, app.state.attachments = doors, files
                app.state.texting = _texting(settings, http)
                copier = Copier(doors, files, _media_source(settings, http), settings.twilio_api_url.rstrip("/"))
                app.state.live = Live(pool, _now)
                app.state.draining = app.state.live.drain
                working = [
                    asyncio.create_task(
                        keep_retention(pool, _now, Forgetting(files).forget_old, BLOB_FAILURES), name="retention"
                    ),
                    asyncio.create_task(Sender(doors, app.state.texting).run(), name="send texts"),
                    asyncio.create_task(copier.run(), name="copy files"),
                    asyncio.create_task(app.state.live.run(), name="live messengers"),
                ]
                try:
                    yield
                finally:
                    for task in working:
                        task.cancel()
                    await asyncio.wait(working)

    def accepts() -> Check:
        """Not about the consumers: without Kafka messages are still accepted, so traffic must still come."""
        doors: Doors | None = getattr(app.state, "doors", None)
        reason = "starting" if doors is None else doors.spool.trouble
        return Check(not reason, reason)

    app = service_app(SERVICE, settings, lifespan, StoreFailures(away=(), unkeepable=UNKEEPABLE))
    app.state.adapter_pace = Pace(settings.adapter_rate)
    app.state.checks = {"doors": accepts}
    app.add_exception_handler(Unopenable, _on_lost_key)
    for outage in DATABASE_FAILURES:
        app.add_exception_handler(outage, _on_outage)
    app.include_router(webhooks.routes(lambda: app.state.doors))
    app.include_router(calls.routes(lambda: app.state.doors))
    patients = Messenger(
        lambda: app.state.doors,
        lambda: app.state.texting,
        lambda: app.state.attachments,
        lambda: app.state.live,
        is_behind_gateway=settings.behind_gateway,
    )
    app.include_router(messenger.routes(patients))
    app.include_router(ASSETS.routes())
    app.include_router(pages.routes(patients))
    app.include_router(downloads.routes(lambda: app.state.doors, lambda: app.state.attachments))
    app.include_router(api.routes(lambda: app.state.doors))
    app.include_router(erasures.routes(lambda: app.state.doors))
    app.include_router(health_routes(app.state.checks))
    apply_policy(app, POLICY)
    return app
