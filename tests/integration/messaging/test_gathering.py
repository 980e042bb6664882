"""Records wait for others only while there are many of them."""

import asyncio

import pytest

from .conftest import Stage

pytestmark = pytest.mark.asyncio

GATHER_SECONDS = 8


@pytest.mark.parametrize(("at_once", "gathers"), [(1, False), (3, True)])
async def test_after_a_poll_of_many_the_next_record_waits_for_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, at_once: int, *, gathers: bool
) -> None:
    monkeypatch.setattr("shared_messaging.subscription._GATHER_MILLISECONDS", GATHER_SECONDS * 1000)
    async with stage.engine():
        await stage.produce([stage.message(number) for number in range(at_once)])
        await stage.until_handled(at_once)
        begin = asyncio.get_running_loop().time()
        await stage.produce([stage.message(at_once)])
        await stage.until_handled(at_once + 1)
        seconds = asyncio.get_running_loop().time() - begin

    assert stage.batch_sizes == [at_once, 1]
    assert (seconds > GATHER_SECONDS / 2) is gathers


async def test_much_does_not_wait_for_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_messaging.subscription._GATHER_MILLISECONDS", 60_000)
    async with stage.engine():
        await stage.produce([stage.message(number) for number in range(3)])
        await stage.until_handled(3)
        await stage.produce([stage.message(number) for number in range(3, 1_000)])
        await stage.until_handled(500)  # the last ones may be few again
