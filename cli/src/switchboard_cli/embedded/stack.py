"""Kafka and PostgreSQL together: the embedded ones, or those that the settings name."""

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from switchboard_cli.embedded.kafka import embedded_kafka
from switchboard_cli.embedded.postgres import SHARED_BUFFERS, embedded_postgres
from switchboard_cli.failures import Failed

Progress = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class EmbeddedStack:
    """Where the running Kafka and PostgreSQL answer."""

    kafka_bootstrap_servers: str
    postgres_dsn: str


@asynccontextmanager
async def embedded_stack(
    directory: Path, *, progress: Progress, kafka_heap: str = "256m", shared_buffers: str = SHARED_BUFFERS
) -> AsyncGenerator[EmbeddedStack]:
    """Run both, with their data in `directory`, until the end of the block. `shared_buffers` are PostgreSQL's.

    SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS and SWITCHBOARD_POSTGRES_DSN are used instead where they are set. Raises `Failed`
    when something does not start, or another process has this directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kafka = os.environ.get("SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS")
    postgres = os.environ.get("SWITCHBOARD_POSTGRES_DSN")
    with _only_us(directory / "lock"):
        async with (
            _in_background(
                _given(kafka) if kafka else embedded_kafka(directory / "kafka", progress=progress, heap=kafka_heap)
            ) as kafka_started,
            _in_background(
                _given(postgres)
                if postgres
                else embedded_postgres(directory / "postgres", progress=progress, shared_buffers=shared_buffers)
            ) as postgres_started,
        ):
            yield EmbeddedStack(await kafka_started, await postgres_started)


@asynccontextmanager
async def _given(address: str) -> AsyncGenerator[str]:
    yield address


@asynccontextmanager
async def _in_background(part: AbstractAsyncContextManager[str]) -> AsyncGenerator["asyncio.Future[str]"]:
    """Enter `part` in a task of its own, so that two of them start at the same time; leave it in the same task."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def run() -> None:
        try:
            async with part as address:
                started.set_result(address)
                await stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    task = asyncio.create_task(run())
    try:
        yield started
    finally:
        if started.done():
            stop.set()
        else:
            task.cancel()
        await asyncio.wait({task})
        if started.done() and not started.cancelled():
            started.exception()


@contextmanager
def _only_us(lock: Path) -> Generator[None]:
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            message = (
                f"{lock.parent} is in use by process {file.read().strip() or '?'}: stop it, or choose another directory"
            )
            raise Failed(message) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
