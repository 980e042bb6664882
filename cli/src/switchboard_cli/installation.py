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
from shared_database.sealing import new_key
from switchboard_cli import development_sign_in
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.embedded.process import child_process
from switchboard_cli.embedded.stack import embedded_stack
from switchboard_cli.failures import Failed
from switchboard_cli.origin import SCHEMAS
from switchboard_cli.ports import free_port
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
    async with embedded_stack(directory, progress=progress) as stack:
        issuer.prepare()
        progress("database", "applying migrations")
        topics = apply_topics(stack.kafka_bootstrap_servers, partitions=DEFAULT_PARTITIONS, replication=1)
        await asyncio.gather(asyncio.to_thread(migrate, stack.postgres_dsn, SCHEMAS), topics)
        environment = {
            **os.environ,
            **issuer.environment,
            **development_sign_in.settings_for(issuer.directory, base_url),
            "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
            "SWITCHBOARD_POSTGRES_DSN": stack.postgres_dsn,
            "SWITCHBOARD_PUBLIC_URL": base_url,
            "SWITCHBOARD_INGEST_BLOB_URL": (directory / "blobs").absolute().as_uri(),
            "SWITCHBOARD_PM_SYNC_DROP_DIR": str(directory / "pm-drop"),
            "SWITCHBOARD_NOTIFIER_SECRET_KEY": _secret_key(directory / "notifier-secret-key"),
            "SWITCHBOARD_PM_SYNC_SECRET_KEY": _secret_key(directory / "pm-secret-key"),
            "SWITCHBOARD_INGEST_SECRET_KEY": _secret_key(directory / "file-secret-key"),
            "SWITCHBOARD_PM_SYNC_MLLP_HOST": "127.0.0.1",
            "SWITCHBOARD_PM_SYNC_MLLP_PORT": os.environ.get("SWITCHBOARD_PM_SYNC_MLLP_PORT") or str(free_port()),
            "SWITCHBOARD_OUTBOUND_ALLOWED": "127.0.0.0/8,::1/128",
            **(settings or {}),
        }
        progress("services", "starting ingest, router, notifier and pm-sync")
        async with _services(directory, chosen_port, environment, progress):
            yield Installation(directory, base_url, stack.kafka_bootstrap_servers, stack.postgres_dsn, issuer)


def _secret_key(file: Path) -> str:
    """The same as last time in this directory: what was encrypted then must be readable now."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(new_key(), encoding="ascii")
    return file.read_text("ascii")


@asynccontextmanager
async def _services(
    directory: Path, port: int, environment: Mapping[str, str], progress: Progress
) -> AsyncGenerator[None]:
    """The four services in a process of their own, started again when it ends by itself.

    Raises `Failed` when it does not become ready the first time.
    """
    ready = asyncio.Event()
    running_services = asyncio.create_task(_keep_running(directory, port, environment, progress, ready))
    becoming_ready = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait(
            {running_services, becoming_ready}, return_when=asyncio.FIRST_COMPLETED, timeout=START_SECONDS
        )
        if not ready.is_set():
            if running_services.done():
                running_services.result()
            message = f"the services did not become ready in {START_SECONDS:.0f} s: see {_log(directory)}"
            raise Failed(message)
        yield
    finally:
        becoming_ready.cancel()
        running_services.cancel()
        await asyncio.wait({running_services})


async def _keep_running(
    directory: Path, port: int, environment: Mapping[str, str], progress: Progress, ready: asyncio.Event
) -> None:
    ready_file = directory / "services.ready"
    command = [
        sys.executable,
        "-m",
        "switchboard_cli",
        "serve",
        ALL,
        "--port",
        str(port),
        "--ready-file",
        str(ready_file),
    ]
    while True:
        ready_file.unlink(missing_ok=True)
        async with child_process("services", command, log=_log(directory), environment=environment) as services:
            while not services.has_ended:
                if ready_file.exists():
                    ready.set()
                await asyncio.sleep(0.05)
        if not ready.is_set():
            message = f"the services did not start: {services.last_words}"
            raise Failed(message)
        progress("services", f"ended with exit code {services.process.returncode}; starting them again")
        await asyncio.sleep(1)


def _log(directory: Path) -> Path:
    return directory / "services.log"
