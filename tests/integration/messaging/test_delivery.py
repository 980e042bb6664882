"""At least once in, exactly once in effect."""

import pytest

pytestmark = pytest.mark.asyncio


async def test_every_message_has_one_effect_and_one_output(stage):
    await stage.produce([stage.message(n, patient=n % 7) for n in range(100)])
    async with stage.engine():
        await stage.until_handled(100)
        await stage.until_sent()
    assert set((await stage.effects()).values()) == {1}
    assert sorted(await stage.outputs()) == [f"m{n:06d}".encode() for n in range(100)]
