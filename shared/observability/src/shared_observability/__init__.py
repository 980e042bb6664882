"""What every service tells of itself: logs, metrics and health, none of them with a patient in it."""

from shared_observability.health import Check, health_routes
from shared_observability.logging import configure_logging

__all__ = ["Check", "configure_logging", "health_routes"]
