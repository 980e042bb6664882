"""Alerts, dashboards and runbooks against the metrics that the code declares, and against each other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tools.metrics import declared, used_in

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "deploy/observability/rules/switchboard.yml"
DASHBOARDS = sorted((ROOT / "deploy/observability/grafana/dashboards").glob("*.json"))
RUNBOOKS = ROOT / "docs/runbooks"


def yaml(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(path)
    return content


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml(RULES)["groups"] for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("file", [RULES, *DASHBOARDS], ids=lambda path: path.name)
def test_every_metric_that_is_asked_for_exists(file: Path) -> None:
    series = {name for metric in declared() for name in metric.series}

    assert used_in(file.read_text("utf-8")) <= series


def test_every_recorded_series_that_is_asked_for_is_recorded() -> None:
    text = RULES.read_text("utf-8")

    assert set(re.findall(r"switchboard:[\w:]+", text)) == set(re.findall(r"record: (\S+)", text))


def test_every_alert_has_a_summary_a_severity_and_a_runbook() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["annotations"]["summary"]
        assert (ROOT / alert["annotations"]["runbook"]).is_file(), alert["alert"]


def test_every_runbook_is_in_the_index_and_every_alert_with_its_severity() -> None:
    index = (RUNBOOKS / "README.md").read_text("utf-8")

    assert {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"} == set(
        re.findall(r"\]\(([\w-]+\.md)\)", index)
    )
    assert {(alert["alert"], alert["labels"]["severity"]) for alert in alerts()} == {
        *re.findall(r"^\| (\w+) \| (page|ticket)", index, re.MULTILINE),
        ("DeadLetters", "ticket"),
    }


def test_every_alert_is_tried_firing_and_silent() -> None:
    tried = {
        (test["alert_rule_test"][0]["alertname"], bool(test["alert_rule_test"][0]["exp_alerts"]))
        for test in yaml(RULES.with_name("tests.yml"))["tests"]
    }

    assert tried == {(alert["alert"], fires) for alert in alerts() for fires in (True, False)}


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_has_a_query_in_every_panel(file: Path) -> None:
    board = json.loads(file.read_text("utf-8"))

    assert board["panels"]
    assert all(panel["targets"] for panel in board["panels"])
