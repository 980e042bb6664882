"""The overlay, applied: ready, restricted, and a text reaches a staff stream."""

import json
from http import HTTPStatus

from tests.e2e.conftest import System
from tests.e2e.test_one_message import ELM_PATIENT, new_sid, next_about, sms_id, started
from tests.kubernetes.conftest import Cluster

NOBODY = "pt-of-nobody"
"""No other test misses this patient."""


def test_the_doctor_finds_the_installation_in_order(cluster: Cluster, system: System) -> None:
    findings = json.loads(cluster.kubectl("exec", "deploy/tools", "--", "switchboard", "doctor", "--json").stdout)

    assert [finding for finding in findings if finding["status"] != "ok"] == []
    assert f"pm connection {system.told['practice_id']}/maple-pm" in {finding["check"] for finding in findings}


async def test_a_signed_text_reaches_a_staff_stream(system: System) -> None:
    sid = new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        (answer,) = await system.text(system.patient(ELM_PATIENT)["phone"], sid=sid)
        message = await next_about(iterator, "message", sms_id(system, sid))

    assert answer.status_code == HTTPStatus.OK
    assert json.loads(message.data)["location"]["id"] == "elm"


def test_the_namespace_takes_no_pod_that_is_not_restricted(cluster: Cluster) -> None:
    done = cluster.kubectl("run", "loose", "--image=nginx:1.28", "--dry-run=server", check=False)

    assert done.returncode != 0
    assert 'violates PodSecurity "restricted' in done.stderr


def test_a_service_sees_only_its_own_secrets_and_writes_nowhere(cluster: Cluster) -> None:
    probe = "id -u; touch /x /opt/switchboard/x; ls /etc/switchboard; ls /var/run/secrets/kubernetes.io"
    done = cluster.kubectl("exec", "deploy/router", "--", "sh", "-c", probe, check=False)

    assert done.stdout.split() == ["10001", "kafka_password", "postgres_dsn"]
    assert done.stderr.count("Read-only file system") == 2


async def test_what_an_administrator_asked_for_is_erased_by_the_timer(cluster: Cluster, system: System) -> None:
    path = f"/v1/practices/{system.told['practice_id']}/erasures"
    async with system.client(system.token("ada-admin")) as http:
        asked = await http.put(f"{path}/{NOBODY}")
        cluster.kubectl("create", "job", "--from=cronjob/erasures", "now")
        cluster.kubectl("wait", "--for=condition=complete", "job/now", "--timeout=120s")
        (row,) = (row for row in (await http.get(path)).raise_for_status().json() if row["patient_id"] == NOBODY)

    assert asked.status_code == HTTPStatus.ACCEPTED
    assert (row["done_at"] is not None, row["waits_for"]) == (True, None)
    assert f"{NOBODY}: erased" in cluster.kubectl("logs", "job/now").stdout
