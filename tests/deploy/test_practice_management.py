"""The doors that practice-management systems have beside HTTP: the MLLP port, and the folder that files are dropped in."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from pm_sync.adapters.hl7.framing import BEGIN, END
from tests.deploy.conftest import Compose
from tests.e2e.conftest import System

TAKEN_SECONDS = 60
HEAD = "appointment_id,patient_id,given_name,family_name,birth_date,phone,status,start,end,location_id,location_name\n"


async def test_a_scheduling_message_is_taken_at_the_port(compose: Compose, system: System) -> None:
    await _connect(system, "line", {"kind": "hl7v2-mllp", "sending_facility": "FAR", "time_zone": "America/New_York"})
    at = datetime.now(UTC)
    message = "\r".join(
        (
            f"MSH|^~\\&|SCHED|FAR|SB|SB|{at:%Y%m%d%H%M%S}+0000||SIU^S12^SIU_S12|7|P|2.5.1",
            "SCH|PL7|FL7||||ROUTINE|||30|MIN",
            f"TQ1|1||||||{at + timedelta(days=2):%Y%m%d%H%M%S}+0000",
            "PID|1||pt-901||McSample^Testy||19800131|||||(312)555-0901",
            "RGS|1",
            "AIL|1||elm",
            "",
        )
    )

    reader, writer = await asyncio.open_connection("127.0.0.1", compose.mllp_port)
    writer.write(BEGIN + message.encode() + END)
    async with asyncio.timeout(TAKEN_SECONDS):
        answer = (await reader.readuntil(END)).decode()
    writer.close()

    assert "MSA|AA|7" in answer
    assert (await _status(system, "line"))["state"] == "ok"


async def test_a_dropped_file_is_taken_in_and_a_bad_one_is_put_aside_with_its_mistakes(
    compose: Compose, system: System
) -> None:
    await _connect(system, "files", {"kind": "csv", "time_zone": "America/New_York"})
    start = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    row = f"apt-902,pt-902,Testy,McSample,1980-01-31,+13125550902,booked,{start},,elm,Elm\n"
    (compose.directory / "good.csv").write_text(HEAD + row, "utf-8")
    (compose.directory / "bad.csv").write_text(HEAD + row.replace(start, "tomorrow"), "utf-8")

    compose.run("deploy/drop", "files", "good.csv")
    await _until_put_away(compose, "done")
    status = await _status(system, "files")
    compose.run("deploy/drop", "files", "bad.csv")
    refused = await _until_put_away(compose, "failed")
    compose.run("deploy/drop", "files", "good.csv")
    await _until_put_away(compose, "done", files=2)

    assert (status["state"], status["last_problem"]) == ("ok", None)
    assert {name.partition("-")[2] for name in refused} == {"bad.csv", "bad.errors.json"}


async def _connect(system: System, connection: str, body: dict[str, Any]) -> None:
    """In the neighbour's practice: nobody else writes for it."""
    other = system.told["other_practice"]
    async with system.client(other["staff"][0]["token"]) as http:
        path = f"/v1/practices/{other['practice_id']}/pm-connections/{connection}"
        (await http.put(path, json=body)).raise_for_status()


async def _status(system: System, connection: str) -> dict[str, Any]:
    other = system.told["other_practice"]
    async with system.client(other["staff"][0]["token"]) as http:
        answer = await http.get(f"/v1/practices/{other['practice_id']}/pm-connections/{connection}/status")
        status: dict[str, Any] = answer.raise_for_status().json()
        return status


async def _until_put_away(compose: Compose, where: str, files: int = 1) -> list[str]:
    """The names of the files there, once there are so many. Raises TimeoutError."""
    async with asyncio.timeout(TAKEN_SECONDS):
        while True:
            listed = compose("exec", "-T", "pm-sync", "ls", f"/var/lib/switchboard/files/{where}", check=False).stdout
            if len(listed.split()) >= files:
                return listed.split()
            await asyncio.sleep(0.5)
