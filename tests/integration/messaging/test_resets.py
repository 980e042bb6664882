"""Connections that are reset in the wrong moment, on the event loop that services run on."""

import asyncio

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

import shared_messaging  # noqa: F401 - it is what is tested
from tests.faults.proxy import Proxy

CONNECTIONS = 10


def test_a_write_to_a_connection_that_was_just_reset_fails_like_any_other(kafka_bootstrap_servers: str) -> None:
    """Any other error ends the tasks of aiokafka that write, and nobody starts them again."""
    uvloop.run(write_while_they_are_reset(int(kafka_bootstrap_servers.rsplit(":", 1)[1])))


async def write_while_they_are_reset(port: int) -> None:
    async with Proxy(port) as proxy, asyncio.timeout(30):
        for _ in range(CONNECTIONS):
            connection = await create_conn("127.0.0.1", proxy.port)
            proxy.reset()
            answers: list[asyncio.Future[object]] = []
            with pytest.raises(KafkaConnectionError):
                await write_for_ever(connection, answers)
            await asyncio.gather(*answers, return_exceptions=True)
            assert not connection.connected()


async def write_for_ever(connection: AIOKafkaConnection, answers: "list[asyncio.Future[object]]") -> None:
    """At each turn of the loop: one of them is between the reset and its being noticed."""
    while True:
        answers.append(asyncio.ensure_future(connection.send(MetadataRequest([]))))
        await asyncio.sleep(0)
