"""Starts services as forks of one process that has imported them: an import takes seconds of a CPU, a fork takes none.

`Nursery` is our side of it. The process itself is this module, run: it reads a line of JSON for each start and writes
lines `[pid, exit code or null]`, null for a start. Its children die with it, and it dies when we close its input.
"""

import asyncio
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import switchboard_cli.origin  # a child of a fork has it then
import switchboard_cli.serving  # noqa: F401 - the same
from switchboard_cli.app import main as switchboard

_FAILED = 70


class Nursery:
    """An asynchronous context manager."""

    _process: asyncio.subprocess.Process
    _reading: asyncio.Task[None]

    def __init__(self, directory: Path) -> None:
        self._log = directory / "nursery.log"
        self._started: asyncio.Queue[int] = asyncio.Queue()
        self._starting = asyncio.Lock()
        self._ends: dict[int, asyncio.Future[int]] = {}

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                __name__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self._reading = asyncio.create_task(self._read(), name="nursery")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Whoever lives still is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def start(self, arguments: Sequence[object], environment: Mapping[str, str], log: Path) -> int:
        """Run `switchboard` with these arguments; returns its pid."""
        line = {"arguments": [*map(str, arguments)], "environment": dict(environment), "log": str(log)}
        async with self._starting:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            return await self._started.get()

    async def end_of(self, pid: int) -> int:
        """Wait for its end; returns its exit code, negative for a signal."""
        return await asyncio.shield(self._ends[pid])

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            pid, code = json.loads(line)
            if code is None:
                self._ends[pid] = asyncio.get_running_loop().create_future()
                self._started.put_nowait(pid)
            else:
                self._ends[pid].set_result(code)


def main() -> None:
    """The process: imports everything, then forks as it is told, until its input ends."""
    wake, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes)
    children: set[int] = set()
    with os.fdopen(0, "rb", buffering=0, closefd=False) as lines:
        while True:
            ready, _, _ = select.select([0, wake], [], [])
            if wake in ready:
                os.read(wake, 512)
                _reap(children)
            if 0 in ready:
                line = lines.readline()
                if not line:
                    break
                children.add(_fork(**json.loads(line)))
    for child in children:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _reap(children: set[int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            children.discard(ended[0])
            _say(ended[0], os.waitstatus_to_exitcode(ended[1]))


def _fork(arguments: Sequence[str], environment: Mapping[str, str], log: str) -> int:
    pid = os.fork()
    if pid:
        _say(pid, None)
        return pid
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["switchboard", *arguments]
        switchboard()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:  # noqa: BLE001 - a child that returns would be a second nursery
        traceback.print_exc()
        code = _FAILED
    sys.stdout.flush()
    os._exit(code)


def _say(pid: int, code: int | None) -> None:
    os.write(1, json.dumps([pid, code]).encode() + b"\n")


if __name__ == "__main__":
    main()
