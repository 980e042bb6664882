"""Child processes that are stopped in order, and never outlive us."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group that a child runs as; root starts PostgreSQL as somebody else."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A running child. Its output goes to a file."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def has_ended(self) -> bool:
        """Whether it ended by itself."""
        return self.process.returncode is not None

    @property
    def last_words(self) -> str:
        """How it ended, and the last line that it wrote: why it did not do what it was to do."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"exit code {self.process.returncode}, {lines[-1].strip() if lines else 'no word'} (see {self.log})"


@asynccontextmanager
async def child_process(  # noqa: PLR0913 - a process has these properties
    name: str,
    command: Sequence[object],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    account: Account | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    orphan_signal: signal.Signals = signal.SIGKILL,
    stop_seconds: float = 20,
) -> AsyncGenerator[ChildProcess]:
    """Run a program until the end of the block, then stop it: `stop_signal`, and SIGKILL after `stop_seconds`.

    It is in a process group of its own, so a Ctrl-C in the terminal reaches us alone and we stop things in order. When
    we end without a chance to do so, it gets `orphan_signal` (Linux).
    """
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    terms = (os.getpid(), int(orphan_signal), uid, gid)
    launched = [sys.executable, "-I", "-S", _LAUNCH, *terms, *command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *map(str, launched),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            process_group=0,
        )
    try:
        yield ChildProcess(name, process, log)
    finally:
        await asyncio.shield(_stop(process, stop_signal, stop_seconds))


async def _stop(process: asyncio.subprocess.Process, number: signal.Signals, seconds: float) -> None:
    if process.returncode is not None:
        return
    try:
        process.send_signal(number)
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    except ProcessLookupError:
        await process.wait()
