"""CloudEvents 1.0 over Kafka: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md

Written in binary mode (attributes as `ce_` headers, the value is the data); read in binary and in structured mode.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json

from shared_schemas.places import known_place, names_of
from shared_schemas.topics import EVENT_TYPES
from shared_schemas.values import Event, Instant

BINARY_CONTENT_TYPE = "application/json"
STRUCTURED_CONTENT_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"

_SPEC_VERSION = ("ce_specversion", SPEC_VERSION.encode())
_CONTENT_TYPE = ("content-type", BINARY_CONTENT_TYPE.encode())

Headers = tuple[tuple[str, bytes], ...]


class UnreadableEvent(ValueError):  # noqa: N818 - the glossary's word; it is a value that was refused, not an outage
    """These bytes are no event that we know. The text names what is wrong and never repeats the input."""


class _Envelope(BaseModel):
    """A structured-mode CloudEvent: attributes and data in one JSON object."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    specversion: Literal["1.0"]
    id: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    type: str
    time: Instant | None = None
    data: object


def encode(event: Event, source: str, time: datetime) -> tuple[Headers, bytes]:
    """Write an event in binary mode.

    `source` is the service (`/switchboard/router`), `time` when the event came about (aware). The same arguments
    always give the same bytes.
    """
    return attributes(event.ce_type, event.ce_id, event.key, source, time), event.model_dump_json().encode()


def attributes(ce_type: str, ce_id: str, key: str, source: str, time: datetime) -> Headers:
    """The headers of binary mode, for those who write the data themselves."""
    return (
        _SPEC_VERSION,
        ("ce_id", ce_id.encode()),
        ("ce_source", source.encode()),
        ("ce_type", ce_type.encode()),
        ("ce_time", _written(time)),
        ("ce_partitionkey", key.encode()),
        _CONTENT_TYPE,
    )


@lru_cache(maxsize=16)
def _written(time: datetime) -> bytes:
    """The events of a batch have one time."""
    return time.isoformat().replace("+00:00", "Z").encode()


def decode(headers: Mapping[str, bytes], value: bytes) -> Event:
    """Read an event in either mode.

    Raises `UnreadableEvent` when the type is unknown, an attribute is missing, or the data does not fit the type.
    """
    if headers.get("content-type", b"").startswith(STRUCTURED_CONTENT_TYPE.encode()):
        return _decode_structured(value)
    if headers.get("ce_specversion") != SPEC_VERSION.encode():
        message = "ce_specversion is missing or is not 1.0"
        raise UnreadableEvent(message)
    ce_type = headers.get("ce_type", b"").decode(errors="replace")
    return _decode_data(ce_type, value)


def _decode_structured(value: bytes) -> Event:
    try:
        envelope = _Envelope.model_validate(from_json(value))
    except ValidationError as error:
        raise UnreadableEvent(_places(error, _Envelope)) from None
    except ValueError:
        message = "the structured CloudEvent is not valid JSON"
        raise UnreadableEvent(message) from None
    return _decode_data(envelope.type, to_json(envelope.data))


def _decode_data(ce_type: str, data: bytes) -> Event:
    event_type = EVENT_TYPES.get(ce_type)
    if event_type is None:
        message = "ce_type is missing or unknown"
        raise UnreadableEvent(message)
    try:
        return event_type.model_validate_json(data)
    except ValidationError as error:
        raise UnreadableEvent(_places(error, event_type)) from None


def _places(error: ValidationError, form: type[BaseModel]) -> str:
    """Where the data does not fit, and why, without the data itself."""
    return "; ".join(
        f"{'.'.join(known_place(problem['loc'], names_of(form))) or 'data'}: {problem['type']}"
        for problem in error.errors(include_input=False, include_context=False, include_url=False)[:5]
    )
