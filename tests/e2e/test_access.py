"""Every endpoint of every service, called by everybody: each lets in whom its policy names, and nobody else.

The endpoints are asked from the services themselves, so one that is new is tried too.
"""

import re
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from shared_web import Callers
from shared_web.headers import ANSWER_HEADERS
from switchboard_cli.development_issuer import DevelopmentIssuer
from tests.e2e.conftest import System
from tests.e2e.test_inboxes import person, written
from tools.contracts import apps

POLICY = {endpoint: callers for app in apps().values() for endpoint, callers in app.state.policy.items()}
ENDPOINTS = sorted(one for one in POLICY if "/*/" not in one)
"""Files of pages have another address in each release, and are for everybody."""

IN, UNKNOWN, FORBIDDEN, NO_PRACTICE, AWAY = (
    "let in",
    "who are you",
    "not for you",
    "no such practice",
    "sent to sign in",
)
CALLERS = (
    "nobody",
    "forger",
    "member",
    "administrator",
    "operator",
    "neighbour",
    "neighbour-administrator",
    "emergency",
)

_STAFF = {"member": IN, "administrator": IN, "neighbour": IN, "neighbour-administrator": IN, "operator": FORBIDDEN}
"""A neighbour is let in to the neighbour's own practice."""
_ADMINISTRATORS = _STAFF | {"member": FORBIDDEN, "neighbour": FORBIDDEN}
_THIS_PRACTICE = _STAFF | {"operator": IN, "neighbour": NO_PRACTICE, "neighbour-administrator": NO_PRACTICE}
_EVERY_TOKEN = _STAFF | {"operator": IN}

EXPECTED: dict[Callers, dict[str, str]] = {
    Callers.PROVIDER: dict.fromkeys(CALLERS, FORBIDDEN),
    Callers.ADAPTER: {},
    Callers.PATIENT: {},
    Callers.STAFF_OR_PATIENT: _STAFF,
    Callers.SIGNED_IN: _EVERY_TOKEN,
    Callers.STAFF: _STAFF,
    Callers.STAFF_OR_TICKET: _STAFF,
    Callers.STAFF_ADMINISTRATOR: _ADMINISTRATORS,
    Callers.OVERSEER: _ADMINISTRATORS | {"operator": IN},
    Callers.MEMBER: _THIS_PRACTICE,
    Callers.ADMINISTRATOR: _THIS_PRACTICE | {"member": FORBIDDEN},
}
"""Who is not named is asked who they are."""

PAGES: dict[str, dict[str, str]] = {
    "GET /inbox": {**_STAFF, "nobody": AWAY, "forger": AWAY},
    "GET /console/notifications": {**_STAFF, "nobody": AWAY, "forger": AWAY},
    "GET /routing": {**_ADMINISTRATORS, "operator": IN, "nobody": AWAY, "forger": AWAY},
    "GET /operations": {**_ADMINISTRATORS, "operator": IN, "nobody": AWAY, "forger": AWAY},
    "GET /m/{slug}/messages": dict.fromkeys(CALLERS, AWAY),
    "GET /m/{slug}/reason": dict.fromkeys(CALLERS, AWAY),
    "POST /m/{slug}/reason": dict.fromkeys(CALLERS, AWAY),
    "POST /m/{slug}/messages": {},
}
"""What staff may do is nothing to a patient's session."""


BODIES: dict[str, Any] = {
    "POST /v1/conversations/{conversation_id}/seen": {"version": 1},
    "POST /v1/conversations/{conversation_id}/{action}": {},
    "PUT /v1/reply-templates/{template_id}": {"title": "Theirs", "body": "Theirs"},
    "PUT /v1/webhook-endpoints/{endpoint_id}": {"url": "https://example.org/theirs", "events": ["message"]},
    "POST /v1/webhook-endpoints/{endpoint_id}/replay": {"since": "2026-11-25T09:00:00Z"},
    "PUT /v1/duty/{staff_id}": {},
    "POST /v1/messenger/messages": {"client_message_id": "made-up", "body": "Made up"},
    "POST /v1/messenger/read": {"message_id": "made-up"},
}
"""Where the form of the request is looked at first."""


NOT_BY_TOKEN = frozenset({Callers.PROVIDER, Callers.ADAPTER, Callers.PATIENT})
NO_EMERGENCY = frozenset(
    {
        "GET /routing",
        "GET /operations",
        "GET /console/notifications",
        "GET /v1/operations",
        "GET /v1/operations/dead-letters",
    }
)


@pytest.fixture(scope="session")
def tokens(system: System, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    ours, forger = DevelopmentIssuer(system.directory / "issuer"), DevelopmentIssuer(tmp_path_factory.mktemp("forger"))
    forger.prepare()
    own, other = system.told["practice_id"], system.told["other_practice"]["practice_id"]
    return {
        "nobody": None,
        "forger": forger.token(role="administrator", practice_id=own, staff_id="ada-admin"),
        "member": ours.token(role="member", practice_id=own, staff_id="fay-front"),
        "administrator": ours.token(role="administrator", practice_id=own, staff_id="ada-admin"),
        "operator": ours.token(role="operator", practice_id=None, staff_id="an-operator"),
        "emergency": ours.token(role="emergency", practice_id=own, staff_id="a-helper", seconds=3600),
        "neighbour": ours.token(role="member", practice_id=other, staff_id="fay-front"),
        "neighbour-administrator": ours.token(role="administrator", practice_id=other, staff_id="olli-other"),
    }


def address(system: System, path: str) -> str:
    """A path with this practice in it, and otherwise what is not there: whoever is let in changes nothing."""
    channels = system.told["channels"]
    kind = re.match(r"/hooks/(\w+)/(\w+)/", path)
    known = {
        "practice_id": system.told["practice_id"],
        "slug": system.told["practice_slug"],
        "staff_id": "fay-front",
        "channel_id": channels["_".join(kind.groups())]["id"] if kind else "nothing",
        "version": "999999",
        "action": "take",
        "language": "en",
    }
    return re.sub(r"\{(\w+)\}", lambda found: str(known.get(found[1], "nothing")), path)


async def verdict(system: System, http: httpx.AsyncClient, endpoint: str, token: str | None) -> str:
    method, _, path = endpoint.partition(" ")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = BODIES.get(endpoint) if POLICY[endpoint] == Callers.PATIENT else None
    async with http.stream(method, address(system, path), headers=headers, json=body) as answer:
        assert not answer.is_server_error, answer.status_code
        assert set(map(str.lower, ANSWER_HEADERS)) <= set(answer.headers)
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return IN
        content = (await answer.aread()).decode()
        match answer.status_code:
            case HTTPStatus.UNAUTHORIZED:
                return UNKNOWN
            case HTTPStatus.FORBIDDEN:
                return FORBIDDEN
            case HTTPStatus.NOT_FOUND if "There is no such practice for you" in content:
                return NO_PRACTICE
            case HTTPStatus.SEE_OTHER:
                return AWAY
            case _:
                return IN


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if POLICY[one] != Callers.ANYBODY])
async def test_an_endpoint_lets_in_whom_its_policy_names_and_nobody_else(
    system: System, tokens: dict[str, str | None], endpoint: str
) -> None:
    expected = dict.fromkeys(CALLERS, UNKNOWN)
    expected |= PAGES[endpoint] if POLICY[endpoint] == Callers.VISITOR else EXPECTED[POLICY[endpoint]]
    if POLICY[endpoint] not in NOT_BY_TOKEN and "/m/" not in endpoint:
        is_closed = endpoint in NO_EMERGENCY or POLICY[endpoint] == Callers.STAFF_ADMINISTRATOR
        reads = endpoint.startswith("GET ") or endpoint == "POST /v1/search"
        expected["emergency"] = expected["administrator"] if reads and not is_closed else FORBIDDEN
    async with system.client() as http:
        found = {who: await verdict(system, http, endpoint, tokens[who]) for who in CALLERS}

    assert found == expected


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if POLICY[one] == Callers.ANYBODY])
async def test_what_is_for_anybody_is_about_nobody(system: System, endpoint: str) -> None:
    method, _, path = endpoint.partition(" ")
    async with system.client() as http:
        answer = await http.request(method, address(system, path))

    assert not answer.is_server_error
    assert set(map(str.lower, ANSWER_HEADERS)) <= set(answer.headers)
    assert [one["phone"] for one in system.told["patients"] if one["phone"] in answer.text] == []
    assert "McSample" not in answer.text


async def things_of(system: System) -> dict[str, str]:
    """Ids of what really is there, of the demo's practice."""
    told = await written(system, "pt-069", body="A made-up question that is nobody else's")
    async with person(system, "fay-front") as fay, person(system, "ada-admin") as ada:
        path = f"/v1/conversations/{told['conversation_id']}"
        taken = (await fay.post(f"{path}/take", json={})).raise_for_status().json()
        template = (await ada.post("/v1/reply-templates", json={"title": "Made up", "body": "Made up"})).json()
        hook = {"url": "https://example.org/ours", "events": ["settings"]}
        endpoint = (await ada.post("/v1/webhook-endpoints", json=hook)).raise_for_status().json()
    return {
        "conversation_id": told["conversation_id"],
        "message_id": told["message_id"],
        "change_id": taken["change_id"],
        "template_id": template["template_id"],
        "endpoint_id": endpoint["id"],
    }


async def test_what_is_there_is_not_there_for_a_neighbour(system: System, tokens: dict[str, str | None]) -> None:
    """The endpoints that take the practice from the token, with ids that are another practice's."""
    things = await things_of(system)
    named = [one for one in ENDPOINTS if POLICY[one] in {Callers.STAFF, Callers.STAFF_ADMINISTRATOR} and "{" in one]
    headers = {"Authorization": f"Bearer {tokens['neighbour-administrator']}"}
    found: dict[str, int] = {}
    async with system.client() as http:
        for endpoint in named:
            method, _, path = endpoint.partition(" ")
            for name, id_ in things.items():
                path = path.replace(f"{{{name}}}", id_)
            url = address(system, path)
            found[endpoint] = (await http.request(method, url, headers=headers, json=BODIES.get(endpoint))).status_code
        listed = (await http.get("/v1/reply-templates", headers=headers)).json()
    async with person(system, "ada-admin") as ada:
        kept = (await ada.get("/v1/reply-templates")).json()

    allowed = {
        "GET /v1/actions/{change_id}": HTTPStatus.ACCEPTED,
        "PUT /v1/reply-templates/{template_id}": HTTPStatus.OK,
    }
    assert found == {one: allowed.get(one, HTTPStatus.NOT_FOUND) for one in named}
    assert [one["title"] for one in kept if one["template_id"] == things["template_id"]] == ["Made up"]
    assert {one["title"] for one in listed} <= {"Theirs"}


def test_the_development_issuers_key_is_its_owners_alone(system: System) -> None:
    key = system.directory / "issuer" / "issuer-key.json"

    assert key.stat().st_mode & 0o077 == 0
