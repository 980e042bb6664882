"""Structured logs, one JSON object a line, with an allow-list of fields (promise 8).

A field that is not on the list is left out: a log line cannot carry a patient's words because somebody forgot that it
must not.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Literal

import structlog

ALLOWED_FIELDS = frozenset(
    {
        "attempt", "attempts", "batches", "change_id", "channel", "channel_id", "check", "connection_id",
        "consumer", "conversation_id", "count", "cursor", "delay_seconds", "detail_code", "duration_ms",
        "epoch", "error", "errors", "event", "expected", "file_kind", "group", "kind", "lag_seconds", "level",
        "line", "logger", "message_id", "method", "moved", "offset", "offsets", "partition", "partitions",
        "path_template", "place", "port", "practice_id", "reason", "reason_code", "records", "revision", "rows",
        "run_id", "service", "settings_version", "signal", "staff_id", "status", "step", "superseded",
        "timestamp", "topic", "trace_id", "version", "where",
    }
)  # fmt: skip
"""Opaque ids, counts, positions and names of our own making. `error` is a class name, never a message."""


def configure_logging(service: str, *, level: str = "INFO", form: Literal["json", "console"] = "json") -> None:
    """Set up logging for this process; libraries' own log lines pass only from WARNING on, without their arguments."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)
    renderer = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    chain: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_the_error,
        _allowed_fields_only,
    ]
    structlog.configure(
        processors=[*chain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_without_arguments, *chain[:3], _allowed_fields_only],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _name_the_error(
    _: structlog.typing.WrappedLogger, __: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """An exception's text may repeat its input, so only its class is named, and the line that raised it."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()[1]
    if isinstance(raised, BaseException):
        event["error"] = type(raised).__qualname__
        traceback = raised.__traceback__
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        if traceback is not None:
            event["where"] = f"{traceback.tb_frame.f_globals.get('__name__', '?')}:{traceback.tb_lineno}"
    return event


def _without_arguments(
    _: structlog.typing.WrappedLogger, __: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    """A library's message as its author wrote it, before values were filled in."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event["event"] = str(record.msg)
        event["logger"] = record.name
        if record.exc_info and record.exc_info[1] is not None:
            event["error"] = type(record.exc_info[1]).__qualname__
    return event


def _allowed_fields_only(
    _: structlog.typing.WrappedLogger, __: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    return {name: value for name, value in event.items() if name in ALLOWED_FIELDS or name.startswith("_")}
