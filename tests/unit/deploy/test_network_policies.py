"""Who may talk on Kubernetes. Not every cluster enforces policies, so that nobody is forgotten is seen here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

KUBERNETES = Path(__file__).resolve().parents[3] / "deploy/kubernetes"
SERVICES = {"ingest", "router", "notifier", "pm-sync"}
NAME = "app.kubernetes.io/name"


def documents(folder: str) -> Iterator[dict[str, Any]]:
    for path in sorted((KUBERNETES / folder).rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from filter(None, YAML(typ="safe").load_all(path))


def pods_of_ours() -> set[str]:
    """The names of all pods that run our image: nothing of theirs works without PostgreSQL or Kafka."""
    found = set()
    for document in (*documents("base"), *documents("components")):
        spec = document.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
        containers = template.get("spec", {}).get("containers", [])
        if any(container["image"] == "switchboard" for container in containers):
            found.add(template["metadata"]["labels"][NAME])
    return found - {"service"} | SERVICES  # each service is this one with its own name


def chosen_by(policy: str) -> set[str]:
    """The names of the pods that a policy is about."""
    (found,) = (
        one for one in documents("base") if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == policy
    )
    (expression,) = found["spec"]["podSelector"]["matchExpressions"]
    assert (expression["key"], expression["operator"]) == (NAME, "In")
    return set(expression["values"])


def test_every_pod_of_ours_reaches_kafka_and_postgresql() -> None:
    assert chosen_by("services-outwards") == pods_of_ours()
    assert {"migrate", "topics", "tools", "erasures", "backup"} <= pods_of_ours()


def test_only_services_are_asked_by_others() -> None:
    assert chosen_by("services") == SERVICES
