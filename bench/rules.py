"""What deciding costs: `route` for a practice with 200 subscriptions, and a what-if over stored records."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bench.report import Row
from router.compiling import compile_policy
from router.domain.facts import Appointment, Conversation, Directory, Facts, Message, Place, PlaceId, ReasonId
from router.domain.policy import Policy
from router.domain.replay import replay
from router.domain.route import route
from router.presenting import decided, decision_record
from router.records import past_decision
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.practice_settings import RoutingSettingsPublishedV1

NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)
REASONS = [f"reason-{number}" for number in range(10)]
LOCATIONS = [f"location-{number}" for number in range(20)]
SUBSCRIPTIONS = 200


def run(*, quick: bool) -> list[Row]:
    """Both figures; several runs each."""
    rounds, decisions = (2, 4_000) if quick else (7, 20_000)
    policy, messages, facts = _policy(), _messages(decisions), _facts()
    records = _records(policy, messages, facts)
    compile_first = [_seconds(lambda: _decide(_policy(), messages, facts)) / decisions * 1e6 for _ in range(rounds)]
    decide = [_seconds(lambda: _decide(policy, messages, facts)) / decisions * 1e6 for _ in range(rounds)]
    bare = [_seconds(lambda: _look_up(policy, messages)) / decisions * 1e6 for _ in range(rounds)]
    again = [decisions / _seconds(lambda: _replay(policy, records)) for _ in range(rounds)]
    return [
        Row.of("route, 200 subscriptions", "us/message", decide, "one dict look-up and one Message", bare),
        Row.of("route, 200 subscriptions, settings just saved", "us/message", compile_first),
        Row.of("what-if, each record read, proven and decided again", "decisions/s", again),
    ]


def _policy() -> Policy:
    members = [
        {
            "staff_id": f"staff-{number}",
            "name": "Madeup",
            "subscriptions": [
                {
                    "id": f"subscription-{number}",
                    "reasons": [REASONS[number % len(REASONS)], "other"],
                    "locations": [LOCATIONS[number % len(LOCATIONS)], LOCATIONS[number // 10]],
                }
            ],
        }
        for number in range(SUBSCRIPTIONS)
    ]
    return compile_policy(
        RoutingSettingsPublishedV1.model_validate(
            {
                "practice_id": "bench",
                "reason_routing": True,
                "location_routing": True,
                "reasons": [{"id": reason, "label": {"en": reason}} for reason in REASONS],
                "members": members,
            }
        )
    )


def _messages(count: int) -> list[Message]:
    channels = ("web", "sms", "web", "voicemail")
    return [
        Message(
            f"m{number}",
            channels[number % 4],
            NINE + timedelta(minutes=number % 300),
            ReasonId(REASONS[number % len(REASONS)]) if number % 2 else None,
        )
        for number in range(count)
    ]


def _facts() -> list[Facts]:
    directory = Directory({PlaceId(one): Place(one, is_retired=False) for one in LOCATIONS}, as_of=NINE)
    return [
        Facts(
            Conversation(
                reason_id=ReasonId(REASONS[0]), last_message_at=NINE - timedelta(minutes=number), is_open=number % 2 > 0
            ),
            tuple(
                Appointment(f"a{day}", NINE + timedelta(days=day), PlaceId(LOCATIONS[(number + day) % 20]), None, NINE)
                for day in range(1, 4)
            ),
            directory,
        )
        for number in range(100)
    ]


def _decide(policy: Policy, messages: list[Message], facts: list[Facts]) -> None:
    for number, message in enumerate(messages):
        route(message, facts[number % len(facts)], policy)


def _look_up(policy: Policy, messages: list[Message]) -> None:
    for message in messages:
        policy.reasons.get(message.requested_reason_id or REASONS[0])  # type: ignore[arg-type]
        Message(message.message_id, message.channel, message.received_at)


def _records(policy: Policy, messages: list[Message], facts: list[Facts]) -> list[str]:
    records: list[str] = []
    for number, message in enumerate(messages):
        known = facts[number % len(facts)]
        event = MessageReceivedV1(
            message_id=message.message_id,
            practice_id="bench",
            patient_id=f"patient-{number // 10}",
            channel=message.channel,
            provider_message_id=message.message_id,
            received_at=message.received_at,
            body="",
            requested_reason_id=message.requested_reason_id,
            identity="matched",
        )
        result = decided(event, route(message, known, policy), known, policy, NINE)
        records.append(decision_record(event, known, result))
    return records


def _replay(policy: Policy, records: list[str]) -> None:
    """Read, decide by the settings of then, decide by the draft, compare: all that a what-if does for a record."""
    draft = _policy()
    for replayed in replay(((past_decision(record), policy) for record in records), draft):
        if not replayed.is_reproduced:
            message = "a record was not reproduced"
            raise AssertionError(message)


def _seconds(work: Callable[[], None]) -> float:
    """Of the processor: others on the machine do not count."""
    started = time.process_time()
    work()
    return time.process_time() - started
