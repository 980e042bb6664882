"""A backup, the loss of the namespace, and the way back, as docs/guides/backup.md says."""

import json
from http import HTTPStatus

from tests.e2e.conftest import System
from tests.e2e.test_one_message import ELM_PATIENT, events_until, new_sid, next_about, sms_id, started
from tests.kubernetes.conftest import NEW, Cluster, run, until_forwarded

BACKUP = "kubectl -n switchboard exec deploy/tools -- switchboard backup - >backup.tar"
STOP = """
kubectl -n switchboard scale deployment ingest router notifier pm-sync --replicas 0
kubectl -n switchboard wait --for=delete pod -l 'app.kubernetes.io/name in (ingest,router,notifier,pm-sync)' --timeout=2m
"""
RESTORE = "kubectl -n switchboard exec --stdin deploy/tools -- switchboard restore - <backup.tar"


async def test_a_restored_namespace_knows_what_it_knew_and_goes_on(cluster: Cluster, system: System) -> None:
    phone, sid, later = system.patient(ELM_PATIENT)["phone"], new_sid(), new_sid()
    cluster.apply(NEW)
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(phone, sid=sid)
        told = await next_about(iterator, "message", sms_id(system, sid))

    run("sh", "-ec", BACKUP, directory=cluster.directory)
    names = run("tar", "-tf", "backup.tar", directory=cluster.directory).stdout.split()
    over_data = run("sh", "-ec", RESTORE, directory=cluster.directory, check=False)
    cluster.remove()
    cluster.begin(NEW)
    run("sh", "-ec", STOP, directory=cluster.directory)
    run("sh", "-ec", RESTORE, directory=cluster.directory)
    cluster.apply(NEW)
    until_forwarded(cluster.base_url)

    async with system.client(system.token("ada-admin")) as http:
        path = f"/v1/practices/{system.told['practice_id']}/decisions"
        known = await http.get(f"{path}/{sms_id(system, sid)}")
    async with system.stream(system.token("fay-front"), after=told.id) as events:
        await system.text(phone, sid=sid)
        await system.text(phone, sid=later)
        seen = await events_until(events, "message", sms_id(system, later))

    assert names[-1] == "complete"
    assert (over_data.returncode, "there is data already" in over_data.stderr) == (1, True)
    assert known.status_code == HTTPStatus.OK
    about = [json.loads(event.data)["message_id"] for event in seen if event.event == "message"]
    assert about == [sms_id(system, later)]
