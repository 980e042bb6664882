"""What was sent together is handled together, and only what nobody waits for waits for more."""

import asyncio

import pytest

from shared_messaging import Publisher

from .conftest import PARTITIONS, Stage

pytestmark = pytest.mark.asyncio

PATIENTS, ROUNDS = 8, 20


async def test_what_is_sent_together_is_handled_together(stage: Stage) -> None:
    """However many partitions it goes to: Kafka answers no fetch before it has all of a request."""
    async with stage.engine(), Publisher(stage.kafka) as publisher:
        for number in range(ROUNDS):
            messages = [stage.message(PATIENTS * number + patient, patient) for patient in range(PATIENTS)]
            await publisher.send([stage.outgoing(message) for message in messages])
            await stage.until_handled(PATIENTS * (number + 1))

    whole = sum(size == PATIENTS for size in stage.batch_sizes)
    assert whole >= 0.7 * ROUNDS, stage.batch_sizes  # a fetch may end, or begin, while it is being written


@pytest.mark.parametrize(("is_hurried", "batches"), [(True, [1, 1]), (False, [2])])
async def test_only_what_nobody_waits_for_waits_for_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, batches: list[int], *, is_hurried: bool
) -> None:
    monkeypatch.setattr("shared_messaging.subscription._FETCH_WAIT_MILLISECONDS", 4_000)

    async def is_claimed() -> bool:
        return len(await stage.progress()) == PARTITIONS

    async with stage.engine(is_hurried=is_hurried):
        await stage.until(is_claimed)
        await stage.produce([stage.message(0)])
        await asyncio.sleep(1)
        await stage.produce([stage.message(1)])
        await stage.until_handled(2)

    assert stage.batch_sizes == batches


async def test_much_does_not_wait_for_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared_messaging.subscription._FETCH_WAIT_MILLISECONDS", 30_000)
    async with stage.engine(is_hurried=False):
        await stage.produce([stage.message(number) for number in range(1_000)])
        await stage.until_handled(500)  # the last ones may be few again
