"""Every kind of stream event × everybody who might get it: as the endpoints' matrix in tests/e2e/test_access.py.

The kinds are asked from the wire contract: one that is new fails here until somebody says who gets it.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from httpx_sse import aconnect_sse

from shared_messaging import KafkaConnection, partition_counts
from shared_messaging.publisher import partition_of
from shared_schemas import topics
from shared_schemas.ids import conversation_id
from shared_schemas.routed_messages import MessageUpdatedV1
from shared_schemas.staff_notifications import (
    ActionRejectionAnnouncedV1,
    ConversationAnnouncedV1,
    DutyAnnouncedV1,
    Escalation,
    EscalationAnnouncedV1,
    Listing,
    MessageAnnouncedV1,
    MessageUpdateAnnouncedV1,
    Notification,
    PatientAnnouncedV1,
    PatientName,
    SeenAnnouncedV1,
    SettingsAnnouncedV1,
    StaffEvent,
    StaffNotifiedV1,
    WebhookDisabledV1,
)
from tests.integration.notifier.conftest import AT, NURSES, PATIENCE, UNASSIGNED, Notifier

if TYPE_CHECKING:
    from shared_schemas.values import Event

PATIENT = "pt-1"
WORDS = "Words for Nia alone"
EVERYBODY = ("ada", "fay", "nia", "emergency")
"""Ada administrates, Fay watches Unassigned, Nia looks after the inbox that the conversation is in."""
SENTINEL = AT + timedelta(days=1)


def listed(kind: str) -> Listing:
    return Listing.model_validate({"status": "open", "destination": UNASSIGNED if kind == "unassigned" else NURSES})


def updated(notifier: Notifier) -> MessageUpdatedV1:
    return MessageUpdatedV1.model_validate(
        {
            "practice_id": notifier.practice_id, "patient_id": PATIENT, "change_id": "change-1", "message_id": "message-1",
            "conversation_id": conversation_id(notifier.practice_id, PATIENT), "conversation_version": 1,
            "actor": {"kind": "system"}, "occurred_at": AT, "status": "open", "destination": NURSES,
        }
    )  # fmt: skip


def kinds(notifier: Notifier) -> Mapping[type[StaffEvent], tuple[StaffEvent, Mapping[str, str]]]:
    """One event of each kind, and who gets it under which name. Nobody else does."""
    practice: dict[str, Any] = {"practice_id": notifier.practice_id}
    talk = conversation_id(notifier.practice_id, PATIENT)
    name = PatientName(given_name="Quentin", family_name="Madeup")
    at = {"conversation_id": talk, "patient_id": PATIENT}
    to_nia, to_all = {"visible_to": ("nia",)}, dict.fromkeys(EVERYBODY, "")
    escalation = Escalation(escalation_id="e-1", conversation_id=talk, since=AT, steps=())
    notification = Notification(notification_id="n-1", staff_id="nia", because="subscription")
    events: tuple[tuple[StaffEvent, Mapping[str, str]], ...] = (
        (
            MessageAnnouncedV1(
                **practice, **to_nia, left=("fay",), was=listed("unassigned"), patient=name,
                message=notifier.message(PATIENT, NURSES, "nia", body=WORDS),
            ),
            {"nia": "message", "fay": "conversation"},
        ),
        (
            StaffNotifiedV1(
                **practice, **at, message_id="message-1", received_at=AT, listed=listed("nurses"),
                notifications=(notification,),
            ),
            {"nia": "notification"},
        ),
        (
            ConversationAnnouncedV1(
                **practice, **to_nia, patient=name, conversation=notifier.change(PATIENT, "moved", NURSES, "nia")
            ),
            {"nia": "conversation"},
        ),
        (MessageUpdateAnnouncedV1(**practice, **to_nia, update=updated(notifier)), {"nia": "conversation"}),
        (
            ActionRejectionAnnouncedV1(**practice, **to_nia, rejection=notifier.rejection(PATIENT, "nia")),
            {"nia": "action-rejected"},
        ),
        (SettingsAnnouncedV1(**practice, version=2, affected=("nia",)), to_all | {"nia": "reset"}),
        (
            SeenAnnouncedV1(
                **practice, **to_nia, staff_id="fay", conversation_id=talk, notification_ids=("of-fay",), seen_at=AT
            ),
            {"nia": "seen", "fay": "seen"},
        ),
        (PatientAnnouncedV1(**practice, **to_nia, **at, patient=name, as_of=AT), {"nia": "patient"}),
        (EscalationAnnouncedV1(**practice, escalation=escalation), to_all),
        (DutyAnnouncedV1(**practice, on_duty=("nia",), as_of=AT), to_all),
        (
            WebhookDisabledV1(
                **practice, visible_to=("ada",), endpoint_id="we-1", because="gone", disabled_at=AT
            ),
            {"ada": "webhook-disabled"},
        ),
    )  # fmt: skip
    return {
        type(event): (event, {who: name or event.stream_event for who, name in expected.items()})
        for event, expected in events
    }


async def neighbour_of(notifier: Notifier, bootstrap_servers: str) -> str:
    """A practice whose events are in the same partition: what comes after ours is read after it."""
    topic = topics.STAFF_NOTIFICATIONS.name
    partitions = (await partition_counts(KafkaConnection(bootstrap_servers, "test"), [topic]))[topic]
    ours = partition_of(notifier.practice_id.encode(), partitions)
    names = (f"{notifier.practice_id}-{number}" for number in count())
    return next(one for one in names if partition_of(one.encode(), partitions) == ours)


def tokens(notifier: Notifier, neighbour: str) -> dict[str, str]:
    make, practice = notifier.issuer.token, notifier.practice_id
    return {
        "ada": notifier.token("ada"),
        "fay": notifier.token("fay"),
        "nia": notifier.token("nia"),
        "emergency": make(role="emergency", practice_id=practice, staff_id="a-helper", seconds=3600),
        "neighbour": make(role="administrator", practice_id=neighbour, staff_id="nia"),
    }


class Listening:
    """Opens everybody's streams, and reads them up to what was published last."""

    def __init__(self, notifier: Notifier, tokens: Mapping[str, str], stack: AsyncExitStack) -> None:
        self._notifier = notifier
        self._tokens = tokens
        self._stack = stack
        self._read: dict[str, Callable[[], Any]] = {}

    async def begin(self) -> None:
        for who, token in self._tokens.items():
            headers = {"Authorization": f"Bearer {token}"}
            http = await self._stack.enter_async_context(
                httpx.AsyncClient(base_url=self._notifier.base_url, headers=headers, timeout=PATIENCE)
            )
            source = await self._stack.enter_async_context(aconnect_sse(http, "GET", "/v1/stream"))
            events = source.aiter_sse()
            assert (await anext(events)).event == "snapshot"
            self._read[who] = events.__anext__

    async def told(self, who: str) -> list[tuple[str, str]]:
        """Names and data until the sentinel, without counts: those are each one's own."""
        found: list[tuple[str, str]] = []
        async with asyncio.timeout(PATIENCE):
            while True:
                event = await self._read[who]()
                if event.event == "duty" and json.loads(event.data)["as_of"].startswith(f"{SENTINEL:%Y-%m-%d}"):
                    return found
                if event.event != "counts":
                    found.append((event.event, event.data))


async def test_each_kind_of_event_is_told_to_whom_it_is_for_and_nobody_else(
    notifier: Notifier, kafka_bootstrap_servers: str
) -> None:
    neighbour = await neighbour_of(notifier, kafka_bootstrap_servers)
    by_kind = kinds(notifier)
    known = {one for one in topics.EVENT_TYPES.values() if issubclass(one, StaffEvent)}
    ends = [DutyAnnouncedV1(practice_id=one, on_duty=(), as_of=SENTINEL) for one in (notifier.practice_id, neighbour)]
    events: list[Event] = [event for event, _ in by_kind.values()]
    async with AsyncExitStack() as stack:
        listening = Listening(notifier, tokens(notifier, neighbour), stack)
        await listening.begin()
        await notifier.publish(topics.STAFF_NOTIFICATIONS.name, *events, *ends)
        told = {who: await listening.told(who) for who in tokens(notifier, neighbour)}

    assert known == set(by_kind)  # say who gets an event that is new
    assert {who: [name for name, _ in all_of] for who, all_of in told.items()} == {
        who: [expected[who] for _, expected in by_kind.values() if who in expected] for who in told
    }
    heard = {who: "".join(data for _, data in all_of) for who, all_of in told.items()}
    assert {who for who, text in heard.items() if WORDS in text} == {"nia"}
    assert {who for who, text in heard.items() if "of-fay" in text} == {"fay"}


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/events"])
async def test_whoever_is_of_no_practice_gets_no_events(notifier: Notifier, path: str) -> None:
    operator = notifier.issuer.token(role="operator", practice_id=None, staff_id="an-operator")
    async with httpx.AsyncClient(base_url=notifier.base_url, timeout=PATIENCE) as http:
        refused = await http.get(path, headers={"Authorization": f"Bearer {operator}"})
        unknown = await http.get(path)

    assert (refused.status_code, unknown.status_code) == (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED)
