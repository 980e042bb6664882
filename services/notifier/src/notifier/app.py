"""The notifier's composition root."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from fastapi import FastAPI

from notifier import api
from notifier.api import Dependencies
from notifier.handlers import Handlers
from notifier.notifying.email import MailServer
from notifier.notifying.people import Ways
from notifier.notifying.running import Sending, sending_webhooks, telling_people
from notifier.policy import POLICY
from notifier.settings import Settings
from notifier.storage.counts import counts_of
from notifier.storage.forgetting import forget_old
from notifier.storage.practices import Practices
from notifier.streams import StaffStreams
from notifier.watching import Watch
from notifier.web import oversight, pages, sign_in
from notifier.web.identity_provider import Client, IdentityProvider
from notifier.web.rendering import Pages
from shared_database import DATABASE_FAILURES, UNKEEPABLE, DatabaseLogin, create_pool
from shared_database.migrations import ServiceSchema
from shared_database.retention import keep_retention
from shared_database.sealing import Sealer
from shared_messaging import Engine, EngineOptions, KafkaConnection, Publisher, Subscription
from shared_observability import Check, health_routes
from shared_schemas import topics
from shared_web import StoreFailures, apply_policy, service_app
from shared_web.assets import Assets
from shared_web.outbound import GuardedTransport
from shared_web.stopping import stop_process

SERVICE = "notifier"
PUBLISH_PATIENCE = timedelta(seconds=10)
"""Of what only time brings. What is not sent by then is sent at the practice's next turn."""
SCHEMA = ServiceSchema(schema="notifier", package="notifier")
PATHS = (
    r"/v1/(stream|stream-tickets|events|inboxes|conversations|notifications|practice|search|reply-templates|actions)(/|$)",
    r"/v1/(duty|escalations|practices/[^/]+/escalation)(/|$)",
    r"/v1/(webhook-endpoints|notification-preferences|push-subscriptions)(/|$)",
    r"/(v1/operations|inbox|routing|operations|console)(/|$)",
)


def _now() -> datetime:
    return datetime.now(UTC)


def subscriptions(handlers: Handlers) -> list[Subscription]:
    """What the notifier consumes."""
    return [
        Subscription((topics.ROUTED_MESSAGES,), handlers.on_routed_messages, "routed-messages"),
        Subscription((topics.PRACTICE_SETTINGS,), handlers.on_practice_settings, "practice-settings"),
        Subscription((topics.PATIENTS,), handlers.on_patients, "patients"),
        Subscription((topics.PRACTICE_DIRECTORY,), handlers.on_practice_directory, "practice-directory"),
        Subscription((topics.STAFF_NOTIFICATIONS,), handlers.on_staff_notifications, "webhooks", is_hurried=False),
    ]


@asynccontextmanager
async def in_background(work: Coroutine[None, None, None], name: str) -> AsyncGenerator[None]:
    """Let it run until the end of the block."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI app; its lifespan starts and drains the consumers and the streams."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        kafka = KafkaConnection(settings.kafka_bootstrap_servers, "switchboard-notifier", settings.kafka_security)
        login = DatabaseLogin(settings.postgres_dsn.get_secret_value(), SCHEMA.schema)
        pool, practices, sealer = await create_pool(login, max_size=16), Practices(), _sealer(settings)
        async with (
            pool,
            Publisher(kafka) as publisher,
            _sending(settings, login, publisher, practices) as webhooks,
            _telling(settings, login) as ways,
        ):
            engine = Engine(
                SERVICE,
                subscriptions(Handlers(_now, practices, sealer, webhooks.wake)),
                kafka=kafka,
                pool=pool,
                publisher=publisher,
                on_stopped=stop_process,
                options=EngineOptions(dead_letter_limit=settings.dead_letter_limit),
                publishes=(topics.STAFF_NOTIFICATIONS.name, topics.CONVERSATION_CHANGES.name),
            )
            streams = StaffStreams(
                kafka,
                partial(practices.one, pool),
                partial(counts_of, pool),
                heartbeat_seconds=settings.heartbeat_seconds,
            )
            watch = Watch(pool, practices, partial(publisher.send, timeout=PUBLISH_PATIENCE), _now)
            retention = keep_retention(pool, _now, forget_old)
            async with (
                engine,
                streams,
                in_background(watch.run(), "duty"),
                in_background(retention, "retention"),
            ):
                app.state.dependencies = Dependencies(
                    pool, publisher, streams, practices, _now, settings.action_wait_seconds
                )
                app.state.webhooks, app.state.ways = webhooks, ways
                app.state.oversight = oversight.Oversight(kafka, publisher, _now)
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

    app = service_app(SERVICE, settings, lifespan, StoreFailures(DATABASE_FAILURES, UNKEEPABLE))
    app.state.checks = {"consumers": consuming, "streams": streaming}
    for part in (api.streaming, api.reading, api.templates, api.acting, api.duty, api.escalating):
        app.include_router(part.routes(lambda: app.state.dependencies))
    app.include_router(api.webhooks.routes(lambda: app.state.dependencies, lambda: app.state.webhooks))
    app.include_router(api.preferences.routes(lambda: app.state.dependencies, lambda: app.state.ways))
    app.include_router(health_routes(app.state.checks))
    _add_console(app, settings)
    apply_policy(app, POLICY)
    return app


def _sealer(settings: Settings) -> Sealer | None:
    return Sealer.of(settings.secret_key.get_secret_value()) if settings.secret_key is not None else None


@asynccontextmanager
async def _sending(
    settings: Settings, login: DatabaseLogin, publisher: Publisher, practices: Practices
) -> AsyncGenerator[Sending]:
    """Webhooks, with connections of their own: they must not wait for streams and consumers, nor these for them."""
    transport = GuardedTransport(settings.outbound_allowed)
    async with (
        await create_pool(login, max_size=4) as pool,
        sending_webhooks(
            pool,
            publisher,
            practices,
            _sealer(settings),
            transport,
            _now,
            seconds=settings.webhook_seconds,
            failing_limit=settings.webhook_failing_limit,
        ) as webhooks,
    ):
        yield webhooks


@asynccontextmanager
async def _telling(settings: Settings, login: DatabaseLogin) -> AsyncGenerator[Ways]:
    """Push messages and e-mails, with connections of their own, too."""
    mail = None
    if settings.smtp_host is not None:
        password = settings.smtp_password.get_secret_value() if settings.smtp_password is not None else None
        mail = MailServer(
            settings.smtp_host,
            settings.smtp_port,
            settings.smtp_security,
            settings.mail_from,
            settings.smtp_user,
            password,
        )
    async with (
        await create_pool(login, max_size=4) as pool,
        telling_people(
            pool,
            _sealer(settings),
            GuardedTransport(settings.outbound_allowed),
            mail,
            _now,
            contact=settings.push_contact or settings.public_url,
            inbox_url=settings.public_url + "/inbox",
            notifications_url=settings.public_url + "/console/notifications",
        ) as ways,
    ):
        yield ways


def _add_console(app: FastAPI, settings: Settings) -> None:
    assets = Assets("/console/assets", "notifier.web")
    provider = None
    if settings.oidc_discovery_url:
        client = Client(
            settings.oidc_discovery_url,
            settings.oidc_client_id,
            settings.oidc_client_secret,
            settings.oidc_scope,
            redirect_uri=settings.public_url + "/console/sign-in/callback",
        )
        provider = IdentityProvider(client)
    parts = sign_in.SignIn(
        provider=provider,
        tokens=app.state.tokens,
        pages=Pages(assets),
        clock=_now,
        idle=settings.idle_logoff,
        public_url=settings.public_url,
    )
    overseeing = oversight.routes(lambda: app.state.oversight)
    for router in (assets.routes(), sign_in.routes(parts), pages.routes(parts), overseeing):
        app.include_router(router)
