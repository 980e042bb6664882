"""Questions that many requests ask at the same time, as few statements."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ingest.storage.gathering import Gathering

Q = TypeVar("Q")
A = TypeVar("A")

MOST = 100
"""Questions of one statement."""


class AskedTogether(Generic[Q, A]):
    """Asks for whoever comes: at once while few come, and in one statement for all who came since the last one began.

    `answers_to` gives the answers in the order of the questions. What it raises is raised to everybody who asked; but who
    asked something that it cannot take spoils nobody else's answer: each is asked alone then.
    """

    def __init__(
        self, answers_to: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, spoilt_by: tuple[type[Exception], ...]
    ) -> None:
        self._answers_to = answers_to
        self._spoilt_by = spoilt_by
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._gathering = Gathering()

    async def ask(self, question: Q) -> A:
        """The answer, as it was after this was asked."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        self._gathering.came()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all(), name="questions")
        return await answer

    async def _ask_all(self) -> None:
        while self._waiting:
            await self._gathering.round()
            together, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            await self._tell(together)

    async def _tell(self, together: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._answers_to([question for question, _ in together])
        except self._spoilt_by as error:
            if len(together) > 1:
                for one in together:
                    await self._tell([one])
            else:
                _fail(together, error)
        except Exception as error:  # noqa: BLE001 - whoever asked decides what it means
            _fail(together, error)
        else:
            for (_, waiter), answer in zip(together, answers, strict=True):
                if not waiter.done():
                    waiter.set_result(answer)


def _fail(together: Sequence[tuple[Q, "asyncio.Future[A]"]], error: Exception) -> None:
    for _, waiter in together:
        if not waiter.done():
            waiter.set_exception(error)
