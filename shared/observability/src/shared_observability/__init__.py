"""What every service tells of itself: logs, metrics and health, none of them with a patient in it."""

from shared_observability.health import Check, health_routes
from shared_observability.logging import configure_logging
from shared_observability.tracing import configure_tracing, trace_requests

__all__ = ["Check", "configure_logging", "configure_tracing", "health_routes", "trace_requests"]
