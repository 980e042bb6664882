"""A backup, the loss of the namespace, and the way back, as docs/guides/backup.md says."""

from tests.deploy.restoring import known_afterwards
from tests.e2e.conftest import System
from tests.kubernetes.conftest import NEW, Cluster, run, until_forwarded

BACKUP = "kubectl -n switchboard exec deploy/tools -- switchboard backup - >backup.tar"
STOP = """
kubectl -n switchboard scale deployment ingest router notifier pm-sync --replicas 0
kubectl -n switchboard wait --for=delete pod -l 'app.kubernetes.io/name in (ingest,router,notifier,pm-sync)' --timeout=2m
"""
RESTORE = "kubectl -n switchboard exec --stdin deploy/tools -- switchboard restore - <backup.tar"


async def test_a_restored_namespace_knows_what_it_knew_and_goes_on(cluster: Cluster, system: System) -> None:
    cluster.apply(NEW)
    async with known_afterwards(system):
        run("sh", "-ec", BACKUP, directory=cluster.directory)
        names = run("tar", "-tf", "backup.tar", directory=cluster.directory).stdout.split()
        over_data = run("sh", "-ec", RESTORE, directory=cluster.directory, check=False)
        cluster.remove()
        cluster.begin(NEW)
        run("sh", "-ec", STOP, directory=cluster.directory)
        run("sh", "-ec", RESTORE, directory=cluster.directory)
        cluster.apply(NEW)
        until_forwarded(cluster.base_url)

    assert names[-1] == "complete"
    assert (over_data.returncode, "there is data already" in over_data.stderr) == (1, True)
