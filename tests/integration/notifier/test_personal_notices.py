"""Telling people who are not looking: once through each channel, if it is unseen, and without a word of a patient."""

import base64
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import http_ece
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey

from notifier.app import SCHEMA
from notifier.domain.preferences import Preferences, due_at
from notifier.notifying.email import MailServer
from notifier.notifying.people import Teller, Ways, subscription_place
from notifier.notifying.push import Pushing, new_identity, padded, unpadded
from notifier.storage.escalations import save_escalations
from notifier.storage.notices import NewNotice, NoticeKind, save_preference
from notifier.storage.push_subscriptions import save_subscription, subscriptions_of
from notifier.storage.webhook_deliveries import queue
from notifier.storage.webhook_endpoints import EndpointWish, add_endpoint, change_endpoint
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate
from shared_database.sealing import Sealer, new_key
from shared_messaging import Batch
from shared_messaging.tracing import Spans
from shared_schemas import topics
from shared_schemas.staff_notifications import Escalation, EscalationAnnouncedV1, EscalationStep
from shared_web.outbound import GuardedTransport
from tests.integration.notifier.conftest import UNASSIGNED, Notifier
from tests.integration.notifier.posting import Post, a_post
from tests.integration.notifier.receiving import Received, receiver, says

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool

STAFF = "nia"
ADDRESS = "nia@example.org"
NIGHT = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "since": "22:00", "until": "07:00"}


@dataclass
class Browser:
    """A browser with its keys, at a push service."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = b"sixteen made-up."

    @property
    def subscription(self) -> dict[str, Any]:
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": self.endpoint, "keys": {"p256dh": unpadded(point), "auth": unpadded(self.auth)}}

    def read(self, one: Received) -> dict[str, Any]:
        """What a push message says, to the browser alone."""
        content = http_ece.decrypt(one.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        told: dict[str, Any] = json.loads(content)
        return told


@dataclass
class Desk:
    """A teller on a clock of its own, and a person with notifications."""

    pool: "Pool"
    sealer: Sealer
    post: Post
    practice_id: str
    now: datetime
    off_duty: set[str] = field(default_factory=set[str])
    preferences: Preferences = field(default_factory=Preferences)
    teller: Teller = field(init=False)

    async def prefer(self, **preferences: Any) -> None:  # noqa: ANN401 - JSON
        wanted = Preferences.model_validate(preferences)
        await save_preference(self.pool, self.practice_id, STAFF, wanted)
        self.preferences = wanted

    async def subscribe(self, browser: Browser) -> None:
        sealed = self.sealer.seal(
            json.dumps(browser.subscription).encode(), *subscription_place(self.practice_id, STAFF)
        )
        await save_subscription(self.pool, self.practice_id, STAFF, uuid4().hex, sealed, self.now)

    async def notified(self, conversation: str = "c-1", *, urgent: bool = False, again: str | None = None) -> str:
        """The person is told of a message on the stream; what else follows from the preferences is noted."""
        notification_id = again or uuid4().hex
        async with practice_scope(self.pool, self.practice_id) as connection:
            await connection.execute(
                "INSERT INTO notification (practice_id, notification_id, staff_id, message_id, conversation_id, because, "
                "notified_at) VALUES ($1, $2, $3, $2, $4, 'subscription', $5) ON CONFLICT DO NOTHING",
                self.practice_id, notification_id, STAFF, conversation, self.now,
            )  # fmt: skip
            batch = Batch(
                [], connection, steps=[], refused={}, attempts=1, sent=[], spans=Spans(), before_write=lambda: None
            )
            notices = [
                NewNotice(self.practice_id, notification_id, channel, STAFF, urgent, self.now, due)
                for channel in ("push", "email")
                if (due := due_at(self.preferences, channel, None, self.now, urgent=urgent)) is not None
            ]
            await queue(batch, [], [], self.now, notices)
        return notification_id

    async def escalates(self, escalation_id: str, *, ended: str | None = None) -> None:
        """A step rings the person, and what follows from that is noted; or it is over."""
        async with practice_scope(self.pool, self.practice_id) as connection:
            await connection.execute(
                "INSERT INTO escalation (practice_id, escalation_id, conversation_id, since, steps, ended) "
                "VALUES ($1, $2, 'c-1', $3, '[]', $4) ON CONFLICT (practice_id, escalation_id) DO UPDATE SET ended = $4",
                self.practice_id, escalation_id, self.now, ended,
            )  # fmt: skip
            if ended is None:
                await self._owe(connection, "escalation", escalation_id, urgent=True)

    async def disables(self, endpoint_id: str) -> None:
        """An endpoint of the practice is disabled, and what follows from that is noted."""
        wish = EndpointWish("https://example.org/", ("message",), "thin", "", is_enabled=False)
        await add_endpoint(self.pool, self.practice_id, endpoint_id, wish, b"", self.now)
        async with practice_scope(self.pool, self.practice_id) as connection:
            await self._owe(connection, "endpoint", endpoint_id, urgent=False)

    async def _owe(self, connection: "Connection", kind: NoticeKind, about_id: str, *, urgent: bool) -> None:
        batch = Batch(
            [], connection, steps=[], refused={}, attempts=1, sent=[], spans=Spans(), before_write=lambda: None
        )
        owed = (self.practice_id, f"of-{about_id}", "email", STAFF, urgent, self.now, self.now, kind, about_id)
        await queue(batch, [], [], self.now, [NewNotice(*owed)])

    async def sees(self, notification_id: str) -> None:
        async with practice_scope(self.pool, self.practice_id) as connection:
            await connection.execute(
                "UPDATE notification SET seen_at = $2 WHERE notification_id = $1", notification_id, self.now
            )

    async def later(self, by: timedelta) -> None:
        self.now += by
        await self.teller.work_once()


@pytest.fixture
async def desk(postgres_dsn: str) -> AsyncGenerator[Desk]:
    migrate(postgres_dsn, [SCHEMA])
    sealer, practice_id = Sealer.of(new_key()), f"p-{uuid4().hex[:12]}"
    async with (
        await create_pool(DatabaseLogin(postgres_dsn, SCHEMA.schema), max_size=4) as pool,
        httpx.AsyncClient(transport=GuardedTransport([ip_network("127.0.0.0/8")])) as http,
        a_post() as (post, port),
    ):
        made: Desk

        async def is_rung(_practice_id: str, staff_id: str, _now: datetime) -> bool:
            return staff_id not in made.off_duty

        pushing = Pushing(http, new_identity(), "mailto:operator@example.org", lambda: made.now)
        mail = MailServer("127.0.0.1", port, "none", "Switchboard <switchboard@example.org>")
        ways = Ways(sealer, pushing, mail, "https://example.org/inbox", "https://example.org/notifications", is_rung)
        now = datetime(2026, 11, 25, 12, tzinfo=UTC)
        made = Desk(pool, sealer, post, practice_id, now)
        made.teller = Teller(pool, ways, lambda: made.now)
        yield made
        # No other test's teller may find work here.
        await pool.execute("DELETE FROM notice_lane WHERE practice_id = $1", practice_id)


async def test_a_push_message_is_for_its_browser_alone_and_says_nothing_of_a_patient(desk: Desk) -> None:
    async with receiver() as service:
        browser = Browser(service.url("/push/1"))
        await desk.prefer(push={})
        await desk.subscribe(browser)
        await desk.notified()
        await desk.later(timedelta())
        (one,) = service.received

    scheme, token, key = one.headers["authorization"].replace("t=", "").replace("k=", "").replace(",", "").split(" ")
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), padded(key))
    claims = jwt.decode(token, ECKey.import_key(point), algorithms=["ES256"]).claims
    assert scheme == "vapid"
    assert claims["aud"] == service.url("").rstrip("/")
    assert claims["sub"] == "mailto:operator@example.org"
    assert 0 < claims["exp"] - desk.now.timestamp() <= timedelta(hours=24).total_seconds()
    assert browser.read(one) == {"conversations": 1, "urgent": False}
    assert one.headers["content-encoding"] == "aes128gcm"
    assert int(one.headers["ttl"]) > 0


async def test_a_message_is_told_once_through_each_channel_however_often_it_comes(desk: Desk) -> None:
    async with receiver() as service:
        await desk.prefer(push={}, email={"address": ADDRESS})
        await desk.subscribe(Browser(service.url("/push/1")))
        notification_id = await desk.notified()
        await desk.later(timedelta(minutes=20))
        await desk.notified(again=notification_id)
        await desk.later(timedelta(minutes=20))

    assert len(service.received) == 1
    assert len(desk.post.mails) == 1


async def test_an_email_says_how_many_conversations_wait_and_where(desk: Desk) -> None:
    await desk.prefer(email={"address": ADDRESS, "wait": "PT15M"})
    for conversation in ("c-1", "c-2", "c-2"):
        await desk.notified(conversation)
        desk.now += timedelta(minutes=4)
    await desk.later(timedelta(minutes=2))
    early = len(desk.post.mails)
    await desk.later(timedelta(minutes=2))
    await desk.later(timedelta(minutes=30))

    assert early == 0
    ((to, mail),) = desk.post.mails
    assert to == [ADDRESS]
    assert mail["Subject"] == "2 conversations wait for you"
    assert "https://example.org/inbox" in mail.get_payload()
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_what_was_seen_meanwhile_is_not_told(desk: Desk) -> None:
    await desk.prefer(email={"address": ADDRESS})
    await desk.sees(await desk.notified())
    await desk.later(timedelta(minutes=20))

    assert desk.post.mails == []


async def test_quiet_hours_put_it_off_until_they_end(desk: Desk) -> None:
    desk.now = datetime(2026, 11, 25, 23, tzinfo=UTC)
    await desk.prefer(email={"address": ADDRESS}, quiet_hours=[NIGHT])
    await desk.notified()
    await desk.later(timedelta(hours=7, minutes=59))
    in_the_night = len(desk.post.mails)
    await desk.later(timedelta(minutes=2))

    assert (in_the_night, len(desk.post.mails)) == (0, 1)


async def test_somebody_off_duty_is_not_rung(desk: Desk) -> None:
    await desk.prefer(email={"address": ADDRESS})
    desk.off_duty.add(STAFF)
    await desk.notified()
    await desk.later(timedelta(minutes=20))
    desk.off_duty.clear()
    await desk.later(timedelta(hours=1))

    assert desk.post.mails == []


async def test_a_mail_server_that_says_later_is_asked_again_and_one_that_says_never_is_not(desk: Desk) -> None:
    await desk.prefer(email={"address": ADDRESS})
    desk.post.answer = "451 Later"
    await desk.notified()
    await desk.later(timedelta(minutes=20))
    refused = len(desk.post.mails)
    desk.post.answer = "250 OK"
    await desk.later(timedelta(minutes=5))
    taken = len(desk.post.mails)
    desk.post.answer = "550 Nobody here"
    await desk.notified()
    await desk.later(timedelta(minutes=20))
    desk.post.answer = "250 OK"
    await desk.later(timedelta(hours=1))

    assert (refused, taken, len(desk.post.mails)) == (0, 1, 1)


async def test_a_browser_that_is_gone_is_forgotten_and_the_others_are_told(desk: Desk) -> None:
    async with receiver() as service:
        service.answers["/push/gone"] = says(410)
        await desk.prefer(push={})
        await desk.subscribe(Browser(service.url("/push/gone")))
        await desk.subscribe(Browser(service.url("/push/here")))
        for _ in range(2):
            await desk.notified()
            await desk.later(timedelta(minutes=1))
        kept = await subscriptions_of(desk.pool, desk.practice_id, STAFF)

    assert len(service.at("/push/gone")) == 1
    assert len(service.at("/push/here")) == 2
    assert len(kept) == 1


async def test_an_escalation_is_told_as_urgent_and_not_once_it_is_over(desk: Desk) -> None:
    await desk.prefer(email={"address": ADDRESS})
    await desk.escalates("e-1")
    await desk.escalates("e-2")
    await desk.escalates("e-2", ended="seen")
    await desk.later(timedelta(minutes=1))
    await desk.escalates("e-1")
    await desk.later(timedelta(minutes=1))

    ((to, mail),) = desk.post.mails
    assert to == [ADDRESS]
    assert mail["Subject"] == "Urgent: A conversation waits for you"


async def test_a_disabled_endpoint_is_told_to_an_administrator_off_duty_but_nothing_else_is(desk: Desk) -> None:
    await desk.prefer(email={"address": ADDRESS})
    desk.off_duty.add(STAFF)
    await desk.notified()
    await desk.later(timedelta(minutes=20))
    await desk.escalates("e-1")
    await desk.disables("we-1")
    await desk.disables("we-2")
    await desk.later(timedelta())

    ((_, mail),) = desk.post.mails
    assert mail["Subject"] == "2 webhook endpoints were disabled"
    assert "https://example.org/notifications#webhooks" in mail.get_payload()
    assert "https://example.org/inbox" not in mail.get_payload()


async def test_an_endpoint_that_is_enabled_again_meanwhile_is_no_news(desk: Desk) -> None:
    await desk.prefer(email={"address": ADDRESS})
    await desk.disables("we-1")
    wish = EndpointWish("https://example.org/", ("message",), "thin", "", is_enabled=True)
    await change_endpoint(desk.pool, desk.practice_id, "we-1", wish, desk.now)
    await desk.later(timedelta())

    assert desk.post.mails == []


async def test_whoever_a_step_rings_is_told_once_by_push_through_quiet_hours_if_the_practice_says_so(
    notifier: Notifier, postgres_dsn: str
) -> None:
    now = datetime.now(UTC)
    always = {"days": NIGHT["days"], "since": "00:00", "until": "00:00"}
    steps = [EscalationStep(ring="same_reason", staff_ids=(STAFF,), at=now)]
    one = Escalation(escalation_id="e-1", conversation_id="c-1", since=now, steps=tuple(steps))
    steps.append(EscalationStep(ring="administrators", staff_ids=("ada",), at=now))
    further = Escalation(escalation_id="e-1", conversation_id="c-1", since=now, steps=tuple(steps))
    async with (
        await create_pool(DatabaseLogin(postgres_dsn, SCHEMA.schema), max_size=1) as pool,
        practice_scope(pool, notifier.practice_id) as connection,
    ):
        await save_escalations(connection, {(notifier.practice_id, "e-1"): further})
    async with receiver() as service, notifier.http(STAFF) as nia, notifier.http("ada") as ada:
        for http, path in ((nia, "/push/nia"), (ada, "/push/ada")):
            subscription = Browser(service.url(path)).subscription
            (await http.post("/v1/push-subscriptions", json=subscription)).raise_for_status()
            wanted = {"push": {"inboxes": []}, "quiet_hours": [always]}
            (await http.put("/v1/notification-preferences", json=wanted)).raise_for_status()
        ladder = {"steps": [{"after_minutes": 9, "ring": "administrators"}], "through_quiet_hours": True}
        path = f"/v1/practices/{notifier.practice_id}/escalation"
        (await ada.put(path, json=ladder)).raise_for_status()
        for each in (one, further):
            event = EscalationAnnouncedV1(practice_id=notifier.practice_id, escalation=each)
            await notifier.publish(topics.STAFF_NOTIFICATIONS.name, event)
        await service.until(1, "/push/ada")
        await service.until(1, "/push/nia")
    async with (
        await create_pool(DatabaseLogin(postgres_dsn, SCHEMA.schema), max_size=1) as pool,
        practice_scope(pool, notifier.practice_id) as connection,
    ):
        told = await connection.fetch(
            "SELECT staff_id FROM personal_notice WHERE practice_id = $1", notifier.practice_id
        )

    assert sorted(row["staff_id"] for row in told) == ["ada", STAFF]
    assert service.at("/push/nia")[0].headers["urgency"] == "high"


async def test_administrators_are_mailed_when_an_endpoint_is_disabled(notifier: Notifier) -> None:
    async with receiver() as service, notifier.http("ada") as ada, notifier.http(STAFF) as nia:
        service.answers["/hook"] = says(410)
        for http, address in ((ada, "ada@example.org"), (nia, ADDRESS)):
            (await http.put("/v1/notification-preferences", json={"email": {"address": address}})).raise_for_status()
        wanted = {"url": service.url("/hook"), "events": ["message"], "payload": "thin"}
        (await ada.post("/v1/webhook-endpoints", json=wanted)).raise_for_status()
        await notifier.happens(notifier.message("pt-1", UNASSIGNED, STAFF))
        ((to, mail),) = await notifier.post.until(1)

    assert to == ["ada@example.org"]
    assert mail["Subject"] == "A webhook endpoint was disabled"
    assert f"{notifier.base_url}/console/notifications#webhooks" in mail.get_payload()


async def test_a_browser_subscribes_and_is_told_of_the_next_message(notifier: Notifier) -> None:
    async with receiver() as service, notifier.http(STAFF) as http:
        browser = Browser(service.url("/push/1"))
        offered = (await http.get("/v1/push-subscriptions")).json()
        made = (await http.post("/v1/push-subscriptions", json=browser.subscription)).raise_for_status().json()
        wanted = {"time_zone": "America/New_York", "push": {"inboxes": ["unassigned"], "wait": "PT0S"}}
        (await http.put("/v1/notification-preferences", json=wanted)).raise_for_status()
        await notifier.happens(notifier.message("pt-1", UNASSIGNED, STAFF, body="Words of a made-up patient"))
        (one,) = await service.until(1, "/push/1")
        kept = (await http.get("/v1/notification-preferences")).json()
        listed = (await http.get("/v1/push-subscriptions")).json()
        async with notifier.http("fay") as other:
            refused = await other.delete(f"/v1/push-subscriptions/{made['subscription_id']}")
        removed = await http.delete(f"/v1/push-subscriptions/{made['subscription_id']}")

    assert browser.read(one) == {"conversations": 1, "urgent": False}
    assert len(base64.urlsafe_b64decode(offered["public_key"] + "=")) == 65
    assert kept["push"]["inboxes"] == ["unassigned"]
    assert listed["subscription_ids"] == [made["subscription_id"]]
    assert (refused.status_code, removed.status_code) == (HTTPStatus.NOT_FOUND, HTTPStatus.NO_CONTENT)


async def test_a_subscription_that_no_browser_gives_is_refused(notifier: Notifier) -> None:
    wrong = {"endpoint": "https://example.org/", "keys": {"p256dh": "bm90IGEga2V5", "auth": "short"}}
    async with notifier.http(STAFF) as http:
        answer = await http.post("/v1/push-subscriptions", json=wrong)
        preferences = await http.put("/v1/notification-preferences", json={"time_zone": "Mars/Olympus"})

    assert answer.status_code == preferences.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
