"""The manifests that repeat what is said elsewhere: Strimzi's topics and users, the alerts, the gateway's configuration."""

from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from switchboard_cli.access import SERVICES as USERS
from switchboard_cli.access import Kind, user_of, wanted_access
from switchboard_cli.topics import WantedTopic, wanted_topics

ROOT = Path(__file__).resolve().parents[1]
KUBERNETES = ROOT / "deploy/kubernetes"
CLUSTER = {"strimzi.io/cluster": "switchboard"}
PARTITIONS = 24
REPLICAS = 3
SERVICES = ("ingest", "router", "notifier", "pm-sync")
_HEAD = "# Written by `just contracts`.\n"


def manifests() -> dict[Path, str]:
    """Every generated manifest with its text."""
    strimzi, monitoring = KUBERNETES / "strimzi", KUBERNETES / "components/monitoring"
    return {
        strimzi / "topics.yaml": _documents([_topic(topic) for topic in wanted_topics(PARTITIONS)]),
        strimzi / "users.yaml": _documents([_user(user_of(service)) for service in USERS]),
        monitoring / "prometheus-rule.yaml": _documents([_rules()]),
        KUBERNETES / "base/nginx.conf": _gateway((ROOT / "deploy/gateway/nginx.conf").read_text("utf-8")),
    }


def _topic(topic: WantedTopic) -> dict[str, Any]:
    return {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaTopic",
        "metadata": {"name": topic.name, "labels": CLUSTER},
        "spec": {
            "partitions": topic.partitions,
            "replicas": REPLICAS,
            "config": topic.configuration | {"min.insync.replicas": REPLICAS - 1},
        },
    }


def _user(user: str) -> dict[str, Any]:
    rules = [
        {
            "resource": {
                "type": rule.kind.name.lower(),
                "name": rule.name,
                "patternType": "prefix" if rule.kind is Kind.GROUP else "literal",
            },
            "operations": [rule.operation.name.capitalize(), "Describe"],
        }
        for rule in wanted_access()
        if rule.user == user
    ]
    return {
        "apiVersion": "kafka.strimzi.io/v1beta2",
        "kind": "KafkaUser",
        "metadata": {"name": user, "labels": CLUSTER},
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": rules},
        },
    }


def _rules() -> dict[str, Any]:
    rules = YAML(typ="safe").load(ROOT / "deploy/observability/rules/switchboard.yml")
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "switchboard"},
        "spec": rules,
    }


def _gateway(compose: str) -> str:
    """A Service keeps its address, so names are looked up once, by the pod's own resolver, which knows the namespace."""
    start = compose.index("    # A container that was replaced")
    end = compose.index("\n\n", start)
    upstreams = "\n".join(f"    upstream {name} {{ server {name}:8000; }}" for name in SERVICES)
    text = f"{compose[:start]}{upstreams}{compose[end:]}"
    return _HEAD + text.replace("proxy_pass http://$service:8000;", "proxy_pass http://$service;")


def _documents(documents: list[dict[str, Any]]) -> str:
    writer = YAML(typ="safe")
    writer.default_flow_style = False
    writer.width = 4096
    text = StringIO()
    writer.dump_all(documents, text)
    return _HEAD + text.getvalue()
