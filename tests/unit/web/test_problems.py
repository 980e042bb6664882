"""A refusal says what is wrong and where, in our words only: a name that somebody made up may be about a patient."""

import json
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Query
from pydantic import BaseModel, ConfigDict

from notifier.actions import ACTIONS, ActionBody
from router.api.settings import read_body
from shared_schemas.cloudevents import UnreadableEvent, decode
from shared_web import Problem, bounded_app

CANARY = "Madeup canary 202-555-0187"


class Place(BaseModel):
    model_config = ConfigDict(extra="forbid")
    street: str


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")
    places: list[Place]
    numbers: dict[str, int] = {}
    either: Place | int = 1


app = bounded_app("Refusals")


@app.post("/form")
async def form(form: Form, limit: Annotated[int, Query()] = 1) -> None: ...


@pytest.mark.parametrize(
    ("sent", "pointers"),
    [
        ({"places": [{"street": 1}]}, {"#/body/places/0/street"}),
        ({"places": [{"street": "A", CANARY: "x"}]}, {"#/body/places/0/*"}),
        ({"places": [], CANARY: CANARY}, {"#/body/*"}),
        ({"places": [], "numbers": {CANARY: CANARY}}, {"#/body/numbers/*"}),
        ({"places": [], "either": {CANARY: 1}}, {"#/body/either/Place/street", "#/body/either/Place/*", "#/body/either/*"}),
        ([CANARY], {"#/body"}),
    ],
)  # fmt: skip
async def test_a_refusal_names_what_the_form_names_and_nothing_else(sent: Any, pointers: set[str]) -> None:  # noqa: ANN401 - JSON
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://switchboard.test") as http:
        answer = await http.post("/form", json=sent, params={"limit": "none"})

    assert {one["pointer"] for one in answer.json()["errors"]} == pointers | {"#/query/limit"}
    assert CANARY not in answer.text


@pytest.mark.parametrize("action", ACTIONS)
def test_an_actions_refusal_repeats_no_field_that_somebody_made_up(action: str) -> None:
    with pytest.raises(Problem) as refusal:
        ActionBody.read(action, json.dumps({CANARY: CANARY}).encode())

    assert "#/*" in {one["pointer"] for one in refusal.value.extensions["errors"]}  # type: ignore[attr-defined]
    assert CANARY not in str(refusal.value.extensions)


def test_a_refusal_of_routing_settings_repeats_no_field_that_somebody_made_up() -> None:
    sent = {CANARY: 1, "practice_id": "one", "reasons": [{"id": "one", "label": {CANARY: 1}, CANARY: 1}]}
    with pytest.raises(Problem) as refusal:
        read_body("one", json.dumps(sent).encode())

    assert {"#/reasons/0/label/*", "#/reasons/0/*", "#/*"} <= {
        one["pointer"]
        for one in refusal.value.extensions["errors"]  # type: ignore[attr-defined]
    }
    assert CANARY not in str(refusal.value.extensions)


def test_what_is_said_of_an_unreadable_event_repeats_no_key_of_it() -> None:
    headers = {"ce_specversion": b"1.0", "ce_type": b"switchboard.RoutingSettingsPublished.v1"}
    sent = {"practice_id": "one", "reasons": [{"id": "one", "label": {CANARY: 1}}]}
    with pytest.raises(UnreadableEvent, match=r"reasons\.0\.label\.\*") as refusal:
        decode(headers, json.dumps(sent).encode())

    assert CANARY not in str(refusal.value)
