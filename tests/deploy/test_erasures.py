"""The timer that carries out what administrators asked to be erased, as docs/guides/records.md says."""

import asyncio
from http import HTTPStatus
from typing import Any

import httpx

from tests.deploy.conftest import Compose
from tests.e2e.conftest import System

DONE_SECONDS = 60
NOBODY = "pt-of-nobody"
"""No other test misses this patient."""


async def test_what_an_administrator_asked_for_is_erased_by_the_timer(compose: Compose, system: System) -> None:
    path = f"/v1/practices/{system.told['practice_id']}/erasures"
    async with system.client(system.token("ada-admin")) as http:
        asked = await http.put(f"{path}/{NOBODY}")
        await asyncio.to_thread(compose, "restart", "erasures")
        done = await _until_done(http, path)
    compose("stop", "--timeout", "5", "erasures")
    stopped = compose.status()["erasures"]
    compose("up", "--wait", "erasures")

    assert asked.status_code == HTTPStatus.ACCEPTED
    assert done["waits_for"] is None
    assert stopped == "exited 0"  # told to stop, it does not have to be killed


async def _until_done(http: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """The erasure once it is done. Raises TimeoutError."""
    async with asyncio.timeout(DONE_SECONDS):
        while True:
            (row,) = (row for row in (await http.get(path)).raise_for_status().json() if row["patient_id"] == NOBODY)
            if row["done_at"] is not None:
                found: dict[str, Any] = row
                return found
            await asyncio.sleep(0.5)
