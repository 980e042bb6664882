"""What administrators and members do with the rules: try them, change them, and see what that does."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent

from tests.e2e.conftest import System
from tests.e2e.test_one_message import TOLD_SECONDS, new_sid, next_about, sms_id, started


@dataclass(frozen=True, slots=True)
class Settings:
    """Maple Street's routing settings, changed for a while."""

    http: httpx.AsyncClient
    path: str

    async def change(self, **changes: Any) -> httpx.Response:  # noqa: ANN401 - JSON
        current = await self.http.get(self.path)
        answer = await self.http.put(
            self.path, json=current.json() | changes, headers={"If-Match": current.headers["etag"]}
        )
        return answer.raise_for_status()

    async def members(self, **changes: dict[str, Any]) -> httpx.Response:
        """Change members by their ids, with _ for -."""
        current = (await self.http.get(self.path)).json()["members"]
        return await self.change(members=[one | changes.get(one["staff_id"].replace("-", "_"), {}) for one in current])


@pytest.fixture
async def settings(system: System) -> AsyncGenerator[Settings]:
    """Brought back as they were at the end."""
    path = f"/v1/practices/{system.told['practice_id']}/routing-settings"
    async with system.client(system.token("ada-admin")) as http:
        before = (await http.get(path)).json()["version"]
        yield Settings(http, path)
        now = await http.get(path)
        reverted = await http.post(f"{path}/versions/{before}/revert", headers={"If-Match": now.headers["etag"]})
        reverted.raise_for_status()


@asynccontextmanager
async def administrator(system: System) -> AsyncGenerator[tuple[httpx.AsyncClient, str]]:
    async with system.client(system.token("ada-admin")) as http:
        yield http, f"/v1/practices/{system.told['practice_id']}"


async def rerouted(events: AsyncIterator[ServerSentEvent], conversation_id: str) -> dict[str, Any]:
    """What is announced when this conversation is matched again."""
    async with asyncio.timeout(TOLD_SECONDS):
        async for event in events:
            about: dict[str, Any] = json.loads(event.data)
            if about.get("change") == "rerouted" and about["conversation_id"] == conversation_id:
                return about
    pytest.fail("the stream ended")


async def next_but_counts(events: AsyncIterator[ServerSentEvent]) -> str:
    """What the next event is that is not about conversations: those that others left change as well."""
    while (event := await anext(events)).event in {"counts", "conversation", "notification", "duty"}:
        pass
    return event.event


@pytest.mark.rule("V2", "V3")
async def test_a_members_filter_is_what_the_member_is_told_of_and_can_be_undone(
    system: System, settings: Settings
) -> None:
    path = settings.path.replace("routing-settings", "members/bo-billing/subscriptions")
    wanted = {"subscriptions": [{"id": "bo-billing-1", "reasons": ["billing"], "locations": ["elm"]}]}
    async with system.client(system.token("bo-billing")) as bo, system.client(system.token("fay-front")) as fay:
        previewed = (await bo.put(path, params={"dry_run": True}, json=wanted)).raise_for_status().json()
        unchanged = (await bo.get(path)).raise_for_status().json()
        changed = (await bo.put(path, json=wanted)).raise_for_status().json()
        undone = (await bo.put(path, json=changed["undo"])).raise_for_status().json()
        strangers = [(await fay.get(path)).status_code, (await fay.put(path, json=wanted)).status_code]
        invalid = await bo.put(path, json={"subscriptions": [{"id": "s", "reasons": ["unheard-of"]}]})

    assert "You will no longer be told about Billing at River Road." in previewed["effect"]["words"]
    assert "Nobody is subscribed to Billing at River Road any more." in previewed["effect"]["words"]
    assert unchanged["subscriptions"][0]["locations"] == "all"
    assert changed["settings_version"] == unchanged["settings_version"] + 1
    assert undone["subscriptions"] == unchanged["subscriptions"]
    assert "You will be told about Billing at River Road." in undone["effect"]["words"]
    assert strangers == [HTTPStatus.FORBIDDEN, HTTPStatus.FORBIDDEN]
    assert invalid.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.rule("X1")
async def test_a_message_like_this_is_tried_without_being_sent(system: System) -> None:
    async with administrator(system) as (http, path):
        wanted = {"channel": "web", "requested_reason_id": "billing", "location_id": "river"}
        told = (await http.post(f"{path}/simulate", json=wanted)).raise_for_status().json()
        known = {"channel": "sms", "patient_id": "pt-003"}
        of_patient = (await http.post(f"{path}/simulate", json=known)).raise_for_status().json()
        wrong = await http.post(f"{path}/simulate", json={"channel": "pigeon"})

    assert [one["staff_id"] for one in told["audience"]] == ["bo-billing"]
    assert "The patient picked 'Billing' (R1)." in told["explanation"]
    assert of_patient["location"]["id"] == "elm"
    assert wrong.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.rule("X2")
async def test_a_draft_is_tried_on_past_traffic_and_every_record_reproduces_itself(system: System) -> None:
    sid = new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(system.patient("pt-012")["phone"], sid=sid)
        await next_about(iterator, "message", sms_id(system, sid))
    async with administrator(system) as (http, path):
        draft = (await http.get(f"{path}/routing-settings")).json()
        for member in draft["members"]:
            if member["staff_id"] == "fay-front":
                member["active"] = False
        since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        answer = await http.post(f"{path}/what-if", json={"since": since, "settings": draft})
    *lines, summary = map(json.loads, answer.raise_for_status().text.splitlines())
    (ours,) = [line for line in lines if line.get("message_id") == sms_id(system, sid)]

    assert (ours["kind"], ours["no_longer_told"], ours["newly_told"]) == ("difference", ["fay-front"], ["ada-admin"])
    assert summary["kind"] == "summary"
    assert summary["unreproduced"] == 0
    assert 0 < summary["different"] <= summary["messages"]


@pytest.mark.rule("M4", "L3")
async def test_what_nobody_could_be_told_of_is_matched_again_when_the_settings_change(
    system: System, settings: Settings
) -> None:
    await settings.members(fay_front={"active": False})
    await settings.change(default_subscribers=[])
    sid = new_sid()
    async with system.stream(system.token("ada-admin")) as events:
        iterator = await started(events)
        await system.text(system.patient("pt-015")["phone"], sid=sid)
        unrouted = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)
    listed = await settings.http.get(settings.path.replace("routing-settings", "unrouted"))
    async with system.stream(system.token("ada-admin")) as events:
        iterator = await started(events)
        await settings.change(default_subscribers=["ada-admin"])
        again = await rerouted(iterator, unrouted["conversation_id"])

    assert unrouted["unrouted"]
    assert sms_id(system, sid) in {one["message_id"] for one in listed.json()}
    assert [one["because"] for one in again["audience"]] == ["default_subscriber"]
    assert again["location"]["id"] == unrouted["location"]["id"]


@pytest.mark.rule("D4")
async def test_what_was_assigned_to_somebody_who_left_goes_back_to_unassigned_at_once(
    system: System, settings: Settings
) -> None:
    sid = new_sid()
    fay = system.token("fay-front")
    async with system.stream(fay) as events:
        iterator = await started(events)
        await system.text(system.patient("pt-018")["phone"], sid=sid)
        routed = json.loads((await next_about(iterator, "message", sms_id(system, sid))).data)
    async with system.client(fay) as http:
        assigned = await http.post(f"/v1/conversations/{routed['conversation_id']}/assign", json={"to": "max-medical"})
    async with system.stream(system.token("ada-admin")) as events:
        iterator = await started(events)
        await settings.members(max_medical={"active": False})
        again = await rerouted(iterator, routed["conversation_id"])

    assert assigned.status_code == HTTPStatus.OK
    assert again["destination"] == {"kind": "unassigned", "id": None}
    assert [one["staff_id"] for one in again["audience"]] == ["fay-front"]


@pytest.mark.rule("V3")
async def test_every_change_of_the_settings_says_who_made_it_and_can_be_taken_back(settings: Settings) -> None:
    before = (await settings.http.get(settings.path)).json()
    saved = await settings.change(reason_routing=False)
    version = saved.json()["version"]
    changes = (await settings.http.get(f"{settings.path}/versions/{version}/changes")).json()
    precondition = await settings.http.post(f"{settings.path}/versions/{before['version']}/revert")
    reverted = await settings.http.post(
        f"{settings.path}/versions/{before['version']}/revert", headers={"If-Match": saved.headers["etag"]}
    )
    versions = (await settings.http.get(f"{settings.path}/versions")).json()

    assert changes == [{"place": "reason_routing", "before": True, "after": False}]
    assert precondition.status_code == HTTPStatus.PRECONDITION_REQUIRED
    assert reverted.json() == before | {"version": version + 1}
    newest = versions[0]
    assert (newest["version"], newest["saved_by"], newest["reverts"]) == (version + 1, "ada-admin", before["version"])
    assert {one["saved_by"] for one in versions} >= {"ada-admin"}


async def test_a_settings_change_ends_the_streams_of_those_who_were_deactivated_and_no_others(
    system: System, settings: Settings
) -> None:
    async with system.stream(system.token("mia-medical")) as mia, system.stream(system.token("fay-front")) as fay:
        hers, others = await started(mia), await started(fay)
        await settings.members(mia_medical={"active": False})
        async with asyncio.timeout(TOLD_SECONDS):
            assert {event.event async for event in hers} <= {"counts", "reset"}
            assert await next_but_counts(others) == "settings"
        await settings.members(mia_medical={"active": True})
        async with asyncio.timeout(TOLD_SECONDS):
            assert await next_but_counts(others) == "settings"
