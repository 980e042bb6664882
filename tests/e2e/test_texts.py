"""What patients are texted: answers, and the reason menu. Seen in the outbox of the stand-in provider."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from tests.e2e.conftest import System
from tests.e2e.test_one_message import TOLD_SECONDS, new_sid, next_about, sms_id, started
from tests.e2e.test_rule_book import Settings, settings

__all__ = ["settings"]


async def texted(system: System, phone: str, is_it: Callable[[str], bool]) -> list[str]:
    """The texts to a phone, once one of them is the one that is waited for."""
    async with httpx.AsyncClient() as http, asyncio.timeout(TOLD_SECONDS):
        while True:
            sent = (await http.get(system.told["provider"]["outbox_url"])).raise_for_status().json()
            bodies = [text["body"] for text in sent if text["to"] == phone]
            if any(map(is_it, bodies)):
                return bodies
            await asyncio.sleep(0.1)


async def text_and_see(system: System, phone: str, body: str, staff_id: str) -> dict[str, object]:
    """Text, and return what this member is told of it."""
    sid = new_sid()
    async with system.stream(system.token(staff_id)) as events:
        iterator = await started(events)
        (answer,) = await system.text(phone, sid=sid, body=body)
        answer.raise_for_status()
        message = await next_about(iterator, "message", sms_id(system, sid))
    routed: dict[str, object] = json.loads(message.data)
    return routed


@pytest.mark.rule("R16")
async def test_a_patient_is_texted_the_reasons_and_a_number_sets_one(system: System, settings: Settings) -> None:
    await settings.change(sms_reason_menu=True)
    phone = system.patient("pt-021")["phone"]
    first = await text_and_see(system, phone, "A made-up question of a test", "fay-front")
    bodies = await texted(system, phone, lambda body: "number" in body)
    number = next(line.split()[0] for line in bodies[-1].splitlines() if "Billing" in line)
    chosen = await text_and_see(system, phone, number, "bo-billing")

    assert first["reason_menu"]
    assert "Medical records" not in bodies[-1]
    assert chosen["reason"] == {"id": "billing", "label": "Billing", "source": "menu"}
    assert not chosen["reason_menu"]


async def test_an_answer_to_a_text_is_texted_once_and_in_order(system: System) -> None:
    phone = system.patient("pt-063")["phone"]
    routed = await text_and_see(system, phone, "A made-up question of a test", "fay-front")
    async with system.client(system.token("fay-front")) as http:
        path = f"/v1/conversations/{routed['conversation_id']}/reply"
        for body in ("First made-up answer", "Second made-up answer"):
            for _ in range(2):
                answer = await http.post(path, json={"body": body}, headers={"Idempotency-Key": body})
                answer.raise_for_status()
    bodies = await texted(system, phone, lambda body: body.startswith("Second"))

    assert bodies == ["First made-up answer", "Second made-up answer"]


async def test_a_patient_who_said_stop_is_texted_nothing_until_start(system: System) -> None:
    phone = system.patient("pt-027")["phone"]
    routed = await text_and_see(system, phone, "A made-up question of a test", "fay-front")
    path = f"/v1/conversations/{routed['conversation_id']}/reply"
    async with system.client(system.token("fay-front")) as http:
        await system.text(phone, body=" Stop ")
        before = await given_up(system)
        (await http.post(path, json={"body": "An unwanted answer"})).raise_for_status()
        async with asyncio.timeout(TOLD_SECONDS):
            while await given_up(system) == before:  # noqa: ASYNC110 - a metric announces nothing
                await asyncio.sleep(0.1)
        await system.text(phone, body="START")
        await texted(system, phone, lambda body: "you will get texts from us again" in body)
        (await http.post(path, json={"body": "A wanted answer"})).raise_for_status()
    bodies = await texted(system, phone, lambda body: body == "A wanted answer")

    assert [body.partition(": ")[2][:30] for body in bodies[:2]] == [
        "you will get no more texts fro",
        "you will get texts from us aga",
    ]
    assert bodies[2:] == ["A wanted answer"]


async def given_up(system: System) -> float:
    """How many texts were dealt with by not sending them."""
    async with system.client() as http:
        lines = (await http.get("/metrics")).text.splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith('switchboard_texts_total{outcome="failed"}')
    )
