"""An engine that cannot start ends: its process says why and is started again, instead of waiting for itself."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError

from shared_database import DatabaseLogin, create_pool
from shared_messaging import Engine, KafkaConnection, Publisher, Subscription
from shared_schemas import topics
from tests.faults.proxy import Proxy

from .conftest import SCHEMA, Stage

pytestmark = pytest.mark.asyncio


@dataclass
class Doorkeeper(Proxy):
    """Lets nobody in any more at a certain moment. Whoever was in goes on without it, at Kafka's own address."""

    is_open: Callable[[], bool] = lambda: True
    refused: int = 0

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_open():
            await super()._accept(reader, writer)
        else:
            self.refused += 1
            writer.transport.abort()


async def test_when_one_consumer_cannot_start_those_before_it_are_stopped_too(stage: Stage) -> None:
    port = int(stage.kafka.bootstrap_servers.rsplit(":", 1)[1])
    second = replace(topics.APPOINTMENTS, name=stage.output)
    admin = AIOKafkaAdminClient(**stage.kafka.options)
    await admin.start()
    await admin.create_topics([NewTopic(second.dead_letters, 1, 1)])
    await admin.close()
    tasks = asyncio.all_tasks()
    async with Doorkeeper(port) as door, Publisher(stage.kafka) as publisher, asyncio.timeout(60):
        kafka = KafkaConnection(f"127.0.0.1:{door.port}", "test")
        async with await create_pool(DatabaseLogin(stage.dsn, SCHEMA), min_size=0, max_size=12) as pool:
            subscriptions = [
                Subscription((stage.topic,), stage.handle, "first"),
                Subscription((second,), stage.handle, "second"),
            ]
            engine = Engine(
                "test", subscriptions, kafka=kafka, pool=pool, publisher=publisher, on_stopped=stage.stopped.append
            )

            def started() -> int:
                return len([one for one in engine.broker.subscribers if getattr(one, "consumer", None) is not None])

            door.is_open = lambda: started() < len(subscriptions)
            with pytest.raises(KafkaConnectionError):
                await engine.__aenter__()
            assert (door.refused > 0, started()) == (True, 0)
    left = {task.get_name() for task in asyncio.all_tasks() - tasks if not task.done()}
    assert left == set()
