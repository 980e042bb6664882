"""A snapshot and the events since are the snapshot taken later: for every kind of event, and for any run of them."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, get_args

from shared_schemas import topics
from shared_schemas.practice_management import PatientSyncedV1
from shared_schemas.staff_notifications import StreamEvent, WebhookDisabledV1
from switchboard_client import Mirror, StaffClient
from tests.integration.notifier.conftest import AT, NURSES, PATIENCE, UNASSIGNED, Notifier

ASSIGNED = {"kind": "member", "id": "fay"}


@dataclass
class Watched:
    """A mirror that follows, and a client that can look again."""

    staff: StaffClient
    mirror: Mirror
    kinds: set[str] = field(default_factory=set[str])

    async def follow(self) -> None:
        async for event in self.mirror.follow():
            self.kinds.add(event.event)

    async def is_true(self) -> None:
        """Wait until the mirror is what a new snapshot is."""
        differing: object = "nothing was read"
        try:
            async with asyncio.timeout(PATIENCE):
                while differing:
                    fresh = Mirror(self.staff)
                    await fresh.load()
                    differing = different(self.mirror, fresh)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(differing) from None


def different(kept: Mirror, fresh: Mirror) -> object:
    """Where two mirrors are not the same; empty when they are."""
    if not hasattr(kept, "practice"):
        return "no snapshot yet"
    names = ("conversations", "counts", "unseen", "escalations", "practice")
    return [
        (name, getattr(kept, name), getattr(fresh, name))
        for name in names
        if getattr(kept, name) != getattr(fresh, name)
    ]


@asynccontextmanager
async def watching(notifier: Notifier, *staff_ids: str) -> AsyncGenerator[list[Watched]]:
    watched = [
        Watched(staff, Mirror(staff))
        for staff in (StaffClient(notifier.base_url, notifier.token(staff_id)) for staff_id in staff_ids)
    ]
    following = [asyncio.create_task(one.follow()) for one in watched]
    try:
        for one in watched:
            await one.is_true()
        yield watched
    finally:
        for task in following:
            task.cancel()
        await asyncio.wait(following)
        for one in watched:
            await one.staff.__aexit__()


async def until(everybody: Sequence[Watched], is_so: Callable[[Watched], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not all(map(is_so, everybody)):  # noqa: ASYNC110 - the mirrors follow by themselves
            await asyncio.sleep(0.05)


async def put(notifier: Notifier, path: str, body: dict[str, Any]) -> None:
    async with notifier.http("ada") as ada:
        answer = await ada.put(path, json=body)
    assert answer.is_success, answer.text


def named(notifier: Notifier, patient: str, name: str, seconds: int) -> PatientSyncedV1:
    return PatientSyncedV1(
        practice_id=notifier.practice_id,
        patient_id=patient,
        given_name="Testy",
        family_name=name,
        as_of=AT + timedelta(seconds=seconds),
    )


async def test_every_kind_of_event_keeps_a_mirror_true(notifier: Notifier) -> None:
    async with watching(notifier, "ada", "fay", "nia") as everybody, notifier.http("fay") as fay:

        async def all_true() -> None:
            for one in everybody:
                await one.is_true()

        steps = [
            [notifier.message("pt-1", UNASSIGNED, "fay", reason="billing")],
            [notifier.message("pt-2", UNASSIGNED, "nia"), notifier.message("pt-2", UNASSIGNED, "fay", "nia")],
            [notifier.message("pt-3", NURSES, "nia")],
            [notifier.message("pt-4", UNASSIGNED)],
            [notifier.change("pt-1", "assigned", ASSIGNED, "fay"), notifier.change("pt-2", "moved", NURSES, "nia")],
            [notifier.message("pt-2", UNASSIGNED, "fay"), notifier.rejection("pt-1", "nia")],
            [
                notifier.change(
                    "pt-1", "replied", ASSIGNED, "fay", reply={"message_id": "r-1", "body": "Yes", "channel": "web"}
                )
            ],
            [notifier.change("pt-3", "transcript_added", NURSES, "nia", transcript={"message_id": "x", "text": "Hi"})],
            [notifier.change("pt-1", "closed", UNASSIGNED), notifier.change("pt-4", "assigned", ASSIGNED, "fay")],
            [notifier.message("pt-1", ASSIGNED, "fay"), notifier.change("pt-4", "assigned", UNASSIGNED, "nia")],
        ]
        for step in steps:
            await notifier.happens(*step)
            await all_true()
        mine = (await fay.get("/v1/conversations")).json()["conversations"]
        for one in mine[:1]:
            await fay.post(f"/v1/conversations/{one['conversation_id']}/seen", json={"version": one["version"]})
        await fay.post("/v1/notifications/seen", json={"notification_ids": mine[-1]["unseen"]})
        await all_true()
        await notifier.publish(topics.PATIENTS.name, named(notifier, "pt-1", "McSample", 1))
        await all_true()
        await notifier.publish(topics.PATIENTS.name, named(notifier, "pt-1", "McOther", 2))
        await all_true()
        await put(
            notifier, "/v1/duty/fay", {"away": [{"first": "2026-01-01", "last": "2126-01-01"}], "substitute": "nia"}
        )
        await until(everybody, lambda one: (one.mirror.practice["duty"] or {}).get("on_duty") == ["ada", "nia"])
        message = notifier.message("pt-5", UNASSIGNED, "fay")
        await notifier.happens(message.model_copy(update={"received_at": datetime.now(UTC)}))
        await until(everybody, lambda one: bool(one.mirror.escalations))
        await all_true()
        await notifier.happens(notifier.change("pt-5", "closed", UNASSIGNED))
        await until(everybody, lambda one: not one.mirror.escalations)
        await all_true()
        await notifier.save(2, shared_inboxes=[{"id": "nurses", "label": "Nurses", "members": ["fay"]}])
        await all_true()
        gone = WebhookDisabledV1(
            practice_id=notifier.practice_id, visible_to=("ada",), endpoint_id="we-1", because="gone", disabled_at=AT
        )
        await notifier.publish(topics.STAFF_NOTIFICATIONS.name, gone)
        await all_true()
        kinds = {kind for one in everybody for kind in one.kinds}

    assert kinds == {*get_args(StreamEvent), "snapshot", "reset", "counts"}
    assert "reset" not in everybody[0].kinds


async def test_any_run_of_events_keeps_a_mirror_true(notifier: Notifier) -> None:
    """People read and rename while a history goes on, as fast as it goes."""
    seed = int(os.environ.get("SWITCHBOARD_TEST_SEED") or Random().randrange(1_000_000))  # noqa: S311 - a test's
    print("seed", seed)  # noqa: T201 - shown when it fails
    random = Random(seed)  # noqa: S311 - a test's
    destinations: list[dict[str, Any]] = [UNASSIGNED, NURSES, ASSIGNED, {"kind": "member", "id": "nia"}]
    async with watching(notifier, "fay", "nia") as everybody:
        for number in range(25):
            patients = [f"pt-{random.randrange(8)}" for _ in range(random.randrange(1, 12))]
            events = []
            for patient in patients:
                kind = random.choice(["message", "message", "moved", "closed", "replied", "read"])
                where = UNASSIGNED if kind == "closed" else random.choice(destinations)
                if where == UNASSIGNED:
                    audience = [] if kind == "closed" else random.sample(["ada", "fay", "nia"], random.randrange(3))
                else:  # an assignee (D2), or an inbox's members (D3)
                    audience = ["nia"] if where == NURSES else [where["id"]]
                if kind == "message":
                    events.append(notifier.message(patient, where, *audience))
                else:
                    events.append(notifier.change(patient, kind, where, *audience))
            await notifier.happens(*events)
            one = random.choice(everybody)
            for held in random.sample(list(one.mirror.conversations.values()), min(2, len(one.mirror.conversations))):
                await one.staff.seen(held["conversation_id"], held["version"])
            await notifier.publish(topics.PATIENTS.name, named(notifier, patients[0], f"McSample-{number}", number))
        for one in everybody:
            await one.is_true()
