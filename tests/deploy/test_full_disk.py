"""The disk of PostgreSQL, of Kafka, or of both is full for a while: what was accepted comes, the rest is answered 503, and
once there is room everything goes on by itself."""

import asyncio
import json
from collections.abc import Generator
from dataclasses import dataclass

import pytest

from tests.deploy.conftest import Compose, brought_up, check_out, seeded_system
from tests.deploy.traffic import Traffic, flowing
from tests.e2e.conftest import System

SERVICES = ("ingest", "router", "notifier", "pm-sync")
BEFORE_SECONDS = 3
FULL_SECONDS = 20
BACK_SECONDS = 180
MOST_LOG_FILES = 25
"""Of 16 MB each: more have no room."""
FILES = "docker-compose.yml:deploy/trial.compose.yml:disks.compose.yml"
DISKS = """
services:
  # Has both mounted all the time: they would be empty again once nobody has.
  disks:
    image: postgres:17-trixie
    network_mode: none
    entrypoint: [sleep, infinity]
    volumes: ["kafka:/disks/kafka", "postgres:/disks/postgres"]
volumes:
  kafka: { driver_opts: { type: tmpfs, device: tmpfs, o: "size=700m,uid=1000" } }
  postgres: { driver_opts: { type: tmpfs, device: tmpfs, o: "size=400m" } }
"""


@dataclass(frozen=True, slots=True)
class Disks:
    """An installation whose PostgreSQL and Kafka each have a small disk."""

    compose: Compose
    system: System

    def fill(self, owner: str) -> None:
        """Not a byte is left, and PostgreSQL has used up the files of its log that it had made before."""
        self._shell(f"cat /dev/zero >/disks/{owner}/filler", check=False)
        if owner == "postgres":
            begin_a_file = "SELECT pg_logical_emit_message(false, 'test', 'full'), pg_switch_wal()"
            psql = ("psql", "--username", "switchboard", "--command", begin_a_file)
            for _ in range(MOST_LOG_FILES):
                if self.compose("exec", "-T", "postgres", *psql, check=False).returncode:
                    return
            pytest.fail("PostgreSQL has room on a full disk")

    def make_room(self, owner: str) -> None:
        self._shell(f"rm /disks/{owner}/filler")

    def starts(self) -> dict[str, str]:
        """When each service's process began."""
        ids = [self.compose.id_of(service) for service in SERVICES]
        shown = self.compose.run("docker", "inspect", "--format", "{{.State.StartedAt}}", *ids).stdout.split()
        return dict(zip(SERVICES, shown, strict=True))

    def failures(self) -> set[str]:
        """What the doctor says is wrong."""
        findings = json.loads(self.compose.operate("doctor", "--json").stdout)
        return {finding["check"] for finding in findings if finding["status"] == "failure"}

    def _shell(self, command: str, *, check: bool = True) -> None:
        self.compose("exec", "-T", "disks", "sh", "-c", command, check=check)


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Generator[Disks]:
    directory = tmp_path_factory.mktemp("disks")
    check_out(directory)
    (directory / "disks.compose.yml").write_text(DISKS, "utf-8")
    with brought_up(directory, "disks", COMPOSE_FILE=FILES) as installation:
        yield Disks(installation, seeded_system(installation))


@pytest.mark.parametrize("full", [("kafka",), ("postgres",), ("kafka", "postgres")], ids="-".join)
async def test_what_is_accepted_while_a_disk_is_full_comes_and_the_rest_is_answered_503(
    disks: Disks, full: tuple[str, ...]
) -> None:
    starts = disks.starts()
    async with flowing(disks.system) as traffic:
        await asyncio.sleep(BEFORE_SECONDS)
        for owner in full:
            await asyncio.to_thread(disks.fill, owner)
        await asyncio.sleep(FULL_SECONDS)
        failures = await asyncio.to_thread(disks.failures)
        accepted = len(traffic.accepted)
        await asyncio.sleep(BEFORE_SECONDS)
        accepted_while_full = len(traffic.accepted) - accepted
        for owner in full:
            await asyncio.to_thread(disks.make_room, owner)
        await _until_all_is_well(disks)
        await asyncio.sleep(BEFORE_SECONDS)

    assert set(full) <= failures
    assert (accepted_while_full == 0) is ("postgres" in full)
    assert set(traffic.refused) <= {"503"}
    assert disks.starts() == starts
    _assert_nothing_is_lost(traffic)
    assert await traffic.gaps() == []


def _assert_nothing_is_lost(traffic: Traffic) -> None:
    assert traffic.accepted
    assert (traffic.given_up, traffic.lost(), traffic.seen_twice(), traffic.resets) == ([], [], [], 0)


async def _until_all_is_well(disks: Disks) -> None:
    wrong: set[str] = set()
    try:
        async with asyncio.timeout(BACK_SECONDS):
            while wrong := await asyncio.to_thread(disks.failures):  # noqa: ASYNC110 - it depends on other processes
                await asyncio.sleep(1)
    except TimeoutError:
        shown = await asyncio.to_thread(disks.compose, "logs", "--tail", "40", "kafka", "ingest", check=False)
        pytest.fail(f"still wrong {BACK_SECONDS} s after there was room: {sorted(wrong)}\n{shown.stdout}")
