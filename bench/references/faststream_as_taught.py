"""FastStream as its documentation teaches it: a pydantic model, a subscriber for each record, `@publisher`; and one
upsert into PostgreSQL for each message, so that a restart knows the conversations. At most once.
"""

import asyncio
from typing import Any

import asyncpg
from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from pydantic import BaseModel

from bench.references.deciding import decide
from bench.references.errand import Errand

ERRAND = Errand.of_arguments()
broker = KafkaBroker(ERRAND.servers, logger=None)
app = FastStream(broker, logger=None)
conversations: dict[str, dict[str, Any]] = {}
pools: list[asyncpg.Pool] = []


class Message(BaseModel):
    """A patient's message."""

    practice_id: str
    patient_id: str
    message_id: str
    channel: str
    received_at: str
    body: str
    requested_reason_id: str | None = None


@app.on_startup
async def connect() -> None:
    """A pool, and a table to keep the conversations in."""
    pools.append(await asyncpg.create_pool(ERRAND.dsn))
    await pools[0].execute("CREATE TABLE IF NOT EXISTS bench_conversation (id text PRIMARY KEY, reason text, at text)")


@broker.subscriber(ERRAND.source, group_id=f"bench-taught-{ERRAND.directory}", auto_offset_reset="earliest")
@broker.publisher(ERRAND.target)
async def on_message(message: Message, raw: KafkaMessage) -> dict[str, Any]:
    """Decide one message and keep its conversation."""
    del raw
    key = f"{message.practice_id}/{message.patient_id}"
    routed, conversations[key] = decide(message.model_dump(), conversations.get(key, {}))
    await pools[0].execute(
        "INSERT INTO bench_conversation VALUES ($1, $2, $3) "
        "ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, at = excluded.at",
        key,
        conversations[key]["reason"],
        conversations[key]["last_message_at"],
    )
    if ERRAND.did(1):
        app.exit()
    return routed


asyncio.run(app.run())
