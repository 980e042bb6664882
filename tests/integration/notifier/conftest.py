"""The notifier alone, serving for real, fed with a history as router would write it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from notifier.app import SCHEMA, create_app
from notifier.settings import Settings
from shared_database.migrations import migrate
from shared_database.sealing import new_key
from shared_messaging import KafkaConnection, Outgoing, Publisher
from shared_schemas import ids, topics
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from shared_schemas.routed_messages import ConversationActionRejectedV1, ConversationUpdatedV1, RoutedMessageV1
from shared_schemas.values import Event
from shared_web import serve
from switchboard_cli.development_issuer import AUDIENCE, ISSUER, DevelopmentIssuer
from switchboard_cli.ports import free_port
from tests.integration.notifier.posting import Post, a_post

AT = datetime(2026, 11, 25, 9, tzinfo=UTC)
NURSES: dict[str, Any] = {"kind": "shared_inbox", "id": "nurses"}
UNASSIGNED: dict[str, Any] = {"kind": "unassigned"}
PATIENCE = 30.0


@dataclass
class Notifier:
    """A running notifier and a made-up practice: Ada administrates, Fay watches Unassigned, Nia looks after `nurses`."""

    base_url: str
    publisher: Publisher
    issuer: DevelopmentIssuer
    practice_id: str
    drain: Callable[[], None]
    """What the server does first when it is told to stop."""
    post: Post
    """The mail server that it knows."""
    versions: dict[str, int] = field(default_factory=dict[str, int])
    numbers: Any = field(default_factory=count)

    def token(self, staff_id: str) -> str:
        role = "administrator" if staff_id == "ada" else "member"
        return self.issuer.token(role=role, practice_id=self.practice_id, staff_id=staff_id)

    def http(self, staff_id: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.token(staff_id)}"}
        return httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=20)

    async def publish(self, topic: str, *events: Event) -> None:
        await self.publisher.send([Outgoing.of(topic, event, source="/test", time=AT) for event in events])

    async def happens(self, *events: Event) -> None:
        await self.publish(topics.ROUTED_MESSAGES.name, *events)

    async def save(self, version: int, **changes: Any) -> None:  # noqa: ANN401 - JSON
        """New routing settings."""
        members = [
            {"staff_id": "ada", "name": "Ada Madeup", "role": "administrator"},
            {"staff_id": "fay", "name": "Fay Madeup", "unassigned": True},
            {"staff_id": "nia", "name": "Nia Madeup"},
        ]
        inboxes = [{"id": "nurses", "label": "Nurse line", "members": ["nia"]}]
        content = {"practice_id": self.practice_id, "members": members, "shared_inboxes": inboxes}
        settings = RoutingSettingsPublishedV1.model_validate(content | {"version": version} | changes)
        await self.publish(topics.PRACTICE_SETTINGS.name, settings)

    def message(
        self, patient: str, destination: dict[str, Any], *audience: str, reason: str | None = None, body: str = "Hello"
    ) -> RoutedMessageV1:
        common = self._next(patient, destination, audience, reason)
        at = common.pop("at")
        return RoutedMessageV1.model_validate(
            common
            | {
                "message_id": f"{self.practice_id}-{next(self.numbers)}", "channel": "web", "received_at": at,
                "body": body, "unrouted": not audience, "late": False, "rules": [], "decided_at": at,
            }
        )  # fmt: skip

    def change(
        self, patient: str, change: str, destination: dict[str, Any], *audience: str, **more: object
    ) -> ConversationUpdatedV1:
        common = self._next(patient, destination, audience, None)
        at = common.pop("at")
        return ConversationUpdatedV1.model_validate(
            common
            | {
                "change_id": f"{self.practice_id}-{next(self.numbers)}", "change": change, "occurred_at": at,
                "actor": {"kind": "staff", "id": "fay"}, "status": "closed" if change == "closed" else "open",
            }
            | more
        )  # fmt: skip

    def rejection(self, patient: str, staff_id: str) -> ConversationActionRejectedV1:
        return ConversationActionRejectedV1.model_validate(
            {
                "practice_id": self.practice_id, "patient_id": patient, "action": "ConversationAssigned",
                "change_id": f"{self.practice_id}-{next(self.numbers)}", "rejection": "version_conflict",
                "conversation_id": ids.conversation_id(self.practice_id, patient), "destination": UNASSIGNED,
                "conversation_version": self.versions.get(patient, 0), "occurred_at": AT, "detail": "Too late.",
                "actor": {"kind": "staff", "id": staff_id},
            }
        )  # fmt: skip

    def _next(
        self, patient: str, destination: dict[str, Any], audience: tuple[str, ...], reason: str | None
    ) -> dict[str, Any]:
        version = self.versions[patient] = self.versions.get(patient, 0) + 1
        return {
            "practice_id": self.practice_id, "patient_id": patient, "conversation_version": version,
            "conversation_id": ids.conversation_id(self.practice_id, patient), "destination": destination,
            "reason": {"id": reason, "label": reason, "source": "picked" if reason else "none"},
            "location": {"source": "none"}, "provider": {"source": "none"}, "settings_version": 1,
            "audience": [{"staff_id": one, "because": "subscription"} for one in audience],
            "at": AT + timedelta(seconds=next(self.numbers)),
        }  # fmt: skip


@pytest.fixture
async def mail_server() -> AsyncGenerator[tuple[Post, int]]:
    """One on this machine, and its port."""
    async with a_post() as found:
        yield found


@pytest.fixture
async def notifier(
    kafka_bootstrap_servers: str, postgres_dsn: str, tmp_path: Path, mail_server: tuple[Post, int]
) -> AsyncGenerator[Notifier]:
    post, smtp_port = mail_server
    migrate(postgres_dsn, [SCHEMA])
    issuer, port, stop, ready = DevelopmentIssuer(tmp_path), free_port(), asyncio.Event(), asyncio.Event()
    issuer.prepare()
    settings = Settings.model_validate(
        {
            "kafka_bootstrap_servers": kafka_bootstrap_servers, "postgres_dsn": postgres_dsn,
            "jwks": str(issuer.jwks_path), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE,
            "secret_key": new_key(), "outbound_allowed": "127.0.0.0/8", "public_url": f"http://127.0.0.1:{port}",
            "smtp_host": "127.0.0.1", "smtp_port": smtp_port, "smtp_security": "none",
        }
    )  # fmt: skip
    app = create_app(settings)
    serving = asyncio.create_task(serve(app, host="127.0.0.1", port=port, stop=stop, ready=ready.set))
    async with Publisher(KafkaConnection(kafka_bootstrap_servers, "test")) as publisher:
        await asyncio.wait_for(ready.wait(), PATIENCE)
        practice_id = f"p-{uuid4().hex[:12]}"
        running = Notifier(f"http://127.0.0.1:{port}", publisher, issuer, practice_id, app.state.draining, post)
        async with running.http("ada") as http:
            before = (await http.get("/v1/events")).json()["cursor"]
            await running.save(1)
            async with asyncio.timeout(PATIENCE):
                # Announced: its event is no test's any more.
                while not (await http.get("/v1/events", params={"after": before})).json()["events"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        yield running
    stop.set()
    await serving
