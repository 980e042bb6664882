"""The clients against a running system whose services are killed: nothing is missed, and nothing comes twice."""

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from switchboard_client import EventStream, Mirror, Refused, StaffClient, StreamEvent
from tests.e2e.conftest import System
from tests.e2e.test_crash import RECOVERED_SECONDS, accepted, services_process
from tests.e2e.test_one_message import ELM_PATIENT, new_sid, sms_id

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 30
KILLED_AFTER = (8, 20)
FOLLOWED_SECONDS = 150
"""While everything is sent and the services are killed twice."""
FOLLOW = """
import { StaffClient } from "%s";
const stream = new StaffClient(process.argv[2], process.argv[3]).stream();
for await (const { event, data } of stream) {
  if (event === "snapshot" || event === "reset") console.log(event);
  if (event === "notification") console.log(data.message_id);
  if (event === "notification" && data.message_id === process.argv[4]) break;
}
console.log("connections", stream.connections);
"""


@pytest.fixture
async def staff(system: System) -> AsyncIterator[StaffClient]:
    async with StaffClient(system.base_url, system.token("fay-front")) as client:
        yield client


async def texts_while_killing(system: System, last: str) -> list[str]:
    """Texts, with the services killed in between; the ids of their messages."""
    phone = system.patient(ELM_PATIENT)["phone"]
    sids = [*(new_sid() for _ in range(MESSAGES)), last]
    for number, sid in enumerate(sids):
        if number in KILLED_AFTER:
            os.kill(services_process(system).pid, signal.SIGKILL)
        await accepted(system, phone, sid)
    return [sms_id(system, sid) for sid in sids]


async def until(events: AsyncIterator[StreamEvent], message_id: str) -> list[StreamEvent]:
    """The events up to the notification of one message."""
    found: list[StreamEvent] = []
    async with asyncio.timeout(FOLLOWED_SECONDS):
        async for event in events:
            found.append(event)
            if event.event == "notification" and event.data["message_id"] == message_id:
                return found
    raise AssertionError


async def caught_up(mirror: Mirror, events: AsyncIterator[StreamEvent], staff: StaffClient) -> None:
    """The mirror is what the server says, once what went on beside the texts has been told as well."""
    async with asyncio.timeout(FOLLOWED_SECONDS):
        while True:
            fresh = Mirror(staff)
            await fresh.load()
            if mirror.conversations == fresh.conversations:
                return
            await anext(events)


async def test_a_stream_of_the_python_client_and_its_mirror_survive_killed_services(
    system: System, staff: StaffClient
) -> None:
    last, mirror = new_sid(), Mirror(staff)
    events = mirror.follow()
    assert (await anext(events)).event == "snapshot"
    sending = asyncio.create_task(texts_while_killing(system, last))
    seen = await until(events, sms_id(system, last))
    sent = await sending
    resets = [event for event in seen if event.event == "reset"]
    told = [event.data["message_id"] for event in seen if event.event == "notification"]

    assert resets == []
    assert [message_id for message_id in told if message_id in set(sent)] == sent
    assert mirror.stream.connections > len(KILLED_AFTER) - 1
    await caught_up(mirror, events, staff)


async def test_a_cursor_that_was_kept_resumes_another_day(system: System, staff: StaffClient) -> None:
    stream = EventStream(staff)
    assert (await anext(aiter(stream))).event == "snapshot"
    first, missed = new_sid(), new_sid()
    phone = system.patient(ELM_PATIENT)["phone"]
    await system.text(phone, sid=first)
    await until(aiter(stream), sms_id(system, first))
    cursor = stream.cursor
    await system.text(phone, sid=missed)
    resumed = await until(aiter(EventStream(staff, cursor=cursor)), sms_id(system, missed))
    lost = await anext(aiter(EventStream(staff, cursor="bm90LWEtY3Vyc29y")))

    assert [one.data["message_id"] for one in resumed if one.event == "notification"][-1] == sms_id(system, missed)
    assert "snapshot" not in {one.event for one in resumed}
    assert (lost.event, lost.data) == ("reset", {"reason": "unknown_cursor"})


async def test_a_refused_action_says_why(system: System, staff: StaffClient) -> None:
    sid = new_sid()
    events = aiter(EventStream(staff))
    await anext(events)
    await system.text(system.patient("pt-024")["phone"], sid=sid)
    message = (await until(events, sms_id(system, sid)))[-1].data
    taken = await staff.act(message["conversation_id"], "take", key="mine")
    again = await staff.act(message["conversation_id"], "take", key="mine")
    async with StaffClient(system.base_url, system.token("finn-front")) as finn:
        with pytest.raises(Refused, match=r"Fay Madeup has this conversation already\."):
            await finn.act(message["conversation_id"], "take")
    await staff.act(message["conversation_id"], "assign", {"to": None})

    assert taken == again
    assert taken["destination"] == {"kind": "member", "id": "fay-front"}


async def test_a_stream_of_the_typescript_client_survives_killed_services(system: System, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script, last = tmp_path / "follow.mjs", new_sid()
    script.write_text(FOLLOW % (ROOT / "clients/typescript/index.js"))
    arguments = (str(script), system.base_url, system.token("fay-front"), sms_id(system, last))
    process = await asyncio.create_subprocess_exec(node, *arguments, stdout=PIPE)
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), RECOVERED_SECONDS) == b"snapshot\n"
        sent = await texts_while_killing(system, last)
        rest, _ = await asyncio.wait_for(process.communicate(), RECOVERED_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    *told, connections = rest.decode().splitlines()

    assert "reset" not in told
    assert [message_id for message_id in told if message_id in set(sent)] == sent
    assert int(connections.removeprefix("connections ")) > 1
