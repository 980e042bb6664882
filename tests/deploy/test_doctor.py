"""The doctor, run as docs/guides/deploy.md says."""

import json

import pytest

from tests.deploy.conftest import Compose
from tests.e2e.conftest import System

SERVICES = ("ingest", "router", "notifier", "pm-sync")
DOCTOR = ("run", "--rm", "-T", "tools", "doctor", "--json")


def test_the_doctor_finds_a_fresh_installation_in_order(compose: Compose, system: System) -> None:
    findings = json.loads(compose(*DOCTOR).stdout)

    assert {finding["status"] for finding in findings} == {"ok"}
    assert f"pm connection {system.told['practice_id']}/maple-pm" in {finding["check"] for finding in findings}


def test_the_doctor_says_that_kafka_is_gone(compose: Compose, system: System) -> None:
    del system
    compose("stop", "kafka")
    try:
        told = compose("run", "--rm", "-T", "--no-deps", "tools", "doctor", "--json", check=False)
    finally:
        compose("up", "--wait")

    failures = {finding["check"] for finding in json.loads(told.stdout) if finding["status"] == "failure"}
    # Whether a service notices at once depends on what it was doing.
    assert (told.returncode, failures - {f"service {name}" for name in SERVICES}) == (1, {"kafka"})


@pytest.mark.parametrize(("stopped", "failure"), [("router", "service router"), ("gateway", "gateway")])
def test_the_doctor_says_what_is_stopped(compose: Compose, system: System, stopped: str, failure: str) -> None:
    del system
    compose("stop", stopped)
    try:
        told = compose("run", "--rm", "-T", "--no-deps", "tools", "doctor", "--json", check=False)
    finally:
        compose("up", "--wait")

    failures = {finding["check"] for finding in json.loads(told.stdout) if finding["status"] == "failure"}
    assert (told.returncode, failures) == (1, {failure})
