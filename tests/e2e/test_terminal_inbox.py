"""The example of a terminal inbox, used as a person does, beside what the system knows: nothing missed, nothing twice."""

import asyncio
import os
import re
import signal
import sys
import uuid
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from switchboard_client import StaffClient
from tests.e2e.conftest import System
from tests.e2e.test_crash import accepted, services_process
from tests.e2e.test_one_message import new_sid

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/terminal_inbox.py"
PHONES = [f"+1718555{number:04}" for number in range(100, 112)]
"""Of nobody who is known, and of no other test."""
MESSAGES_EACH = 10
KILLED_AFTER = (20, 50, 90)
SHOWN_SECONDS = 180
"""A bound. What a killed process had is taken over once its session has ended, and that comes three times in a row."""
LINE = re.compile(r" *(?P<number>\d+) (?P<mark>[-+<!* ]) [^:]*: (?P<words>.*)")


@dataclass
class Screen:
    """A terminal that shows an inbox, and whoever types there."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list[str])
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def read(self) -> None:
        """Until the terminal ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self.came:
                self.lines.append(line.decode().rstrip("\n"))
                self.came.notify_all()

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    async def until(self, words: str, *, after: int = 0) -> str:
        """The last line with these words, of those after so many, once there is one."""

        def found() -> list[str]:
            return [line for line in self.lines[after:] if words in line]

        try:
            async with asyncio.timeout(SHOWN_SECONDS), self.came:
                await self.came.wait_for(found)
        except TimeoutError:
            raise AssertionError(f"no line says {words!r} among {self.lines}") from None
        return found()[-1]

    def said(self, mark: str) -> list[str]:
        """The words of all lines with this mark."""
        found = (LINE.fullmatch(line) for line in self.lines)
        return [one["words"] for one in found if one is not None and one["mark"] == mark]

    async def leave(self) -> int:
        self.type("")
        return await asyncio.wait_for(self.process.wait(), SHOWN_SECONDS)


@asynccontextmanager
async def terminal(system: System, inbox: str) -> AsyncIterator[Screen]:
    environment = os.environ | {"SWITCHBOARD_URL": system.base_url, "SWITCHBOARD_TOKEN": system.token("fay-front")}
    command = (sys.executable, "-u", str(EXAMPLE), inbox)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment)
    try:
        screen = Screen(process)
        reading = asyncio.create_task(screen.read())
        await screen.until(f"-- {inbox}")
        yield screen
        await reading
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def kill_services(system: System) -> None:
    """As soon as they run: they may not be back from the last time."""
    async with asyncio.timeout(SHOWN_SECONDS):
        while True:
            try:
                os.kill(services_process(system).pid, signal.SIGKILL)
            except (LookupError, ProcessLookupError):
                await asyncio.sleep(0.1)
            else:
                return


async def rush(system: System, run: str, screen: Screen) -> dict[str, list[str]]:
    """Everybody writes, one text after the other; the words of each. The services are killed in the middle of it.

    Somebody answers while they are away.
    """
    sent: dict[str, list[str]] = {phone: [] for phone in PHONES}

    async def write(phone: str) -> None:
        for number in range(MESSAGES_EACH):
            count = sum(map(len, sent.values()))
            words = f"Question {number} of {phone[-2:]} in {run}"
            sent[phone].append(words)
            if count in KILLED_AFTER:
                last_shown = await screen.until(f"in {run}")
                await kill_services(system)
                screen.type(f"{last_shown.split()[0]} Our answer after {count} in {run}")
            await accepted(system, phone, new_sid(), body=words)

    async with asyncio.TaskGroup() as writing:
        for phone in PHONES:
            writing.create_task(write(phone))
    return sent


async def test_a_rush_is_shown_once_each_in_order_though_the_services_are_killed_three_times(system: System) -> None:
    run = uuid.uuid4().hex[:8]
    async with terminal(system, "unassigned") as screen:
        sent = await rush(system, run, screen)
        for phone in PHONES:
            await screen.until(f"Question {MESSAGES_EACH - 1} of {phone[-2:]} in {run}")
        for count in KILLED_AFTER:
            await screen.until(f"Our answer after {count} in {run}")
        so_far = len(screen.lines)
        screen.type("?")
        screen.type("9999")
        await screen.until("! no conversation has the number 9999", after=so_far)
        listed = [LINE.fullmatch(line) for line in screen.lines[so_far:]]
        ended = await screen.leave()
    async with StaffClient(system.base_url, system.token("fay-front")) as staff:
        truth = [one async for one in staff.conversations("unassigned")][:20]
        theirs = [one for one in truth if one["last_message"] and run in one["last_message"]["body"]]
        threads = [(await staff.conversation(one["conversation_id"]))["messages"] for one in theirs]

    shown = [words for words in screen.said("+") if run in words]
    by_phone = {phone: [words for words in shown if f" of {phone[-2:]} in " in words] for phone in PHONES}
    answers = [message["body"] for thread in threads for message in thread if message["sender"] == "staff"]
    assert by_phone == sent
    assert len(shown) == len(PHONES) * MESSAGES_EACH
    assert sorted(words for words in screen.said("<") if run in words) == sorted(answers)
    assert len(answers) == len(KILLED_AFTER)
    assert [one["words"] for one in listed if one] == [
        one["last_message"]["body"] for one in reversed(truth) if one["last_message"]
    ]
    assert screen.lines.count("-- not connected, trying again") >= 1
    assert ended == 0


async def test_a_message_is_shown_and_its_conversation_taken(system: System) -> None:
    async with terminal(system, "unassigned") as screen:
        words = f"A made-up question {new_sid()[:12]}"
        await system.text(system.patient("pt-027")["phone"], body=words)
        line = await screen.until(f" + Testy McSample-027 (Elm Street): {words}")
        number = line.split()[0]
        screen.type(f"{number} take")
        await screen.until(f"{number} - ")
        await screen.leave()
    async with StaffClient(system.base_url, system.token("fay-front")) as staff:
        taken = [one async for one in staff.conversations("assigned")]
        ours = next(one for one in taken if one["patient_id"] == "pt-027")
        await staff.act(ours["conversation_id"], "assign", {"to": None})

    assert ours["destination"] == {"kind": "member", "id": "fay-front"}
