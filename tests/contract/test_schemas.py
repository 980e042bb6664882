"""The wire contract: examples fit their schemas, events survive the wire, and no version changes under its readers."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shared_schemas.cloudevents import UnreadableEvent, decode, encode
from shared_schemas.compatibility import incompatibilities
from shared_schemas.json_schemas import file_name
from shared_schemas.topics import CATALOGUE, EVENT_TYPES
from shared_schemas.values import Event
from tools.contracts import contracts

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
SCHEMAS = Path(__file__).resolve().parents[2] / "shared/schemas"
EVENTS = pytest.mark.parametrize("event", EVENT_TYPES.values(), ids=list(EVENT_TYPES))


def read(kind: str, event: type[Event]) -> Any:  # noqa: ANN401 - JSON
    return json.loads((SCHEMAS / kind / file_name(event)).read_text("utf-8"))


def example(event: type[Event]) -> Event:
    return event.model_validate(read("examples", event))


@EVENTS
def test_the_example_of_an_event_fits_its_schema(event: type[Event]) -> None:
    jsonschema.Draft202012Validator(read("json", event)).validate(read("examples", event))


@EVENTS
def test_an_event_comes_out_of_kafka_as_it_went_in(event: type[Event]) -> None:
    sent = example(event)
    headers, value = encode(sent, "/switchboard/test", AT)
    assert decode(dict(headers), value) == sent
    assert dict(headers)["ce_type"] == event.ce_type.encode()
    assert dict(headers)["ce_partitionkey"] == sent.key.encode()


@EVENTS
def test_a_structured_event_is_read_like_a_binary_one(event: type[Event]) -> None:
    envelope = {"specversion": "1.0", "id": "1", "source": "/x", "type": event.ce_type, "data": read("examples", event)}
    headers = {"content-type": b"application/cloudevents+json; charset=utf-8"}
    assert decode(headers, json.dumps(envelope).encode()) == example(event)


@EVENTS
def test_readers_of_the_released_schema_can_read_what_is_written_now(event: type[Event]) -> None:
    path = SCHEMAS / "baseline" / file_name(event)
    assert path.exists(), "a new event version: copy its schema from json/ to baseline/ when it is released"
    assert incompatibilities(json.loads(path.read_text("utf-8")), read("json", event)) == []


def test_no_released_event_version_disappears() -> None:
    assert {path.name for path in (SCHEMAS / "baseline").glob("*.json")} <= {
        file_name(one) for one in EVENT_TYPES.values()
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"properties": {}}, "data.a: it is gone"),
        ({"properties": {"a": {"type": "integer"}}}, "data.a: its type was string and is integer"),
        ({"properties": {"a": {"type": "string", "enum": ["x", "z"]}}}, "data.a: z would be new words of a closed set"),
        ({"required": []}, "data.a: it was always there and may be missing"),
    ],
)
def test_the_gate_finds_a_change_that_breaks_readers(change: dict[str, Any], problem: str) -> None:
    old = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "enum": ["x", "y"]}}}
    assert incompatibilities(old, old | change) == [problem]


def test_the_gate_lets_an_optional_field_in() -> None:
    old = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert incompatibilities(old, old | {"properties": {**old["properties"], "b": {"type": "string"}}}) == []


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ({}, b"{}"),
        ({"ce_specversion": b"1.0", "ce_type": b"switchboard.Unheard.v1"}, b"{}"),
        ({"ce_specversion": b"1.0", "ce_type": b"switchboard.MessageReceived.v1"}, b'{"body": "secret words"}'),
        ({"content-type": b"application/cloudevents+json"}, b"secret words"),
    ],
)
def test_what_cannot_be_read_is_refused_without_repeating_it(headers: dict[str, bytes], value: bytes) -> None:
    with pytest.raises(UnreadableEvent) as refused:
        decode(headers, value)
    assert "secret" not in str(refused.value)


def test_the_committed_contracts_are_what_the_code_says() -> None:
    differing = [
        path.name for path, text in contracts().items() if not path.exists() or path.read_text("utf-8") != text
    ]
    assert differing == []


def test_every_event_has_the_key_that_its_topic_says() -> None:
    for topic in CATALOGUE:
        for event in topic.events:
            sent = example(event)
            patient_id = getattr(sent, "patient_id", None)
            wanted = f"{sent.practice_id}/{patient_id}" if topic.key == "practice/patient" else sent.practice_id
            assert sent.key == wanted, (topic.name, event)


def test_every_topic_keeps_what_a_consumer_may_not_have_read() -> None:
    for topic in CATALOGUE:
        kept = topic.configuration
        assert int(kept.get("retention.ms", kept.get("min.compaction.lag.ms", "0"))) >= 7 * 24 * 3600 * 1000
