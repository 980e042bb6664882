"""Made-up input for every endpoint. Alike at each run, unless it is given more time than usual: then it is random."""

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings

MINUTES = 4.0
_SERVICES = 4
_SHARE = 0.5
"""Of the time that the endpoints of all services take together; the rest is the doors', and the start."""
_EXAMPLES_A_MINUTE = 40


@dataclass(frozen=True)
class Effort:
    """How much is tried."""

    is_random: bool
    seconds: int
    """For each service."""
    examples: settings
    """For each door."""


@pytest.fixture(scope="session")
def effort(request: pytest.FixtureRequest) -> Effort:
    given: float | None = request.config.getoption("--minutes")
    minutes = given or MINUTES
    examples = settings(
        max_examples=round(minutes * _EXAMPLES_A_MINUTE),
        deadline=None,
        derandomize=given is None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    return Effort(given is not None, round(minutes * 60 * _SHARE / _SERVICES), examples)
