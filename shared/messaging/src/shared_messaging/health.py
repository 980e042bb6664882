"""Whether the engine makes progress, in the form that readiness and tests ask for."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class EngineHealth:
    """`reason` says in one line why it is not ready; empty when it is. It names topics and error classes only."""

    ready: bool
    reason: str
    last_poll_age: timedelta | None
    """Since every consumer last asked Kafka for records; None before the first time."""
