"""Duty times by the API: who may set them, what is refused, and what they change for a person who is off duty."""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from tests.integration.notifier.conftest import NURSES, Notifier
from tests.integration.notifier.test_streams import stream, until

AWAY: dict[str, Any] = {"away": [{"first": "2026-01-01", "last": "2126-01-01"}]}


async def test_people_set_their_own_times_and_administrators_everybodys(notifier: Notifier) -> None:
    async with notifier.http("nia") as nia, notifier.http("ada") as ada:
        ladder = f"/v1/practices/{notifier.practice_id}/escalation"
        steps = {"steps": [{"after_minutes": 15, "ring": "administrators"}]}
        answers = {
            "own": await nia.put("/v1/duty/nia", json=AWAY | {"substitute": "fay"}),
            "a colleague's": await nia.put("/v1/duty/fay", json=AWAY),
            "the practice's": await nia.put("/v1/duty", json={}),
            "the ladder": await nia.put(ladder, json=steps),
            "by ada": await ada.put("/v1/duty/fay", json={"shifts": None}),
            "practice's by ada": await ada.put("/v1/duty", json={"time_zone": "America/New_York"}),
            "ladder by ada": await ada.put(ladder, json=steps),
        }
        circle = await ada.put("/v1/duty/fay", json={"substitute": "nia"})
        stranger = await ada.put("/v1/duty/fay", json={"substitute": "nobody-known"})
        gone = await ada.put("/v1/duty/nobody-known", json={})
        zone = await ada.put("/v1/duty", json={"time_zone": "Mars/Olympus"})
        duty, kept = (await nia.get("/v1/duty")).json(), (await ada.get(ladder)).json()

    assert {name: one.status_code for name, one in answers.items()} == {
        "own": HTTPStatus.NO_CONTENT, "a colleague's": HTTPStatus.FORBIDDEN, "the practice's": HTTPStatus.FORBIDDEN,
        "the ladder": HTTPStatus.FORBIDDEN, "by ada": HTTPStatus.NO_CONTENT,
        "practice's by ada": HTTPStatus.NO_CONTENT, "ladder by ada": HTTPStatus.NO_CONTENT,
    }  # fmt: skip
    assert circle.status_code == stranger.status_code == zone.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert gone.status_code == HTTPStatus.NOT_FOUND
    assert "circle" in circle.json()["detail"]
    assert duty["hours"]["time_zone"] == "America/New_York"
    assert duty["people"]["nia"]["substitute"] == "fay"
    assert duty["people"]["fay"]["substitute"] is None
    assert kept == steps | {"through_quiet_hours": False}


async def test_who_is_off_duty_sees_a_message_and_is_not_rung_but_the_substitute_is(notifier: Notifier) -> None:
    async with (
        stream(notifier, "nia") as off_duty,
        stream(notifier, "fay") as substitute,
        notifier.http("nia") as nia,
    ):
        await until(off_duty, "snapshot")
        await until(substitute, "snapshot")
        await nia.put("/v1/duty/nia", json=AWAY | {"substitute": "fay"})
        _, changed = await until(substitute, "duty")
        message = notifier.message("pt-1", NURSES, "nia")
        await notifier.happens(message.model_copy(update={"received_at": datetime.now(UTC)}))
        _, notification = await until(off_duty, "notification")
        _, escalation = await until(substitute, "escalation")
        practice = (await nia.get("/v1/practice")).json()

    assert json.loads(changed.data)["on_duty"] == practice["duty"]["on_duty"] == ["ada", "fay"]
    assert json.loads(notification.data)["rings"] is False
    assert [step["staff_ids"] for step in json.loads(escalation.data)["steps"]] == [["fay"]]
