"""From the version before to this one while patients write, as docs/guides/upgrade.md says, and back."""

import asyncio
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.deploy.conftest import SHIPPED, Compose, brought_up, check_out, check_out_before, seeded_system
from tests.deploy.traffic import flowing
from tests.e2e.conftest import System


def check_out_over(directory: Path) -> None:
    """This version in place of the one that is there, with a name of its own; `.env` and `secrets` stay."""
    for name in SHIPPED:
        path = directory / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    check_out(directory)
    settings = (directory / ".env").read_text("utf-8")
    (directory / ".env").write_text(
        settings.replace("SWITCHBOARD_VERSION=before", "SWITCHBOARD_VERSION=after"), "utf-8"
    )


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Generator[Compose]:
    """An installation of the version before, with two of each service."""
    directory = tmp_path_factory.mktemp("before")
    check_out_before(directory)
    with brought_up(directory, "before", COMPOSE_PROFILES="scale") as installation:
        yield installation


@pytest.fixture(scope="module")
def its_system(before: Compose) -> System:
    return seeded_system(before)


async def test_an_upgrade_under_load_refuses_nothing_loses_nothing_and_leaves_no_gap(
    before: Compose, its_system: System
) -> None:
    services = ("ingest", "ingest-2", "router", "router-2", "notifier", "notifier-2", "pm-sync", "pm-sync-2")
    old = {service: before.id_of(service) for service in services}
    check_out_over(before.directory)

    async with flowing(its_system) as traffic:
        await asyncio.to_thread(before.run, "deploy/upgrade")

    assert [service for service in services if before.id_of(service) == old[service]] == []
    assert {before.status()[service] for service in services} == {"healthy"}
    assert traffic.refused == []
    assert (traffic.lost(), traffic.seen_twice(), traffic.resets) == ([], [], 0)
    assert await traffic.gaps() == []
