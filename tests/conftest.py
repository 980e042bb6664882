"""What tests share: a real Kafka and a real PostgreSQL, started when the first test asks for them."""

import asyncio
import tempfile
import threading
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import settings

from switchboard_cli.embedded.stack import EmbeddedStack, embedded_stack
from switchboard_cli.topics import apply_topics

PARTITIONS = 4

# A property takes as long as the machine is busy.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--minutes", type=float, help="how long faults (8) may take, or made-up input, which is random then"
    )


@pytest.fixture(scope="session")
def stack() -> Generator[EmbeddedStack]:
    """Both, with the catalogue's topics.

    They are kept by a thread with an event loop of its own: each test has another loop.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded stack")
    thread.start()
    with tempfile.TemporaryDirectory(prefix="switchboard-test-", ignore_cleanup_errors=True) as name:
        # As root PostgreSQL runs as somebody else, who must be able to pass.
        Path(name).chmod(0o711)
        running = embedded_stack(Path(name), progress=lambda _step, _detail: None, kafka_heap="384m")
        try:
            yield asyncio.run_coroutine_threadsafe(_started(running), loop).result(timeout=120)
        finally:
            asyncio.run_coroutine_threadsafe(running.__aexit__(None, None, None), loop).result(timeout=60)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


@pytest.fixture
def open_directory() -> Generator[Path]:
    """A directory of this test that everybody may pass: as root PostgreSQL runs as somebody else."""
    with tempfile.TemporaryDirectory(prefix="switchboard-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(stack: EmbeddedStack) -> str:
    return stack.kafka_bootstrap_servers


@pytest.fixture(scope="session")
def postgres_dsn(stack: EmbeddedStack) -> str:
    return stack.postgres_dsn


async def _started(running: AbstractAsyncContextManager[EmbeddedStack]) -> EmbeddedStack:
    stack = await running.__aenter__()
    await apply_topics(stack.kafka_bootstrap_servers, partitions=PARTITIONS, replication=1)
    return stack
