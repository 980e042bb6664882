"""A NUL in each place of a request where text may stand: refused, or kept as U+FFFD, and never a failure of ours."""

import json
import re
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import System

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
NUL = "a\0b"
CONNECTION = {"kind": "csv", "time_zone": "America/Chicago"}
FHIR = {"kind": "fhir-r4", "time_zone": "America/Chicago", "base_url": "https://fhir.invalid/r4"}
CHANNEL = {
    "kind": "twilio_voice",
    "number": "+13125550199",
    "public_url": "https://practice.invalid",
    "account_sid": "AC" + "0" * 32,
    "auth_token": "0" * 32,
}
PUSH = {"endpoint": "https://push.invalid/1"}
BODIES: list[tuple[str, str, object]] = [
    ("POST", "/v1/notifications/seen", {"notification_ids": [NUL]}),
    ("POST", "/v1/search", {"words": NUL}),
    ("POST", "/v1/search", {"words": "a", "cursor": NUL}),
    ("POST", "/v1/search/patients", {"words": NUL}),
    ("POST", "/v1/search/patients", {"patient_ids": [NUL]}),
    ("POST", "/v1/reply-templates", {"title": NUL, "body": "b"}),
    ("POST", "/v1/reply-templates", {"title": "t", "body": NUL}),
    ("POST", "/v1/webhook-endpoints", {"url": "https://a.invalid", "events": ["message.created"], "description": NUL}),
    ("PUT", "/v1/notification-preferences", {"time_zone": NUL}),
    ("PUT", "/v1/notification-preferences", {"email": {"inboxes": [NUL]}}),
    ("PUT", "/v1/duty", {"time_zone": NUL}),
    ("POST", "/v1/push-subscriptions", {**PUSH, "keys": {"p256dh": NUL, "auth": NUL}}),
    ("POST", "/v1/operations/dead-letters/replay", {"topic": "patient-messages", "positions": [NUL]}),
    ("PUT", "/v1/practices/{practice_id}/channels/nul", CHANNEL | {"greeting": NUL}),
    ("PUT", "/v1/practices/{practice_id}/profile", {"name": NUL}),
    ("POST", "/v1/practices/{practice_id}/pm-connections", CONNECTION | {"columns": {"start": NUL}}),
    ("POST", "/v1/practices/{practice_id}/pm-connections", CONNECTION | {"time_zone": NUL}),
    ("POST", "/v1/practices/{practice_id}/pm-connections", FHIR | {"locations": [NUL]}),
    ("POST", "/v1/practices/{practice_id}/pm-connections", FHIR | {"base_url": f"https://fhir.invalid/{NUL}"}),
    ("PUT", "/v1/practices/{practice_id}/routing-settings", {"reasons": [{"reason_id": "r", "label": {"en": NUL}}]}),
]
"""Each with one NUL, in a place that no pattern guards."""


def test_a_body_with_a_nul_is_answered(system: System, administrator: httpx.Client) -> None:
    practice_id = system.told["other_practice"]["practice_id"]
    failed = []
    for method, path, body in BODIES:
        address = path.format(practice_id=practice_id)
        answer = administrator.request(method, address, json=body, headers={"If-Match": "*"})
        if answer.is_server_error:
            failed.append((method, path, body, answer.status_code))

    assert failed == []


def test_an_address_with_a_nul_is_answered(system: System, administrator: httpx.Client) -> None:
    practice_id = system.told["other_practice"]["practice_id"]
    failed = []
    for contract in sorted((ROOT / "docs/contracts").glob("openapi-*.json")):
        for path, operations in json.loads(contract.read_text("utf-8"))["paths"].items():
            for method, operation in operations.items():
                known = path.replace("{practice_id}", practice_id)
                queries = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
                paths = {re.sub(r"\{\w+\}", "a%00b", known), re.sub(r"\{\w+\}", "a%00b", path)} - {path}
                filled = re.sub(r"\{\w+\}", "a", known)
                for address in [*paths, *(f"{filled}?{name}=a%00b" for name in queries)]:
                    with administrator.stream(method.upper(), address) as answer:
                        if answer.is_server_error:
                            failed.append((method, address, answer.status_code))

    assert failed == []
