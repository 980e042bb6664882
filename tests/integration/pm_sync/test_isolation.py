"""One bad practice never slows the others."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pm_sync.scheduling import Places
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.embedded.stack import EmbeddedStack
from tests.integration.pm_sync.conftest import PmServer, Practice, running_service

HANGING = Places().swift + 10
POLLS, SECONDS = 3, 15
"""Of a connection that is asked every second, and may wait a moment for those that hang."""


@asynccontextmanager
async def hanging_server() -> AsyncGenerator[str]:
    """Takes every connection, and never answers."""
    ended = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        ended.set()
        server.close()


async def test_servers_that_hang_slow_nobody_else(
    migrated: EmbeddedStack, issuer: DevelopmentIssuer, server: PmServer
) -> None:
    """More of them than there are places."""
    server.has(1)
    async with running_service(migrated, issuer) as http, hanging_server() as nowhere:
        bad, good = Practice(http, migrated), Practice(http, migrated)
        for number in range(HANGING):
            await bad.fhir(nowhere, name=f"bad-{number}")
        connection = await good.fhir(server.url)
        async with asyncio.timeout(SECONDS):
            since = datetime.now(UTC)
            for _ in range(POLLS):
                since = datetime.fromisoformat((await good.synced(connection, after=since))["last_success_at"])
        for one in (bad, good):
            for made in (await http.get(one.path)).json():
                await http.delete(f"{one.path}/{made['id']}")

    assert len(server.asked("Appointment")) >= POLLS
