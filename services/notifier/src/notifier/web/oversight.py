"""What `/operations` shows of the whole way of a message: for administrators of their practice, and for operators.

Figures of topics and consumers are of the whole installation; dead letters are those of the practice.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from prometheus_client import REGISTRY
from pydantic import BaseModel, ConfigDict, Field

from shared_messaging import KafkaConnection, MissingTopics, Publisher, PublishFailed
from shared_messaging.connection import OUTAGES
from shared_messaging.overseeing import KeptLetter, dead_letters_of, flow_of
from shared_web import Principal, Problem
from shared_web.principals import overseer

MOST_LETTERS = 200
AWAY: tuple[type[Exception], ...] = (*OUTAGES, MissingTopics)


@dataclass(frozen=True, slots=True)
class Oversight:
    """What the endpoints work with."""

    kafka: KafkaConnection
    publisher: Publisher
    clock: Callable[[], datetime]


class Replay(BaseModel):
    """Which dead letters to put back, as `GET /v1/operations/dead-letters` names them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    positions: Annotated[list[str], Field(min_length=1, max_length=MOST_LETTERS)]


Overseer = Annotated[Principal, Depends(overseer)]


def routes(ask: Callable[[], Oversight]) -> APIRouter:
    """`/v1/operations`. `ask` is asked at each request: what it gives exists only while the app runs."""
    router = APIRouter(prefix="/v1/operations")

    @router.get("")
    async def read_flow(_: Overseer) -> dict[str, Any]:
        """How much was written to each topic, how far each consumer is, and this instance's staff streams."""
        parts = ask()
        try:
            flow = await flow_of(parts.kafka)
        except AWAY:
            raise _away() from None
        return {
            "at": parts.clock(),
            "topics": [asdict(one) for one in flow.topics],
            "consumers": [asdict(one) for one in flow.consumers],
            "streams": {
                "open": REGISTRY.get_sample_value("switchboard_staff_streams") or 0,
                "resets": _total("switchboard_stream_resets_total"),
                "cut": _total("switchboard_streams_cut_total"),
            },
        }

    @router.get("/dead-letters")
    async def list_letters(caller: Overseer) -> list[dict[str, Any]]:
        """The newest dead letters, without what is in them: it may be about a patient."""
        return [
            {
                "position": one.position,
                "at": one.at,
                "topic": one.original_topic,
                "error": one.error,
                "reason": one.reason,
            }
            for one in await _letters(ask(), caller)
        ]

    @router.post("/dead-letters/replay")
    async def replay_letters(caller: Overseer, body: Replay) -> dict[str, int]:
        """Put dead letters back to their topics, byte for byte. A second time does no harm: ids stay the same."""
        parts = ask()
        wanted = set(body.positions)
        found = [one.original for one in await _letters(parts, caller) if one.position in wanted]
        if len(found) < len(wanted):
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such dead letter for you")
        try:
            await parts.publisher.send(found)
        except PublishFailed:
            title = "Kafka did not take it from here: try again, or use `switchboard dlq replay`"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, title) from None
        return {"replayed": len(found)}

    return router


async def _letters(parts: Oversight, caller: Principal) -> list[KeptLetter]:
    try:
        return await dead_letters_of(parts.kafka, caller.practice_id, most=MOST_LETTERS)
    except AWAY:
        raise _away() from None


def _total(name: str) -> dict[str, float]:
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples if sample.name == name)
    return {sample.labels["reason"]: sample.value for sample in samples}


def _away() -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Kafka does not answer: try again")
