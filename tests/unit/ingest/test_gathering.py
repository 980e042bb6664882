"""Whoever comes alone waits for nobody; of many, some wait for each other."""

import asyncio
from itertools import pairwise

import pytest

from ingest.storage.gathering import Gathering

pytestmark = pytest.mark.asyncio


async def test_whoever_comes_first_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.storage.gathering.APART_SECONDS", 60.0)
    gathering = Gathering()
    gathering.came()
    async with asyncio.timeout(5):
        await gathering.round()


async def test_whoever_comes_alone_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.storage.gathering.LATELY_SECONDS", 0.01)
    monkeypatch.setattr("ingest.storage.gathering.APART_SECONDS", 60.0)
    gathering = Gathering()
    for _ in range(20):
        gathering.came()
    await gathering.round()
    await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        await gathering.round()


@pytest.mark.parametrize(("many", "apart"), [(1, 0.1), (4, 0.4), (100, 1.2)])
async def test_the_more_come_the_further_apart_rounds_begin(
    monkeypatch: pytest.MonkeyPatch, many: int, apart: float
) -> None:
    monkeypatch.setattr("ingest.storage.gathering.LATELY_SECONDS", 60.0)
    monkeypatch.setattr("ingest.storage.gathering.APART_SECONDS", 0.1)
    gathering, began = Gathering(), list[float]()
    for _ in range(many):
        gathering.came()
    for _ in range(3):
        await gathering.round()
        began.append(asyncio.get_running_loop().time())
    seconds = [after - before for before, after in pairwise(began)]
    assert min(seconds) > 0.95 * apart
    assert min(seconds) < 2 * apart, "bounded, however many come"
