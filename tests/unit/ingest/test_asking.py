"""Questions of many requests: one statement under load, and everybody gets their own answer, or their own error."""

import asyncio
from collections.abc import Sequence

import pytest

from ingest.storage.asking import AskedTogether

pytestmark = pytest.mark.asyncio


class Database:
    """Answers once it is let, and notes which questions came together."""

    def __init__(self) -> None:
        self.statements: list[list[int]] = []
        self.may_answer = asyncio.Event()
        self.asked = AskedTogether(self._answers_to, spoilt_by=(ValueError,))

    async def _answers_to(self, questions: Sequence[int]) -> list[int]:
        self.statements.append(list(questions))
        await self.may_answer.wait()
        if any(question < 0 for question in questions):
            raise ValueError
        if any(question > 1_000 for question in questions):
            raise ConnectionResetError
        return [10 * question for question in questions]

    async def ask(self, questions: Sequence[int]) -> list[int | BaseException]:
        asking: list[asyncio.Task[int]] = []
        for question in questions:
            asking.append(asyncio.create_task(self.asked.ask(question)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        self.may_answer.set()
        return await asyncio.gather(*asking, return_exceptions=True)


async def test_what_comes_while_others_are_answered_is_asked_in_one_statement() -> None:
    database = Database()
    assert await database.ask([1, 2, 3, 4, 5]) == [10, 20, 30, 40, 50]
    assert database.statements == [[1], [2, 3, 4, 5]]


async def test_a_question_that_cannot_be_asked_spoils_no_other_answer() -> None:
    database = Database()
    first, second, spoilt, fourth, fifth = await database.ask([1, 2, -3, 4, 5])
    assert [first, second, fourth, fifth] == [10, 20, 40, 50]
    assert isinstance(spoilt, ValueError)


async def test_an_outage_is_told_to_everybody_who_asked_and_to_nobody_later() -> None:
    database = Database()
    answers = await database.ask([1, 2, 3, 4, 5_000])
    assert {type(answer) for answer in answers if not isinstance(answer, int)} == {ConnectionResetError}
    assert isinstance(answers[-1], ConnectionResetError)
    assert await database.asked.ask(7) == 70


async def test_who_goes_away_takes_nobodys_answer_along() -> None:
    database = Database()
    gone = asyncio.create_task(database.asked.ask(1))
    staying = asyncio.create_task(database.asked.ask(2))
    await asyncio.sleep(0)
    gone.cancel()
    database.may_answer.set()
    assert await staying == 20
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_while_many_ask_they_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.storage.gathering.LATELY_SECONDS", 60.0)
    monkeypatch.setattr("ingest.storage.gathering.APART_SECONDS", 0.5)
    database = Database()
    database.may_answer.set()
    assert await database.asked.ask(1) == 10
    asking = []
    for question in (2, 3, 4):
        asking.append(asyncio.create_task(database.asked.ask(question)))
        await asyncio.sleep(0.02)
    assert await asyncio.gather(*asking) == [20, 30, 40]
    assert database.statements == [[1], [2, 3, 4]]
