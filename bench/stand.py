"""What benchmarks run on: one Kafka, one PostgreSQL, the services as processes of their own, and their CPU time."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from shared_database.migrations import migrate
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.embedded.postgres import SHARED_BUFFERS
from switchboard_cli.embedded.process import ChildProcess, child_process
from switchboard_cli.embedded.stack import embedded_stack
from switchboard_cli.origin import SCHEMAS
from switchboard_cli.ports import free_port
from switchboard_cli.topics import apply_topics

PARTITIONS = 8
START_SECONDS = 120
_KEPT_LOG_FILES = (
    "SELECT pg_size_bytes(current_setting('min_wal_size')) / pg_size_bytes(current_setting('wal_segment_size'))"
)
_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Stand:
    """A running Kafka and PostgreSQL, migrated and with all topics."""

    directory: Path
    kafka: str
    dsn: str
    issuer: DevelopmentIssuer
    partitions: int
    """Of every topic."""

    @property
    def environment(self) -> dict[str, str]:
        """What the services are told."""
        return {
            **os.environ,
            **self.issuer.environment,
            "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "SWITCHBOARD_POSTGRES_DSN": self.dsn,
            "SWITCHBOARD_PM_SYNC_MLLP_PORT": "0",
        }


@asynccontextmanager
async def stand(*, partitions: int = PARTITIONS, shared_buffers: str = SHARED_BUFFERS) -> AsyncGenerator[Stand]:
    """Start both, in a folder that is removed at the end. `shared_buffers` are PostgreSQL's."""
    with tempfile.TemporaryDirectory(prefix="switchboard-bench-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)  # as root PostgreSQL runs as somebody else, who must be able to pass
        async with embedded_stack(directory, progress=tell, kafka_heap="512m", shared_buffers=shared_buffers) as stack:
            issuer = DevelopmentIssuer(directory / "issuer")
            issuer.prepare()
            await asyncio.to_thread(migrate, stack.postgres_dsn, SCHEMAS)
            await _wear_in(stack.postgres_dsn)
            await apply_topics(stack.kafka_bootstrap_servers, partitions=partitions, replication=1)
            yield Stand(directory, stack.kafka_bootstrap_servers, stack.postgres_dsn, issuer, partitions)


async def _wear_in(dsn: str) -> None:
    """Let PostgreSQL have the files of its log that it keeps (`min_wal_size`), as one has that is at work: a new one makes
    each while everybody who writes waits for it, 50 ms.
    """
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(await connection.fetchval(_KEPT_LOG_FILES)):
            await connection.fetchval("SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'bench', 'a record')")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers."""

    url: str
    child: ChildProcess

    @property
    def pid(self) -> int:
        """Of the service's process."""
        return self.child.process.pid


@asynccontextmanager
async def service(
    on: Stand, name: str, *, port: int | None = None, settings: Mapping[str, str] | None = None, is_awaited: bool = True
) -> AsyncGenerator[Running]:
    """`switchboard serve NAME`, ready if that is awaited; stopped in order at the end."""
    port = port or free_port()
    ready = on.directory / f"{name}-{port}.ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "switchboard_cli", "serve", name, "--port", port, "--ready-file", ready]
    environment = on.environment | {"SWITCHBOARD_PUBLIC_URL": f"http://127.0.0.1:{port}"} | dict(settings or {})
    async with child_process(name, command, log=on.directory / f"{name}.log", environment=environment) as child:
        async with asyncio.timeout(START_SECONDS):
            while is_awaited and not ready.exists():
                if child.has_ended:
                    raise RuntimeError(f"{name} did not start: {child.last_words}")
                await asyncio.sleep(0.02)
        yield Running(f"http://127.0.0.1:{port}", child)


@asynccontextmanager
async def program(
    on: Stand, name: str, command: Sequence[object], environment: Mapping[str, str] | None = None
) -> AsyncGenerator[ChildProcess]:
    """A reference program; what it prints goes to a file of its name."""
    surroundings = on.environment | {"PYTHONPATH": str(_ROOT)} | dict(environment or {})
    async with child_process(name, command, log=on.directory / f"{name}.log", environment=surroundings) as child:
        yield child


def cpu_seconds(*pids: int) -> float:
    """User and system time of these processes and of their children so far."""
    total = 0.0
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            for one in (process, *process.children(recursive=True)):
                times = one.cpu_times()
                total += times.user + times.system
    return total


def broker_and_database() -> dict[str, int]:
    """The process ids of the embedded Kafka and PostgreSQL."""
    found: dict[str, int] = {}
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            words = child.cmdline()
            if "kafka.Kafka" in words:
                found["kafka"] = child.pid
            elif words and words[0].endswith("/postgres"):
                found["postgres"] = child.pid
    return found


def tell(step: str, detail: str) -> None:
    """Progress, to where it does not mix with the figures."""
    print(f"  {step}: {detail}", file=sys.stderr)  # noqa: T201 - a program's progress
