"""What a backup is for, whatever it was taken of and however it is brought back."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus

from tests.e2e.conftest import System
from tests.e2e.test_one_message import ELM_PATIENT, events_until, new_sid, next_about, sms_id, started


@asynccontextmanager
async def known_afterwards(system: System) -> AsyncGenerator[None]:
    """Lose everything and restore it in this block: what was decided before is known, its text again says nothing new, and a
    stream goes on at its cursor.
    """
    phone, sid, later = system.patient(ELM_PATIENT)["phone"], new_sid(), new_sid()
    async with system.stream(system.token("fay-front")) as events:
        iterator = await started(events)
        await system.text(phone, sid=sid)
        told = await next_about(iterator, "message", sms_id(system, sid))

    yield

    async with system.client(system.token("ada-admin")) as http:
        path = f"/v1/practices/{system.told['practice_id']}/decisions"
        known = await http.get(f"{path}/{sms_id(system, sid)}")
    async with system.stream(system.token("fay-front"), after=told.id) as events:
        await system.text(phone, sid=sid)
        await system.text(phone, sid=later)
        seen = await events_until(events, "message", sms_id(system, later))

    assert known.status_code == HTTPStatus.OK
    about = [json.loads(event.data)["message_id"] for event in seen if event.event == "message"]
    assert about == [sms_id(system, later)]
