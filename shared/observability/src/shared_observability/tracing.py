"""Traces by OpenTelemetry, from the door that a message came in by to the staff's streams.

They carry opaque ids, counts and names of our own making (promise 8). Without a collector nothing is recorded and hardly
anything spent: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ has the settings.
"""

import os

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_UNTRACED = ("/health/", "/metrics")
_ERRORS_FROM = 500

_tracer = trace.get_tracer("switchboard")


def configure_tracing(service: str) -> bool:
    """Send spans to the collector that the environment names, by OTLP over HTTP. Returns whether it names one."""
    if not any(os.environ.get(name) for name in _COLLECTORS):
        return False
    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.namespace": "switchboard"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return True


def trace_requests(app: FastAPI) -> None:
    """Begin a trace with each request to this app; what is published while it is answered belongs to it."""
    app.add_middleware(_Traced)


class _Traced:
    """A span from a request to the beginning of its answer: a staff stream's answer lasts all day.

    The trace begins here, whatever the request says: strangers do not decide what we record. Named by the route's
    template: paths and queries may hold what somebody looks for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNTRACED):
            await self._app(scope, receive, send)
            return
        attributes = {"http.request.method": scope["method"]}
        with _tracer.start_as_current_span(
            scope["method"], kind=SpanKind.SERVER, attributes=attributes, record_exception=False, end_on_exit=False
        ) as span:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _end(span, scope, message["status"])
                await send(message)

            try:
                await self._app(scope, receive, sending)
            finally:
                if span.is_recording():
                    span.end()


def _end(span: Span, scope: Scope, status: int) -> None:
    path = getattr(scope.get("route"), "path", None)
    if path is not None:
        span.update_name(f"{scope['method']} {path}")
        span.set_attribute("http.route", path)
    span.set_attribute("http.response.status_code", status)
    if status >= _ERRORS_FROM:
        span.set_status(trace.StatusCode.ERROR)
    span.end()
