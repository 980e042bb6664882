"""What a staff app reads and does, on a running system: inboxes, counts, names, search, templates, actions."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import System
from tests.e2e.test_one_message import new_sid, next_about, sms_id, started

PATIENT = "pt-060"
"""Next seen at Elm Street: Fay is told."""


@asynccontextmanager
async def person(system: System, staff_id: str) -> AsyncGenerator[httpx.AsyncClient]:
    async with system.client(system.token(staff_id)) as http:
        yield http


async def written(system: System, patient_id: str = PATIENT, body: str = "A made-up question") -> dict[str, Any]:
    """A text that has been routed, as Fay's stream says it."""
    sid = new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(system.patient(patient_id)["phone"], sid=sid, body=body)
        message: dict[str, Any] = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)
        await next_about(iterator, "notification", sms_id(system, sid))
        return message


async def got(http: httpx.AsyncClient, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON
    return (await http.get(path, params=params)).raise_for_status().json()


async def listed(http: httpx.AsyncClient, conversation_id: str, **params: str) -> dict[str, Any] | None:
    """The conversation as a list has it, on whichever page."""
    cursor: str | None = None
    while True:
        page = await got(http, "/v1/conversations", **params, **({"cursor": cursor} if cursor else {}))
        for one in page["conversations"]:
            if one["conversation_id"] == conversation_id:
                return dict(one)
        cursor = page["cursor"]
        if cursor is None:
            return None


async def counts(http: httpx.AsyncClient, inbox: str) -> tuple[int, int]:
    found = {one["inbox"]: one for one in await got(http, "/v1/inboxes")}[inbox]
    return found["open"], found["unread"]


@pytest.mark.rule("M3", "D2", "V1")
async def test_a_conversation_moves_through_the_inboxes_as_staff_act(system: System) -> None:
    told = await written(system)
    path = f"/v1/conversations/{told['conversation_id']}"
    async with person(system, "fay-front") as fay, person(system, "nia-nurse") as nia:
        in_unassigned = await listed(fay, told["conversation_id"], inbox="unassigned", location="elm")
        elsewhere = await listed(fay, told["conversation_id"], inbox="unassigned", location="river")
        taken = (await fay.post(f"{path}/take", json={})).raise_for_status().json()
        assigned = await listed(fay, told["conversation_id"], inbox="assigned")
        left = await listed(fay, told["conversation_id"], inbox="unassigned")
        refused = await nia.post(f"{path}/take", json={})
        (await fay.post(f"{path}/move", json={"to": "shared_inbox:nurse-line"})).raise_for_status()
        shared = await listed(nia, told["conversation_id"], inbox="shared:nurse-line")
        filtered = await nia.get("/v1/conversations", params={"inbox": "shared:nurse-line", "reason": "other"})
        not_hers = await fay.get("/v1/conversations", params={"inbox": "shared:nurse-line"})
        (await nia.post(f"{path}/close", json={})).raise_for_status()
        closed = await listed(fay, told["conversation_id"], inbox="closed")
        reopened = await fay.post(f"{path}/reopen", json={})
        again = await fay.post(f"{path}/reopen", json={})
        back = await listed(fay, told["conversation_id"], inbox="unassigned")

    assert in_unassigned is not None
    assert in_unassigned["patient"] == {"given_name": "Testy", "family_name": "McSample-060"}
    assert in_unassigned["last_message"]["body"] == "A made-up question"
    assert in_unassigned["unread"] is True
    assert elsewhere is None
    assert taken["conversation"]["destination"] == {"kind": "member", "id": "fay-front"}
    assert assigned is not None
    assert left is None
    assert refused.status_code == HTTPStatus.CONFLICT
    assert refused.json()["detail"] == "Fay Madeup has this conversation already."
    assert shared is not None
    assert (shared["reason"], shared["location"]) == (None, None)
    assert (filtered.status_code, not_hers.status_code) == (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND)
    assert closed is not None
    assert closed["unread"] is False
    assert (reopened.status_code, again.status_code) == (HTTPStatus.OK, HTTPStatus.CONFLICT)
    assert again.json()["rejection"] == "not_closed"
    assert back is not None


async def test_unread_and_unseen_go_when_somebody_has_read_up_to_that_message(system: System) -> None:
    async with person(system, "fay-front") as fay:
        first = await written(system, "pt-015")
        path = f"/v1/conversations/{first['conversation_id']}"
        # What other tests had this patient write is no matter of ours.
        earlier = {"version": first["conversation_version"] - 1}
        (await fay.post(f"{path}/seen", json=earlier)).raise_for_status()
        before = await counts(fay, "unassigned")
        second = await written(system, "pt-015")
        stale = (await fay.post(f"{path}/seen", json={"version": first["conversation_version"]})).json()
        still = await listed(fay, first["conversation_id"], inbox="unassigned")
        newest = (await fay.post(f"{path}/seen", json={"version": second["conversation_version"]})).json()
        again = (await fay.post(f"{path}/seen", json={"version": second["conversation_version"]})).json()
        read = await listed(fay, first["conversation_id"], inbox="unassigned")
        after = await counts(fay, "unassigned")

    assert (stale["marked"], newest["marked"], again["marked"]) == (1, 1, 0)
    assert still is not None
    assert still["unread"]
    assert len(still["unseen"]) == 1
    assert read is not None
    assert not read["unread"]
    assert read["unseen"] == []
    assert after == (before[0], before[1] - 1)


async def test_patients_are_found_by_name_and_messages_by_their_words_within_the_practice(system: System) -> None:
    told = await written(system, "pt-018", body="Where is the zebra-striped entrance, please?")
    (stranger,) = system.told["other_practice"]["staff"]

    async def found(http: httpx.AsyncClient, words: str) -> list[dict[str, Any]]:
        page = (await http.post("/v1/search", json={"words": words})).raise_for_status().json()
        return list(page["conversations"])

    async with person(system, "bo-billing") as bo, system.client(stranger["token"]) as neighbour:
        by_words = await found(bo, "zebra entr")
        by_name = await found(bo, "mcsample-018")
        nothing = [await found(bo, "zebra giraffe"), await found(bo, "'); DROP TABLE --"), await found(bo, "&|!:*")]
        theirs = await found(neighbour, "zebra")
        practice = await got(bo, "/v1/practice")

    assert [one["conversation_id"] for one in by_words] == [told["conversation_id"]]
    assert by_words[0]["found"]["message_id"] == told["message_id"]
    assert [one["conversation_id"] for one in by_name] == [told["conversation_id"]]
    assert by_name[0]["found"] is None
    assert nothing == [[], [], []]
    assert theirs == []
    assert (practice["staff_id"], practice["role"]) == ("bo-billing", "member")
    assert {one["id"] for one in practice["locations"]} == {"elm", "river", "north"}


async def test_an_emergency_word_marks_the_conversation_until_it_is_answered(system: System) -> None:
    async with person(system, "fay-front") as fay:
        told = await written(system, "pt-066", body="I have chest pain")
        await written(system, "pt-066", body="And now it is my arm")
        path = f"/v1/conversations/{told['conversation_id']}"
        before = await listed(fay, told["conversation_id"], inbox="unassigned")
        (await fay.post(f"{path}/reply", json={"body": "Call 911 now, please."})).raise_for_status()
        after = await got(fay, path)
        again = await written(system, "pt-066", body="Thank you")
        later = await got(fay, path)

    assert before is not None
    assert (before["urgent"], after["urgent"], later["urgent"]) == (True, False, False)
    assert later["message_version"] == again["conversation_version"]


async def test_patients_who_never_wrote_are_found_by_name_and_id_for_the_staff_of_their_practice(
    system: System,
) -> None:
    async def found(http: httpx.AsyncClient, **asked: object) -> list[str]:
        answer = (await http.post("/v1/search/patients", json=asked)).raise_for_status()
        return [one["patient_id"] for one in answer.json()]

    (stranger,) = system.told["other_practice"]["staff"]
    async with person(system, "bo-billing") as bo, system.client(stranger["token"]) as neighbour:
        assert await found(bo, words="test mcsam 047") == ["pt-047"]
        assert await found(bo, patient_ids=["pt-046", "pt-045", "nobody"]) == ["pt-045", "pt-046"]
        assert await found(bo) == []
        assert len(await found(bo, words="testy")) == 20
        assert await found(neighbour, words="testy", patient_ids=["pt-047"]) == []


async def test_an_answer_from_a_template_is_sent_once_however_often_it_is_asked_for(system: System) -> None:
    told = await written(system, "pt-021")
    path = f"/v1/conversations/{told['conversation_id']}"
    template = {"title": "Opening hours", "body": "We are open from eight to five."}
    async with person(system, "fay-front") as fay, person(system, "ada-admin") as ada:
        refused = await fay.post("/v1/reply-templates", json=template)
        made = (await ada.post("/v1/reply-templates", json=template)).raise_for_status().json()
        wanted = {"template_id": made["template_id"]}
        headers = {"Idempotency-Key": "once"}
        answers = [await fay.post(f"{path}/reply", json=wanted, headers=headers) for _ in range(2)]
        later = await fay.get(f"/v1/actions/{answers[0].json()['change_id']}")
        thread = (await got(fay, path))["messages"]
        removed = await ada.delete(f"/v1/reply-templates/{made['template_id']}")
        gone = await fay.post(f"{path}/reply", json=wanted)
        empty = await fay.post(f"{path}/reply", json={"body": "  "})
        unread = await listed(fay, told["conversation_id"], inbox="unassigned")

    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert [answer.status_code for answer in answers] == [HTTPStatus.OK, HTTPStatus.OK]
    assert answers[0].json() == answers[1].json() == later.json()
    assert [one["body"] for one in thread if one["sender"] == "staff"] == [template["body"]]
    assert removed.status_code == HTTPStatus.NO_CONTENT
    assert gone.status_code == HTTPStatus.NOT_FOUND
    assert empty.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert unread is not None
    assert not unread["unread"]


async def test_pages_of_an_inbox_follow_each_other_without_a_gap_or_a_repetition(system: System) -> None:
    for number in range(52, 72, 3):
        await system.text(system.patient(f"pt-{number:03}")["phone"])
    await written(system)
    seen: list[str] = []
    async with person(system, "ada-admin") as ada:
        total, _ = await counts(ada, "unassigned")
        page: dict[str, Any] = {"cursor": ""}
        while page["cursor"] is not None:
            params = {"inbox": "unassigned", "limit": "2"} | ({"cursor": page["cursor"]} if page["cursor"] else {})
            page = await got(ada, "/v1/conversations", **params)
            seen += [one["conversation_id"] for one in page["conversations"]]
        broken = await ada.get("/v1/conversations", params={"cursor": "nonsense"})

    assert len(seen) == len(set(seen)) == total
    assert broken.status_code == HTTPStatus.BAD_REQUEST
