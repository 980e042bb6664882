"""A whole installation on this machine: Kafka, PostgreSQL and the four services behind one port."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from shared_database.migrations import migrate

from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.embedded.process import ChildProcess
from switchboard_cli.embedded.stack import EmbeddedStack
from switchboard_cli.failures import Failed
from switchboard_cli.origin import SCHEMAS
from switchboard_cli.serving import ALL
from switchboard_cli.topics import DEFAULT_PARTITIONS, apply_topics

Progress = Callable[[str, str], None]
"""Called with a step and a detail while something takes its time."""

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a running installation is."""

    directory: Path
    base_url: str
    kafka_bootstrap_servers: str
    postgres_dsn: str
    issuer: DevelopmentIssuer


def free_port() -> int:
    """A TCP port of the loopback address that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def usable_port(port: int) -> int:
    """`port`, or a free one for 0. Raises `Failed` when somebody else has it."""
    if port == 0:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Failed(f"port {port} is in use: choose another with --port, or --port 0 for any") from error
    return port


@asynccontextmanager
async def running(
    directory: Path, port: int, *, progress: Progress, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[Installation]:
    """Start everything, and stop it in order at the end, whatever happens in between.

    `settings` are environment variables for the services, on top of those of the embedded stack.
    """
    chosen_port = usable_port(port)
    base_url = f"http://127.0.0.1:{chosen_port}"
    issuer = DevelopmentIssuer(directory / "issuer")
    async with EmbeddedStack(directory, progress=progress) as stack:
        issuer.prepare()
        progress("database", "applying migrations")
        topics = apply_topics(stack.kafka_bootstrap_servers, partitions=DEFAULT_PARTITIONS, replication=1)
        await asyncio.gather(asyncio.to_thread(migrate, stack.postgres_dsn, SCHEMAS), topics)
        environment = {
            **os.environ,
            **issuer.environment,
            "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
            "SWITCHBOARD_POSTGRES_DSN": stack.postgres_dsn,
            "SWITCHBOARD_PUBLIC_URL": base_url,
            "SWITCHBOARD_PM_SYNC_DROP_DIR": str(directory / "pm-drop"),
            **(settings or {}),
        }
        progress("services", "starting ingest, router, notifier and pm-sync")
        async with _services(directory, chosen_port, environment):
            yield Installation(directory, base_url, stack.kafka_bootstrap_servers, stack.postgres_dsn, issuer)
