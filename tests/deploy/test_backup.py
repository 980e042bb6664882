"""A backup, the loss of everything, and the way back, as docs/guides/backup.md says."""

from tests.deploy.conftest import Compose
from tests.deploy.restoring import known_afterwards
from tests.e2e.conftest import System

DATA = ("attachments", "kafka", "postgres")


async def test_a_restored_installation_knows_what_it_knew_and_goes_on(compose: Compose, system: System) -> None:
    async with known_afterwards(system):
        compose.run("deploy/backup", "backup.tar")
        compose("down", "--timeout", "20")
        compose.run("docker", "volume", "rm", *(f"{compose.project}_{name}" for name in DATA))
        compose.run("deploy/restore", "backup.tar")


def test_a_backup_is_not_restored_over_data(compose: Compose, system: System) -> None:
    del system
    compose.run("deploy/backup", "unused.tar")

    done = compose.run("deploy/restore", "unused.tar", check=False)

    assert (done.returncode, "there is data already" in done.stderr) == (1, True)
