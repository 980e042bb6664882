"""Prometheus of the profile `observability`: it reads the services, and its rules do what they say."""

import json
import time

from tests.deploy.conftest import Compose

RULES = "/etc/prometheus/rules"
SCRAPED_SECONDS = 60


def test_the_rules_fire_when_they_must_and_not_otherwise(compose: Compose) -> None:
    done = compose(
        "run",
        "--rm",
        "-T",
        "--no-deps",
        "--entrypoint",
        "promtool",
        "prometheus",
        "test",
        "rules",
        f"{RULES}/tests.yml",
    )

    assert "SUCCESS" in done.stdout


def test_prometheus_reads_every_service(compose: Compose) -> None:
    compose("up", "--detach", "--wait", "prometheus")
    try:
        deadline = time.monotonic() + SCRAPED_SECONDS
        services: set[str] = set()
        while len(services) < 4 and time.monotonic() < deadline:
            asked = ("promtool", "query", "instant", "--format", "json", "http://127.0.0.1:9090", "up == 1")
            answer = json.loads(compose("exec", "-T", "prometheus", *asked).stdout)
            services = {one["metric"]["service"] for one in answer}
    finally:
        compose("rm", "--stop", "--force", "prometheus")

    assert services == {"ingest", "router", "notifier", "pm-sync"}
