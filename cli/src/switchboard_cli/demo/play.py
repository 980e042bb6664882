"""Plays the scenario against the running system and says, message by message, what became of it."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from switchboard_cli.demo import practice
from switchboard_cli.demo.front_doors import FrontDoors
from switchboard_cli.demo.scenario import RUSH_MESSAGES, RUSH_PER_SECOND, SCENARIO, STRANGER, Expected, Step, rush_step
from switchboard_cli.demo.seed import provider_message_id
from switchboard_cli.demo.staff_desk import StaffDesk
from switchboard_cli.demo.staff_room import Heard, StaffRoom

STRANGERS_PHONE = "+13125550199"
WAIT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Played:
    """One message, what became of it, and whether that is what the rules want."""

    step: Step
    patient_id: str
    message_id: str
    heard: Heard
    milliseconds: float
    """From just before the webhook was sent to the last notification on a staff stream."""
    problems: tuple[str, ...]


@dataclass(slots=True)
class Player:
    """Sends the steps through the front doors, in the name of the demo's patients."""

    doors: FrontDoors
    room: StaffRoom
    desk: StaffDesk
    patients: list[practice.Patient]
    run: str
    """Different in each run, so that the provider's message ids are new."""
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    async def scenario(self) -> AsyncGenerator[Played]:
        """The scenario's steps, one after the other: each waits until the one before has been told."""
        for step in SCENARIO:
            yield await self.play(step)

    async def rush(self) -> list[Played]:
        """Many texts at a fixed rate, whether or not the earlier ones have been told: an open loop."""
        async with asyncio.TaskGroup() as sending:
            started, tasks = time.perf_counter(), []
            for index in range(RUSH_MESSAGES):
                await asyncio.sleep(max(0.0, started + index / RUSH_PER_SECOND - time.perf_counter()))
                tasks.append(sending.create_task(self.play(rush_step(index))))
        return [task.result() for task in tasks]

    async def play(self, step: Step) -> Played:
        """Send one message and wait until the people are told who must be. To log in before it takes no part of its time."""
        if step.channel == "web":
            await self.doors.log_in(self.patients[step.patient - 1])
        began = time.perf_counter()
        message_id = ""
        index = next(self._count)
        for _ in range(step.repeats):
            message_id = await self._send(step, index)
        heard = await self.room.told(message_id, set(step.expected.told), seconds=WAIT_SECONDS)
        milliseconds = (heard.last_at - began) * 1000
        problems = differences(step.expected, heard)
        if not problems:
            problems = await self.desk.problems(step, min(heard.told), heard.routed)
        if step.expected.urgent and not await self.doors.is_told_what_to_do(self.patients[step.patient - 1].phone):
            problems.append("the patient was not told what to do")
        patient_id = heard.routed.get("patient_id", "?")
        return Played(step, patient_id, message_id, heard, milliseconds, tuple(problems))

    async def _send(self, step: Step, index: int) -> str:
        patient = self.patients[step.patient - 1]
        match step.channel:
            case "sms":
                phone = STRANGERS_PHONE if step.patient == STRANGER else patient.phone
                sid = provider_message_id("SM", self.run, index)
                return await self.doors.text(phone, step.words, provider_message_id=sid, picture=step.picture)
            case "telnyx":
                telnyx_id = provider_message_id("TX", self.run, index)
                return await self.doors.text_by_telnyx(patient.phone, step.words, provider_message_id=telnyx_id)
            case "voicemail":
                recording = provider_message_id("RE", self.run, index)
                return await self.doors.call(patient.phone, step.extension, recording_id=recording)
            case "web":
                client_id = provider_message_id("WB", self.run, index)
                return await self.doors.write(patient, step.words, reason_id=step.reason, client_message_id=client_id)
            case "adapter":
                provider_id = provider_message_id("AD", self.run, index)
                return await self.doors.publish(patient, step.words, provider_message_id=provider_id)


def differences(expected: Expected, heard: Heard) -> list[str]:
    """Where what was heard is not what the rules want, in words. Empty when all is well."""
    if not heard.told:
        return [f"nobody was told; expected {', '.join(sorted(expected.told))}"]
    routed = heard.routed
    found = {
        "told": frozenset(heard.told),
        "because": {why for reasons in heard.told.values() for why in reasons},
        "notifications per person": {len(reasons) for reasons in heard.told.values()},
        "reason": (routed["reason"]["id"], routed["reason"]["source"]),
        "location": (routed["location"]["id"], routed["location"]["source"]),
        "destination": routed["destination"]["kind"],
        "urgent": routed["urgent"],
    }
    wanted = {
        "told": expected.told,
        "because": {expected.because},
        "notifications per person": {1},
        "reason": (expected.reason, expected.reason_source),
        "location": (expected.location, expected.location_source),
        "destination": expected.destination,
        "urgent": expected.urgent,
    }
    return [f"{what}: expected {wanted[what]}, found {found[what]}" for what in wanted if wanted[what] != found[what]]
