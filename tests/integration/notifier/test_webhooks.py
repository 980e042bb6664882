"""Webhooks: signed, sent at least once, tried again for days, and no endpoint waits for another."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from notifier.app import SCHEMA
from notifier.domain.retrying import WAITS
from notifier.domain.webhooks import secret_from
from notifier.notifying.calls import Calls, event_place, secret_place
from notifier.notifying.webhooks import WebhookSender
from notifier.storage.webhook_deliveries import NewEvent, deliveries_of, queue
from notifier.storage.webhook_endpoints import Endpoint, EndpointWish, add_endpoint, endpoint_of
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate
from shared_database.sealing import Sealer, new_key
from shared_messaging import Batch
from shared_messaging.tracing import Spans
from shared_web.outbound import GuardedTransport
from tests.integration.notifier.conftest import NURSES, Notifier
from tests.integration.notifier.receiving import HANGS, Received, receiver, says
from tests.integration.notifier.test_streams import stream, until

if TYPE_CHECKING:
    from notifier.views import WebhookDelivery
    from shared_database.pools import Pool

LOOPBACK = [ip_network("127.0.0.0/8")]
SECRET = secret_from(b"made up for these tests, 32 byte")
PATIENT = {"given_name": "Quentin", "family_name": "Madeup"}
BODY = "Words of a made-up patient"


@dataclass
class Desk:
    """A sender on a clock of its own, and a practice."""

    pool: "Pool"
    sealer: Sealer
    sender: WebhookSender
    now: datetime
    practice_id: str
    disabled: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    async def endpoint(self, url: str) -> Endpoint:
        endpoint_id = f"we-{uuid4().hex[:8]}"
        wish = EndpointWish(url, ("message",), "full", "", is_enabled=True)
        sealed = self.sealer.seal(SECRET.encode(), *secret_place(self.practice_id, endpoint_id))
        return await add_endpoint(self.pool, self.practice_id, endpoint_id, wish, sealed, self.now)

    async def happens(self, *endpoints: Endpoint) -> str:
        event_id = str(uuid4())
        sealed = self.sealer.seal(b'{"message_id":"m-1"}', *event_place(self.practice_id, event_id))
        event = NewEvent(self.practice_id, event_id, "message", self.now, sealed, None)
        async with practice_scope(self.pool, self.practice_id) as connection:
            batch = Batch(
                [], connection, steps=[], refused={}, attempts=1, sent=[], spans=Spans(), before_write=lambda: None
            )
            owed = [(self.practice_id, one.endpoint_id, event_id) for one in endpoints]
            await queue(batch, [event], owed, self.now)
        return event_id

    async def later(self, by: timedelta) -> None:
        self.now += by
        await self.sender.work_once()

    async def log(self, endpoint: Endpoint) -> "list[WebhookDelivery]":
        return await deliveries_of(self.pool, self.practice_id, endpoint.endpoint_id, None, None, 200)

    async def now_of(self, endpoint: Endpoint) -> Endpoint:
        found = await endpoint_of(self.pool, self.practice_id, endpoint.endpoint_id)
        assert found is not None
        return found


@pytest.fixture
async def desk(postgres_dsn: str) -> AsyncGenerator[Desk]:
    async with a_desk(postgres_dsn) as made:
        yield made


@asynccontextmanager
async def a_desk(dsn: str, *, allowed: bool = True, seconds: float = 30) -> AsyncGenerator[Desk]:
    migrate(dsn, [SCHEMA])
    sealer = Sealer.of(new_key())
    transport = GuardedTransport(LOOPBACK if allowed else ())
    async with (
        await create_pool(DatabaseLogin(dsn, SCHEMA.schema), max_size=4) as pool,
        httpx.AsyncClient(transport=transport, timeout=60) as http,
    ):
        made: Desk

        async def on_disabled(endpoint: Endpoint, because: str, _: datetime) -> None:
            made.disabled.append((endpoint.endpoint_id, because))

        calls = Calls(http, sealer, lambda: made.now, seconds)
        practice_id = f"p-{uuid4().hex[:12]}"
        begin = datetime.now(UTC)
        made = Desk(pool, sealer, None, begin, practice_id)  # type: ignore[arg-type]  # the sender needs the clock
        made.sender = WebhookSender(pool, calls, lambda: made.now, on_disabled, failing_limit=timedelta(days=5))
        yield made
        # No other test's sender may find work here.
        await pool.execute("DELETE FROM webhook_lane WHERE practice_id = $1", practice_id)


def verified(one: Received, secret: str) -> dict[str, Any]:
    """What a receiver gets that uses the official library. Raises when the signature is not right."""
    told: dict[str, Any] = Webhook(secret).verify(one.body, one.headers)
    return told


async def made(notifier: Notifier, url: str, **more: object) -> dict[str, Any]:
    async with notifier.http("ada") as http:
        answer = await http.post("/v1/webhook-endpoints", json={"url": url, "events": ["message"]} | more)
    assert answer.status_code == HTTPStatus.CREATED, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_what_happens_is_sent_signed_thin_or_full_as_each_endpoint_wants(notifier: Notifier) -> None:
    async with receiver() as listening:
        thin = await made(notifier, listening.url("/thin"), events=["message", "notification"])
        full = await made(notifier, listening.url("/full"), payload="full")
        message = notifier.message("pt-1", NURSES, "nia", body=BODY)
        await notifier.happens(message)
        (short, told), (long,) = await listening.until(2, "/thin"), await listening.until(1, "/full")

    assert verified(short, thin["secret"])["data"] == {
        "message_id": message.message_id, "conversation_id": message.conversation_id, "conversation_version": 1,
        "patient_id": "pt-1", "received_at": message.received_at.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip
    assert verified(told, thin["secret"])["type"] == "notification"
    assert [one["staff_id"] for one in told.event["data"]["notifications"]] == ["nia"]
    assert verified(long, full["secret"])["data"]["body"] == BODY
    assert BODY not in short.body.decode() + told.body.decode()
    with pytest.raises(WebhookVerificationError):
        verified(long, thin["secret"])


async def test_the_log_tells_what_was_sent_and_a_replay_sends_it_again_under_the_same_id(notifier: Notifier) -> None:
    began = datetime.now(UTC)
    async with receiver() as listening, notifier.http("ada") as http:
        endpoint = await made(notifier, listening.url())
        path = f"/v1/webhook-endpoints/{endpoint['id']}"
        await notifier.happens(notifier.message("pt-1", NURSES, "nia"))
        (first,) = await listening.until(1)
        await logged(http, path, "delivered")
        replayed = await http.post(f"{path}/replay", json={"since": began.isoformat()})
        _, again = await listening.until(2)
        log = await logged(http, path, "delivered")
        tested = await http.post(f"{path}/test")
        shown = (await http.get("/v1/webhook-endpoints")).json()
        removed = await http.delete(path)
        gone = await http.get(path)

    assert replayed.json() == {"queued": 1}
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    assert [(one["event"], one["status"], one["event_id"]) for one in log] == [
        ("message", 204, first.headers["webhook-id"])
    ]
    assert tested.json()["ok"] is True
    assert verified(listening.received[-1], endpoint["secret"])["type"] == "test"
    assert "secret" not in shown[0]
    assert (removed.status_code, gone.status_code) == (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND)


async def logged(http: httpx.AsyncClient, path: str, state: str) -> list[dict[str, Any]]:
    """The log, once there is something of this state in it."""
    async with asyncio.timeout(30):
        while True:
            found = (await http.get(f"{path}/deliveries", params={"state": state})).json()["deliveries"]
            if found:
                return list(found)
            await asyncio.sleep(0.05)


async def test_after_a_rotation_both_secrets_verify(notifier: Notifier) -> None:
    async with receiver() as listening, notifier.http("ada") as http:
        endpoint = await made(notifier, listening.url())
        rotated = (await http.post(f"/v1/webhook-endpoints/{endpoint['id']}/rotate-secret")).json()
        await http.post(f"/v1/webhook-endpoints/{endpoint['id']}/test")

    (one,) = listening.received
    assert verified(one, endpoint["secret"]) == verified(one, rotated["secret"])
    assert endpoint["secret"] != rotated["secret"]


async def test_only_administrators_of_the_practice_reach_its_endpoints(notifier: Notifier) -> None:
    async with receiver() as listening:
        endpoint = await made(notifier, listening.url())
        async with notifier.http("nia") as member:
            refused = await member.get("/v1/webhook-endpoints")
        stranger = notifier.issuer.token(role="administrator", practice_id="p-other", staff_id="eve")
        async with notifier.http("ada") as http:
            http.headers["Authorization"] = f"Bearer {stranger}"
            others = await http.get("/v1/webhook-endpoints")
            other = await http.post(f"/v1/webhook-endpoints/{endpoint['id']}/test")

    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert (others.json(), other.status_code, listening.received) == ([], HTTPStatus.NOT_FOUND, [])


@pytest.mark.parametrize(
    "wrong",
    [{"url": "ftp://example.org/"}, {"url": "https://a:b@example.org/"}, {"events": []}, {"events": ["gossip"]}],
    ids=["not http", "a password in the address", "no events", "an unknown event"],
)
async def test_an_endpoint_that_could_not_work_is_refused(notifier: Notifier, wrong: dict[str, Any]) -> None:
    async with notifier.http("ada") as http:
        answer = await http.post(
            "/v1/webhook-endpoints", json={"url": "https://example.org/", "events": ["message"]} | wrong
        )
        listed = (await http.get("/v1/webhook-endpoints")).json()

    assert (answer.status_code, listed) == (HTTPStatus.UNPROCESSABLE_ENTITY, [])


async def test_an_endpoint_that_answers_410_is_disabled_and_administrators_are_told(notifier: Notifier) -> None:
    async with receiver() as listening, stream(notifier, "ada") as events, notifier.http("ada") as http:
        await until(events, "snapshot")
        listening.answers["/"] = says(410)
        endpoint = await made(notifier, listening.url())
        await notifier.happens(notifier.message("pt-1", NURSES, "nia"))
        _, told = await until(events, "webhook-disabled")
        shown = (await http.get(f"/v1/webhook-endpoints/{endpoint['id']}")).json()
        await notifier.happens(notifier.message("pt-1", NURSES, "nia"))
        listening.answers["/"] = says(200)
        wish = {"url": listening.url(), "events": ["message"]}
        await http.put(f"/v1/webhook-endpoints/{endpoint['id']}", json=wish)
        await listening.until(2)

    assert endpoint["id"] in told.data
    assert (shown["enabled"], shown["disabled_because"]) == (False, "gone")


async def test_what_is_not_taken_is_tried_again_for_three_days_and_then_given_up(desk: Desk) -> None:
    async with receiver() as listening:
        listening.answers["/"] = says(500)
        endpoint = await desk.endpoint(listening.url())
        event_id = await desk.happens(endpoint)
        await desk.later(timedelta())
        attempts = [desk.now]
        for wait in WAITS:
            await desk.later(wait * 0.79)
            early = len(listening.received)
            await desk.later(wait * 0.42)
            attempts.append(desk.now)
            assert (early, len(listening.received)) == (len(attempts) - 1, len(attempts))
        await desk.later(timedelta(days=2))
        log = await desk.log(endpoint)

    assert timedelta(days=3) < attempts[-1] - attempts[0] < timedelta(days=4)
    assert len(listening.received) == len(WAITS) + 1
    assert {one.headers["webhook-id"] for one in listening.received} == {event_id}
    assert [(one.state, one.attempts, one.error) for one in log] == [("failed", len(WAITS) + 1, "answered_500")]


async def test_an_endpoint_that_fails_for_five_days_is_disabled(desk: Desk) -> None:
    async with receiver() as listening:
        listening.answers["/"] = says(503)
        endpoint = await desk.endpoint(listening.url())
        for _ in range(5):
            await desk.happens(endpoint)
            await desk.later(timedelta(days=1, minutes=10))
        before = (await desk.now_of(endpoint)).disabled_at
        await desk.happens(endpoint)
        await desk.later(timedelta(days=1))
        after = await desk.now_of(endpoint)
        asked = len(listening.received)
        await desk.later(timedelta(days=1))

    assert before is None
    assert after.disabled_because == "failing"
    # What others left in the same database fails as long.
    assert desk.disabled.count((endpoint.endpoint_id, "failing")) == 1
    assert len(listening.received) == asked


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says(302, "Location: http://127.0.0.1:1/elsewhere"), "answered_302"),
        (lambda: "nonsense\r\n\r\n", "no_answer"),
        (says(429, "Retry-After: 3600"), "answered_429"),
    ],
    ids=["a redirect", "not HTTP", "too busy"],
)  # fmt: skip
async def test_only_an_answer_of_success_counts(desk: Desk, answer: Any, error: str) -> None:  # noqa: ANN401
    async with receiver() as listening:
        listening.answers["/"] = answer
        endpoint = await desk.endpoint(listening.url())
        await desk.happens(endpoint)
        await desk.later(timedelta())
        (noted,) = await desk.log(endpoint)

    assert (noted.state, noted.attempts, noted.error) == ("pending", 1, error)
    assert len(listening.received) == 1
    assert noted.next_attempt_at is not None
    asked = timedelta(hours=1) if "429" in error else timedelta(seconds=3)
    assert noted.next_attempt_at >= desk.now + asked


async def test_an_answer_that_does_not_come_in_time_does_not_count(postgres_dsn: str) -> None:
    async with receiver() as listening, a_desk(postgres_dsn, seconds=1) as desk:
        listening.answers["/"] = lambda: HANGS
        endpoint = await desk.endpoint(listening.url())
        await desk.happens(endpoint)
        await desk.later(timedelta())
        (noted,) = await desk.log(endpoint)

    assert (noted.state, noted.attempts, noted.error) == ("pending", 1, "timeout")


async def test_an_address_that_is_not_public_is_never_called(postgres_dsn: str) -> None:
    async with receiver() as listening, a_desk(postgres_dsn, allowed=False) as desk:
        endpoint = await desk.endpoint(listening.url())
        await desk.happens(endpoint)
        await desk.later(timedelta())
        (noted,) = await desk.log(endpoint)

    assert (noted.error, listening.received) == ("forbidden_address", [])


async def test_an_endpoint_that_hangs_delays_nobody_else(desk: Desk) -> None:
    async with receiver() as listening:
        listening.answers["/hangs"] = lambda: HANGS
        hanging, other = await desk.endpoint(listening.url("/hangs")), await desk.endpoint(listening.url("/other"))
        events = [await desk.happens(hanging, other) for _ in range(25)]
        working = asyncio.create_task(desk.later(timedelta()))
        there = await listening.until(25, "/other")
        still_waits = not working.done()
        working.cancel()
        await asyncio.wait([working])

    assert [one.headers["webhook-id"] for one in there] == events
    assert still_waits
    assert len(listening.at("/hangs")) == 1


async def test_a_sender_that_dies_leaves_its_endpoint_to_another(desk: Desk) -> None:
    async with receiver() as listening:
        listening.answers["/"] = lambda: HANGS
        endpoint = await desk.endpoint(listening.url())
        await desk.happens(endpoint)
        dying = asyncio.create_task(desk.sender.work_once())
        await listening.until(1)
        dying.cancel()
        await asyncio.wait([dying])
        listening.answers.clear()
        await desk.later(timedelta(seconds=30))
        meanwhile = len(listening.received)
        await desk.later(timedelta(seconds=31))
        (noted,) = await desk.log(endpoint)

    assert meanwhile == 1
    assert (noted.state, noted.attempts) == ("delivered", 1)


async def test_a_secret_of_the_past_no_longer_signs(desk: Desk) -> None:
    async with receiver() as listening:
        endpoint = await desk.endpoint(listening.url())
        async with practice_scope(desk.pool, desk.practice_id) as connection:
            await connection.execute(
                "UPDATE webhook_endpoint SET earlier_secret = secret, earlier_until = $1",
                desk.now + timedelta(hours=24),
            )
        for by in (timedelta(hours=23), timedelta(hours=2)):
            await desk.happens(endpoint)
            await desk.later(by)
            desk.now += timedelta(seconds=1)
        both, one = listening.received

    assert (len(both.headers["webhook-signature"].split()), len(one.headers["webhook-signature"].split())) == (2, 1)
