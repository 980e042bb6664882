"""A moment or a day at the edge of the years that there are, in each place of a request: refused, or taken, and never a
failure of ours.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import System

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
MOMENTS = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-23:59",
    "2026-11-25T09:00:00",
)
"""The last one is of nobody's zone."""
DAYS = ("0001-01-01", "9999-12-31")


def bodies(moment: str) -> list[tuple[str, str, object]]:
    message = {"channel": "web", "received_at": moment}
    placed = message | {"location_id": "elm", "provider_id": "dr-a"}
    return [
        ("POST", "/v1/practices/{practice_id}/simulate", message),
        ("POST", "/v1/practices/{practice_id}/simulate", placed),
        ("POST", "/v1/practices/{practice_id}/what-if", {"since": moment}),
        ("POST", "/v1/practices/{practice_id}/what-if", {"since": "2026-11-25T09:00:00Z", "until": moment}),
        ("POST", "/v1/webhook-endpoints/{endpoint_id}/replay", {"since": moment}),
        ("POST", "/v1/webhook-endpoints/{endpoint_id}/replay", {"since": "2026-11-25T09:00:00Z", "until": moment}),
    ]


def filled(system: System, administrator: httpx.Client, path: str) -> str:
    hook = {"url": "https://example.org/theirs", "events": ["settings"]}
    if "{endpoint_id}" in path:
        known = administrator.get("/v1/webhook-endpoints").raise_for_status().json()
        endpoint = (
            known[0] if known else administrator.post("/v1/webhook-endpoints", json=hook).raise_for_status().json()
        )
        path = path.replace("{endpoint_id}", endpoint["id"])
    return path.replace("{practice_id}", system.told["other_practice"]["practice_id"])


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_body_with_a_moment_from_the_edge_is_answered(
    system: System, administrator: httpx.Client, moment: str
) -> None:
    failed = []
    for method, path, body in bodies(moment):
        answer = administrator.request(method, filled(system, administrator, path), json=body)
        if answer.is_server_error or answer.status_code == httpx.codes.NOT_FOUND:
            failed.append((path, body, answer.status_code))

    assert failed == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_address_with_a_moment_from_the_edge_is_answered(
    system: System, administrator: httpx.Client, moment: str
) -> None:
    tried, failed = 0, []
    for contract in sorted((ROOT / "docs/contracts").glob("openapi-*.json")):
        for path, operations in json.loads(contract.read_text("utf-8"))["paths"].items():
            for method, operation in operations.items():
                for one in operation.get("parameters", []):
                    if "date-time" in json.dumps(one):
                        address = filled(system, administrator, path)
                        answer = administrator.request(method, address, params={one["name"]: moment})
                        tried += 1
                        failed += [(method, path, answer.status_code)] if answer.is_server_error else []

    assert tried
    assert failed == []


@pytest.mark.parametrize("day", DAYS)
def test_days_from_the_edge_are_nobodys_trouble(system: System, administrator: httpx.Client, day: str) -> None:
    staff_id = system.told["other_practice"]["staff"][0]["staff_id"]
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("/v1/duty", {"time_zone": "Pacific/Kiritimati", "holidays": [day]}),
        (f"/v1/duty/{staff_id}", {"time_zone": "Pacific/Pago_Pago", "away": [{"first": day, "last": day}]}),
    ]
    answers = [administrator.put(path, json=body).status_code for path, body in wanted]
    shown = administrator.get("/v1/duty")
    for path, _ in wanted:
        administrator.put(path, json={}).raise_for_status()

    assert answers == [httpx.codes.NO_CONTENT] * 2
    assert shown.is_success


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_adapters_message_from_the_edge_is_refused(system: System, moment: str) -> None:
    message = {
        "message_id": "m", "practice_id": system.told["practice_id"], "patient_id": "pt-001", "channel": "sms",
        "provider_message_id": "p", "received_at": moment, "body": "A made-up question", "identity": "matched",
    }  # fmt: skip
    headers = {
        "Authorization": f"Bearer {system.told['adapter']['token']}",
        "ce-specversion": "1.0", "ce-type": "switchboard.MessageReceived.v1", "ce-id": "m", "ce-source": "/t",
    }  # fmt: skip
    answer = httpx.post(f"{system.base_url}/v1/messages", content=json.dumps(message), headers=headers, timeout=20)

    assert answer.is_client_error
    assert answer.headers["content-type"] == "application/problem+json"
