"""A consumer that is killed after its batch is written and before anything is sent. Run by `test_takeover`."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta

from shared_database import DatabaseLogin, create_pool
from shared_messaging import Batch, Engine, EngineOptions, KafkaConnection, Outgoing, Publisher, Subscription
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.topics import Topic


class Killer(Publisher):
    """Ends the process the hard way at the first send."""

    async def send(self, messages: Sequence[Outgoing], *, timeout: timedelta | None = None) -> None:  # noqa: ARG002, ASYNC109
        os.kill(os.getpid(), signal.SIGKILL)


async def main(bootstrap_servers: str, dsn: str, schema: str, name: str, sql: str) -> None:
    topic = Topic(name, "practice/patient", (MessageReceivedV1,), ("ingest",), ("router",), None)
    kafka = KafkaConnection(bootstrap_servers, "dying")

    async def handle(batch: Batch) -> None:
        received = batch.events(MessageReceivedV1)
        await batch.write(
            sql,
            [event.practice_id for _, event in received],
            [event.message_id for _, event in received],
            [record.partition for record, _ in received],
            [record.offset for record, _ in received],
            publish=[
                Outgoing(f"{name}-out", record.key, event.message_id.encode(), (("pid", str(os.getpid()).encode()),))
                for record, event in received
            ],
        )

    async with await create_pool(DatabaseLogin(dsn, schema), max_size=10) as pool, Killer(kafka) as publisher:
        subscriptions = [Subscription((topic,), handle, name)]
        options = EngineOptions(session_timeout=timedelta(seconds=6))  # the least that brokers allow
        async with Engine(
            "test", subscriptions, kafka=kafka, pool=pool, publisher=publisher, on_stopped=print, options=options
        ):
            await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
