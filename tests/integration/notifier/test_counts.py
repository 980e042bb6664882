"""The counts of inboxes, kept step by step, are what counting everything anew gives (ADR 0030)."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from notifier.app import SCHEMA
from notifier.storage.projection import Shown, project
from notifier.storage.seen import mark_read, mark_seen
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate
from shared_messaging import Batch
from shared_messaging.tracing import Spans
from shared_schemas import ids
from shared_schemas.routed_messages import ConversationUpdatedV1, RoutedMessageV1

STAFF = ("ada", "fay", "nia")
AT = datetime(2026, 11, 25, 9, tzinfo=UTC)
NOTHING: dict[str, Any] = {"source": "none"}
RECOUNT = """
    SELECT inbox, count(*)::int AS open, (count(*) FILTER (WHERE message_version > read_version))::int AS unread
    FROM conversation, unnest(inboxes) AS inbox WHERE is_open AND practice_id = $1 GROUP BY inbox ORDER BY inbox
"""
KEPT = "SELECT inbox, open, unread FROM inbox_count WHERE practice_id = $1 AND open <> 0 ORDER BY inbox"
RECOUNT_UNSEEN = """
    SELECT staff_id, count(*)::int AS unseen FROM notification
    WHERE practice_id = $1 AND seen_at IS NULL GROUP BY staff_id ORDER BY staff_id
"""
KEPT_UNSEEN = "SELECT staff_id, unseen FROM unseen_count WHERE practice_id = $1 AND unseen <> 0 ORDER BY staff_id"

practices = count()
patients = st.sampled_from([f"pt-{number}" for number in range(6)])
audiences = st.lists(st.sampled_from(STAFF), unique=True, max_size=3)
destinations = st.sampled_from(
    [
        {"kind": "unassigned"},
        {"kind": "member", "id": "fay"},
        {"kind": "member", "id": "nia"},
        {"kind": "shared_inbox", "id": "nurses"},
        {"kind": "shared_inbox", "id": "billing"},
    ]
)
happenings = st.lists(
    st.tuples(patients, st.sampled_from(["message", "moved", "replied", "closed", "read"]), destinations, audiences),
    min_size=1,
    max_size=30,
)


class Counting(RuleBasedStateMachine):
    """Batches of history, and people who read, in any order."""

    notifications = Bundle("notifications")
    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.practice_id = f"counting-{next(practices)}"
        self.versions: dict[str, int] = {}
        self.runner = asyncio.Runner()
        self.operations = 0

    @initialize()
    def connect(self) -> None:
        self.pool = self.runner.run(self._connect())

    async def _connect(self) -> Any:  # noqa: ANN401 - a pool
        return await create_pool(DatabaseLogin(self.dsn, SCHEMA.schema), min_size=1)

    def teardown(self) -> None:
        self.runner.run(self.pool.close())
        self.runner.close()

    @rule(happened=happenings)
    def history(self, happened: list[tuple[str, str, dict[str, Any], list[str]]]) -> None:
        changes = [self._event(*one) for one in happened]
        self.operations += len(changes)
        self.runner.run(self._project(changes))

    @rule(patient=patients, reader=st.sampled_from(STAFF), behind=st.integers(-3, 3))
    def read(self, patient: str, reader: str, behind: int) -> None:
        """Up to a version that is there already, or not yet."""
        version = max(0, self.versions.get(patient, 0) - behind)
        conversation_id = ids.conversation_id(self.practice_id, patient)
        self.operations += 1
        self.runner.run(mark_read(self.pool, self.practice_id, reader, conversation_id, version, AT))

    @rule(patient=patients, reader=st.sampled_from(STAFF), version=st.integers(1, 30))
    def see(self, patient: str, reader: str, version: int) -> None:
        message_id = f"{self.practice_id}-{patient}-{version}"
        self.operations += 1
        wanted = [ids.notification_id(message_id, reader)]
        self.runner.run(mark_seen(self.pool, self.practice_id, reader, wanted, AT))

    @invariant()
    def counts_are_what_a_recount_gives(self) -> None:
        if self.operations:
            kept, recounted = self.runner.run(self._compare())
            assert kept == recounted

    def _event(self, patient: str, kind: str, destination: dict[str, Any], audience: list[str]) -> Shown:
        version = self.versions[patient] = self.versions.get(patient, 0) + 1
        common = {
            "practice_id": self.practice_id, "patient_id": patient, "conversation_version": version,
            "conversation_id": ids.conversation_id(self.practice_id, patient), "destination": destination,
            "reason": NOTHING, "location": NOTHING, "provider": NOTHING, "settings_version": 1,
            "audience": [{"staff_id": one, "because": "subscription"} for one in audience],
        }  # fmt: skip
        at = AT + timedelta(seconds=version)
        if kind == "message":
            more = {
                "message_id": f"{self.practice_id}-{patient}-{version}", "channel": "sms", "received_at": at, "body": "?",
                "unrouted": False, "late": False, "rules": [], "decided_at": at,
            }  # fmt: skip
            return RoutedMessageV1.model_validate(common | more)
        status = "closed" if kind == "closed" else "open"
        more = {
            "change_id": f"{patient}-{version}", "change": kind, "actor": {"kind": "staff", "id": "fay"},
            "occurred_at": at, "status": status,
        }  # fmt: skip
        return ConversationUpdatedV1.model_validate(common | more | ({"audience": []} if status == "closed" else {}))

    async def _project(self, changes: Sequence[Shown]) -> None:
        async with practice_scope(self.pool, self.practice_id) as connection:
            batch = Batch(
                [], connection, steps=[], refused={}, attempts=1, sent=[], spans=Spans(), before_write=lambda: None
            )
            await project(batch, changes, [])

    async def _compare(self) -> tuple[list[Any], list[Any]]:
        async with practice_scope(self.pool, self.practice_id) as connection:
            found = [
                [tuple(row) for row in await connection.fetch(question, self.practice_id)]
                for question in (KEPT, KEPT_UNSEEN, RECOUNT, RECOUNT_UNSEEN)
            ]
        return found[:2], found[2:]


def run(dsn: str, *, examples: int, steps: int) -> None:
    migrate(dsn, [SCHEMA])
    machine = type("Counting", (Counting,), {"dsn": dsn})
    few = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=few)


def test_counts_equal_a_recount_after_any_operations(postgres_dsn: str) -> None:
    run(postgres_dsn, examples=8, steps=15)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_counts_equal_a_recount_after_ten_thousand_operations(postgres_dsn: str) -> None:
    run(postgres_dsn, examples=30, steps=60)


async def test_people_who_read_while_messages_come_leave_no_count_behind(postgres_dsn: str) -> None:
    """Several connections at once: deadlocks and lost updates would show here."""
    migrate(postgres_dsn, [SCHEMA])
    machine = Counting.__new__(Counting)
    machine.practice_id, machine.versions = "counting-together", {}
    async with await create_pool(DatabaseLogin(postgres_dsn, SCHEMA.schema), max_size=8) as pool:
        machine.pool = pool
        patients_ = [f"pt-{number}" for number in range(20)]

        async def write() -> None:
            for _ in range(15):
                await machine._project(  # noqa: SLF001 - its own test
                    [machine._event(one, "message", {"kind": "unassigned"}, list(STAFF)) for one in patients_]  # noqa: SLF001
                )

        async def read(reader: str) -> None:
            for version in range(1, 16):
                for patient in patients_:
                    conversation_id = ids.conversation_id(machine.practice_id, patient)
                    await mark_read(pool, machine.practice_id, reader, conversation_id, version, AT)

        await asyncio.gather(write(), *map(read, STAFF))
        kept, recounted = await machine._compare()  # noqa: SLF001 - its own test

    assert kept == recounted
