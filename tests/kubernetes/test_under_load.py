"""Pods are replaced by a new version, and killed, while patients write: nothing is lost and no stream has a gap."""

import asyncio

import pytest

from tests.deploy.traffic import flowing
from tests.e2e.conftest import System
from tests.kubernetes.conftest import NEW, OLD, Cluster

SERVICES = ("ingest", "router", "notifier", "pm-sync")
BEFORE_SECONDS = 3


async def test_a_rolling_update_under_load_refuses_nothing_loses_nothing_and_leaves_no_gap(
    cluster: Cluster, system: System
) -> None:
    await asyncio.to_thread(cluster.apply, OLD)  # where another test has left the new one
    old = {service: cluster.pods(service) for service in SERVICES}

    async with flowing(system) as traffic:
        await asyncio.to_thread(cluster.apply, NEW)
        await asyncio.to_thread(cluster.until_gone, set().union(*old.values()))

    assert [service for service in SERVICES if old[service] & cluster.pods(service)] == []
    assert traffic.refused == []
    assert traffic.reconnections > 0  # the stream's server was among what was replaced
    assert (traffic.lost(), traffic.seen_twice(), traffic.resets) == ([], [], 0)
    assert await traffic.gaps() == []


@pytest.mark.parametrize("service", SERVICES)
async def test_nothing_is_lost_and_no_stream_has_a_gap_when_a_pod_is_killed(
    cluster: Cluster, system: System, service: str
) -> None:
    killed = min(cluster.pods(service))

    async with flowing(system) as traffic:
        await asyncio.sleep(BEFORE_SECONDS)
        await asyncio.to_thread(cluster.kubectl, "delete", "pod", killed, "--grace-period=0", "--force")
        await asyncio.to_thread(cluster.kubectl, "rollout", "status", f"deployment/{service}", "--timeout=300s")
        await asyncio.sleep(BEFORE_SECONDS)

    assert killed not in cluster.pods(service)
    assert traffic.accepted
    assert (traffic.given_up, traffic.lost(), traffic.seen_twice(), traffic.resets) == ([], [], [], 0)
    assert await traffic.gaps() == []
