"""A backup, the loss of everything, and the way back, as docs/guides/backup.md says."""

import json
from http import HTTPStatus

from tests.deploy.conftest import Compose
from tests.e2e.conftest import System
from tests.e2e.test_one_message import ELM_PATIENT, events_until, new_sid, next_about, sms_id, started

DATA = ("attachments", "kafka", "postgres")


async def test_a_restored_installation_knows_what_it_knew_and_goes_on(compose: Compose, system: System) -> None:
    phone, sid, later = system.patient(ELM_PATIENT)["phone"], new_sid(), new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(phone, sid=sid)
        told = await next_about(iterator, "message", sms_id(system, sid))

    compose.run("deploy/backup", "backup.tar")
    compose("down", "--timeout", "20")
    compose.run("docker", "volume", "rm", *(f"{compose.project}_{name}" for name in DATA))
    compose.run("deploy/restore", "backup.tar")

    async with system.client(system.token("ada-admin")) as http:
        path = f"/v1/practices/{system.told['practice_id']}/decisions"
        known = await http.get(f"{path}/{sms_id(system, sid)}")
    async with system.stream(system.token("fay-front"), after=told.id) as events:
        await system.text(phone, sid=sid)
        await system.text(phone, sid=later)
        seen = await events_until(events, "message", sms_id(system, later))

    assert known.status_code == HTTPStatus.OK
    about = [json.loads(event.data)["message_id"] for event in seen if event.event == "message"]
    assert about == [sms_id(system, later)]


def test_a_backup_is_not_restored_over_data(compose: Compose, system: System) -> None:
    del system
    compose.run("deploy/backup", "unused.tar")

    done = compose.run("deploy/restore", "unused.tar", check=False)

    assert (done.returncode, "there is data already" in done.stderr) == (1, True)
