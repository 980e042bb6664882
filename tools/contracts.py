"""Writes the generated contracts, or says where they differ from the code: `python -m tools.contracts [--check]`.

JSON Schemas of all events go to shared/schemas/json, OpenAPI and AsyncAPI documents of the services to docs/contracts, the
list of metrics to docs/metrics.md, what Kubernetes' manifests repeat to deploy/kubernetes, the clients' types to clients.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from fastapi import FastAPI
from faststream.specification import AsyncAPI

import ingest.app
import notifier.app
import pm_sync.app
import router.app
from notifier.handlers import Handlers as NotifierHandlers
from router.handlers import Handlers as RouterHandlers
from shared_messaging import Engine, KafkaConnection, Publisher, Subscription
from shared_schemas.json_schemas import file_name, schema_text
from shared_schemas.topics import EVENT_TYPES
from shared_web.settings import ServiceSettings
from tools.client_types import python_types, typescript_types
from tools.manifests import manifests
from tools.metrics import documented

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "shared/schemas/json"
CONTRACTS = ROOT / "docs/contracts"
CLIENTS = ROOT / "clients"


def main() -> int:
    """Write everything; with --check write nothing, and return 1 when something differs."""
    wanted = contracts()
    strays = {path for folder in (SCHEMAS, CONTRACTS) for path in folder.glob("*.json")} - wanted.keys()
    differing = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in sys.argv:
        for path in [*differing, *strays]:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what the code says: run `just contracts`\n")
        return 1 if differing or strays else 0
    for path in strays:
        path.unlink()
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], "utf-8")
    sys.stdout.write(f"{len(wanted)} contracts, {len(differing)} changed, {len(strays)} removed\n")
    return 0


def contracts() -> dict[Path, str]:
    """Every generated file with its text."""
    found = (
        documented() | manifests() | {SCHEMAS / file_name(event): schema_text(event) for event in EVENT_TYPES.values()}
    )
    for name, app in apps().items():
        found[CONTRACTS / f"openapi-{name}.json"] = _text(app.openapi())
    for name, subscriptions in _subscriptions().items():
        found[CONTRACTS / f"asyncapi-{name}.json"] = _async_api(name, subscriptions)
    found[CLIENTS / "python/src/switchboard_client/types.py"] = python_types()
    found[CLIENTS / "typescript/types.d.ts"] = typescript_types()
    return found


def apps() -> dict[str, FastAPI]:
    """The services as they are made, connected to nothing."""
    nowhere = {"kafka_bootstrap_servers": "localhost", "postgres_dsn": "postgresql://", "jwks": "", "jwt_issuer": ""}

    def settings(kind: type[ServiceSettings]) -> ServiceSettings:
        return kind.model_validate(nowhere)

    return {
        "ingest": ingest.app.create_app(cast("ingest.app.Settings", settings(ingest.app.Settings))),
        "router": router.app.create_app(cast("router.app.Settings", settings(router.app.Settings))),
        "notifier": notifier.app.create_app(cast("notifier.app.Settings", settings(notifier.app.Settings))),
        "pm-sync": pm_sync.app.create_app(cast("pm_sync.app.Settings", settings(pm_sync.app.Settings))),
    }


def _subscriptions() -> dict[str, list[Subscription]]:
    def clock() -> datetime:
        return datetime.now(UTC)

    return {
        "ingest": ingest.app.subscriptions(),
        "router": router.app.subscriptions(RouterHandlers(clock)),
        "notifier": notifier.app.subscriptions(NotifierHandlers(clock)),
    }


def _async_api(name: str, subscriptions: list[Subscription]) -> str:
    kafka = KafkaConnection("kafka:9092", name)
    engine = Engine(
        name, subscriptions, kafka=kafka, pool=None, publisher=Publisher(kafka), on_stopped=lambda _reason: None
    )
    document = AsyncAPI(engine.broker, title=f"Switchboard {name}", version="1", schema_version="3.0.0")
    return _text(json.loads(document.to_specification().to_json()))


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main())
