"""Containers are killed and replaced while patients write: whatever was answered 2xx comes, once and without a gap."""

import asyncio

import pytest

from tests.deploy.conftest import Compose
from tests.deploy.traffic import EACH_SECOND, flowing
from tests.e2e.conftest import System

BEFORE_SECONDS = 3
"""Of traffic, so that there is something in flight."""


@pytest.mark.parametrize("service", ["ingest", "router", "notifier", "pm-sync", "gateway", "kafka", "postgres"])
async def test_nothing_is_lost_and_no_stream_has_a_gap_when_a_container_is_killed(
    compose: Compose, system: System, service: str
) -> None:
    before = compose.id_of(service)
    async with flowing(system) as traffic:
        await asyncio.sleep(BEFORE_SECONDS)
        await asyncio.to_thread(compose, "kill", service)
        await asyncio.to_thread(compose, "up", "--detach", "--wait", "--force-recreate", "--no-deps", service)
        await asyncio.sleep(BEFORE_SECONDS)

    assert compose.id_of(service) != before
    assert len(traffic.accepted) > 2 * BEFORE_SECONDS * EACH_SECOND / 2
    assert (traffic.given_up, traffic.lost(), traffic.seen_twice(), traffic.resets) == ([], [], [], 0)
    assert await traffic.gaps() == []
