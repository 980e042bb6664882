"""The whole system keeps its promises under load while its parts fail (docs/architecture.md, docs/faults.md)."""

import shutil
from pathlib import Path
from time import monotonic
from traceback import format_exception

import pytest

from tests.faults.parts import open_directory
from tests.faults.rounds import play

pytestmark = [pytest.mark.faults, pytest.mark.timeout(0)]

KEPT = Path(".switchboard/faults")
"""Histories and logs of rounds that found something."""
AROUND = 55.0
"""Seconds for starting, coming to rest and checking."""


async def test_every_promise_is_kept_though_the_parts_fail(seed: int, minutes: float) -> None:
    began = monotonic()

    def say(what: str) -> None:
        print(f"{monotonic() - began:6.1f} s  {what}", flush=True)  # noqa: T201 - shown as it happens

    say(f"seed {seed}")
    with open_directory() as directory:
        try:
            report = await play(directory, seed, max(20.0, 60 * minutes - AROUND), say)
        except BaseException as error:
            (directory / "error.log").write_text("".join(format_exception(error)), encoding="utf-8")
            keep(directory, seed)
            raise
        for line in report.lines():
            say(line)
        if report.violations:
            keep(directory, seed)
    assert report.violations == []


def keep(directory: Path, seed: int) -> None:
    """What is needed to find out why."""
    kept = KEPT / f"seed-{seed}"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for file in (*directory.glob("*.log"), directory / "history.jsonl"):
        shutil.copy(file, kept)
    print(f"history and logs are in {kept}")  # noqa: T201
