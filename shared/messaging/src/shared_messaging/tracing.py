"""Traces through Kafka: each record says which span it came of, in W3C's form, and what comes of it goes on from there.

https://www.w3.org/TR/trace-context/; the header is CloudEvents' extension for distributed tracing. A batch has many causes,
so it has no span of its own: each record of a recorded trace has one, as long as the batch.
"""

import re

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared_messaging.records import Record
from shared_schemas.cloudevents import Headers

HEADER = "traceparent"

_FORM = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_tracer = trace.get_tracer("switchboard")
_propagator = TraceContextTextMapPropagator()


def current_trace() -> Headers:
    """The header for what is published in the current span; none where nothing is traced."""
    return _header(trace.get_current_span())


def note_delivery(record: Record) -> None:
    """Note that this record was handed to those who wait for it."""
    parent = _parent(record)
    if parent is not None and _is_recorded(parent):
        _start("deliver", record, parent).end()


class Spans:
    """The spans of a batch."""

    def __init__(self) -> None:
        self._spans: dict[Record, Span] = {}

    def of(self, record: Record) -> Headers:
        """The header for what comes of this record; its span begins, unless its trace is not recorded."""
        parent = _parent(record)
        if parent is None:
            return ()
        if not _is_recorded(parent):
            return ((HEADER, parent),)
        if record not in self._spans:
            self._spans[record] = _start("process", record, parent)
        return _header(self._spans[record])

    def end(self, error: BaseException | None = None) -> None:
        """The batch is over; `error` is why it was not handled."""
        for span in self._spans.values():
            if error is not None:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", type(error).__name__)
            span.end()
        self._spans = {}


def _start(verb: str, record: Record, parent: bytes) -> Span:
    return _tracer.start_span(
        f"{verb} {record.topic}",
        _propagator.extract({HEADER: parent.decode()}, Context()),
        kind=SpanKind.CONSUMER,
        attributes={
            "messaging.system": "kafka",
            "messaging.operation.type": verb,
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
        },
    )


def _parent(record: Record) -> bytes | None:
    for name, value in record.raw_headers:
        if name == HEADER:
            return value if _FORM.fullmatch(value) else None
    return None


def _is_recorded(parent: bytes) -> bool:
    """The last two digits are flags, and the last of those says so."""
    return bool(int(parent[-2:], 16) & 1)


def _header(span: Span) -> Headers:
    context = span.get_span_context()
    if not context.is_valid:
        return ()
    written = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return ((HEADER, written.encode()),)
