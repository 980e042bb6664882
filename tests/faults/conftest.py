"""How long, and from which seed: `just faults --minutes 8 --seed 1`."""

import logging
import secrets

import pytest
import structlog

MINUTES = 8.0
"""All rounds together."""
MINUTES_EACH = 2.5
"""Of one round: its start and its coming to rest take about one of them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="of the first round; the others follow it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        rounds = max(1, round((metafunc.config.getoption("--minutes") or MINUTES) / MINUTES_EACH))
        given = metafunc.config.getoption("--seed")
        first = secrets.randbelow(1_000_000) if given is None else given
        metafunc.parametrize("seed", range(first, first + rounds), ids="seed-{}".format)


@pytest.fixture(autouse=True, scope="session")
def quiet() -> None:
    """What our own clients have to say of the faults is no news."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    clients = logging.getLogger("aiokafka")
    clients.propagate = False
    clients.addHandler(logging.NullHandler())


@pytest.fixture
def minutes(request: pytest.FixtureRequest) -> float:
    """Of this round."""
    every: float = request.config.getoption("--minutes") or MINUTES
    return every / max(1, round(every / MINUTES_EACH))
