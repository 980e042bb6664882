"""From a clean checkout to the first routed text, all of it through the gateway."""

import json
import subprocess
import time
from http import HTTPStatus

import httpx
import pytest

from tests.deploy.conftest import Compose
from tests.e2e.conftest import System
from tests.e2e.test_one_message import ELM_PATIENT, new_sid, next_about, sms_id, started

AT_ONCE_SECONDS = 10
"""A gateway that buffers would hold one event back until many more had come."""
SERVICES = ("ingest", "router", "notifier", "pm-sync")


def test_everything_is_healthy_and_the_jobs_are_done(compose: Compose) -> None:
    status = compose.status()

    assert {status[name] for name in (*SERVICES, "gateway", "kafka", "postgres")} == {"healthy"}
    assert {status[name] for name in ("migrate", "topics", "issuer")} == {"exited 0"}


async def test_a_signed_text_reaches_a_staff_stream_at_once(system: System) -> None:
    sid = new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        (answer,) = await system.text(system.patient(ELM_PATIENT)["phone"], sid=sid)
        answered_at = time.perf_counter()
        message = await next_about(iterator, "message", sms_id(system, sid))

    assert answer.status_code == HTTPStatus.OK
    assert json.loads(message.data)["location"]["id"] == "elm"
    assert time.perf_counter() - answered_at < AT_ONCE_SECONDS


async def test_a_text_with_a_wrong_signature_is_refused(system: System) -> None:
    (answer,) = await system.text(system.patient(ELM_PATIENT)["phone"], signed_with="0" * 32)

    assert answer.status_code == HTTPStatus.FORBIDDEN


def test_the_issuer_of_a_trial_gives_tokens_that_the_services_accept(compose: Compose) -> None:
    arguments = ("--practice", "maple-street", "--staff", "fay-front")
    token = compose("run", "--rm", "-T", "issuer", "token", *arguments).stdout.strip()

    answer = httpx.get(f"{compose.base_url}/v1/inboxes", headers={"Authorization": f"Bearer {token}"}, timeout=10)

    assert answer.status_code == HTTPStatus.OK


@pytest.mark.parametrize("path", ["/metrics", "/health/ready", "/v1/unknown", "/docs", "/openapi.json"])
def test_what_no_service_offers_is_not_passed_on(compose: Compose, path: str) -> None:
    answer = httpx.get(compose.base_url + path, timeout=10)

    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_service_runs_as_nobody_in_particular_without_tools_to_build_or_to_write_with(compose: Compose) -> None:
    probe = "id -u; command -v gcc cc java uv; touch /opt/switchboard/x; touch /x; ls /run/secrets"
    done = compose("exec", "-T", "router", "sh", "-c", probe, check=False)

    assert done.stdout.splitlines() == ["10001", "router_dsn", "router_kafka"]
    assert done.stderr.count("cannot touch") == 2


def test_a_service_logs_in_as_itself_and_never_as_the_owner(compose: Compose) -> None:
    query = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE 'switchboard-%' ORDER BY 1"
    psql = ("psql", "--username", "switchboard", "--tuples-only", "--no-align", "--command", query)

    logins = compose("exec", "-T", "postgres", *psql).stdout.split()

    assert set(logins) <= {f"switchboard_{service.replace('-', '_')}" for service in SERVICES}
    assert logins


def test_a_service_sees_nothing_of_kafka_that_is_not_its_business(compose: Compose) -> None:
    told = compose("exec", "-T", "ingest", "switchboard", "dlq", "list", check=False)

    assert told.returncode == 1
    assert "staff-notifications-dlq" in told.stderr
    assert "patients-dlq" not in told.stderr


def test_a_service_that_is_told_to_stop_ends_by_itself_in_time(compose: Compose) -> None:
    compose("stop", "--timeout", "30", "pm-sync")
    state = subprocess.run(  # noqa: S603
        ["docker", "inspect", "--format", "{{.State.ExitCode}}", compose.id_of("pm-sync")],  # noqa: S607
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    compose("up", "--wait", "pm-sync")

    assert state.stdout.strip() == "0"
