"""Made-up input for every endpoint and door: the same at each run, unless it is given minutes; then it is random."""

from dataclasses import dataclass

import httpx
import pytest
from hypothesis import HealthCheck, settings

from tests.e2e.conftest import System, collector, outside, system

__all__ = ["collector", "outside", "system"]

CASES = 160
"""Of made-up input for each endpoint, besides those that its description leads to."""
_EXAMPLES = 600
"""For each door."""
_PATIENCE_SECONDS = 900
_SERVICES = 4
_SHARE = 0.5
"""Of the minutes that somebody gives: for the endpoints of all services; the rest is the doors', and the start."""
_EXAMPLES_A_MINUTE = 150


@dataclass(frozen=True)
class Effort:
    """How much is tried."""

    of_endpoints: tuple[str, ...]
    """As schemathesis is told."""
    of_doors: settings
    """As hypothesis is told."""
    longest: float
    """Seconds after which the endpoints of a service have hung."""


@pytest.fixture(scope="session")
def effort(request: pytest.FixtureRequest) -> Effort:
    """So many cases, the same at each run on each machine; or so many minutes, and what chance brings."""
    minutes: float | None = request.config.getoption("--minutes")
    if minutes is None:
        seconds, endpoints = 0, ("--generation-deterministic", "--max-examples", str(CASES))
    else:
        seconds = round(minutes * 60 * _SHARE / _SERVICES)
        endpoints = ("--max-time", str(seconds))
    doors = settings(
        max_examples=_EXAMPLES if minutes is None else round(minutes * _EXAMPLES_A_MINUTE),
        deadline=None,
        derandomize=minutes is None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    return Effort(endpoints, doors, _PATIENCE_SECONDS + 2 * seconds)


@pytest.fixture
def administrator(system: System) -> httpx.Client:
    """Of the practice that nothing else is tried with."""
    token = system.told["other_practice"]["staff"][0]["token"]
    return httpx.Client(base_url=system.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
