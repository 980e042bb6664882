"""The embedded Kafka and PostgreSQL: they start, keep their data, and never outlive whoever started them."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from switchboard_cli.embedded.stack import embedded_stack
from switchboard_cli.failures import Failed
from switchboard_cli.topics import apply_topics

if TYPE_CHECKING:
    from collections.abc import Generator

OWNER = """
import asyncio, sys
from pathlib import Path
from switchboard_cli.embedded.stack import embedded_stack

async def main():
    async with embedded_stack(Path(sys.argv[1]), progress=lambda step, detail: print(step, detail, flush=True)):
        print("running", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
GONE_SECONDS = 20


def quiet(_step: str, _detail: str) -> None:
    """Nobody watches."""


async def send(bootstrap_servers: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait("patient-messages", value, partition=0)
    finally:
        await producer.stop()


async def first_record(bootstrap_servers: str) -> bytes | None:
    consumer = AIOKafkaConsumer("patient-messages", bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return (await asyncio.wait_for(consumer.getone(), 20)).value
    finally:
        await consumer.stop()


async def test_a_second_start_on_the_same_directory_finds_the_data_of_the_first(open_directory: Path) -> None:
    async with embedded_stack(open_directory, progress=quiet) as stack:
        await apply_topics(stack.kafka_bootstrap_servers, partitions=1, replication=1)
        await send(stack.kafka_bootstrap_servers, b"kept")
        connection = await asyncpg.connect(stack.postgres_dsn)
        await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        await connection.close()

    async with embedded_stack(open_directory, progress=quiet) as stack:
        connection = await asyncpg.connect(stack.postgres_dsn)
        answer = await connection.fetchval("SELECT answer FROM kept")
        await connection.close()
        record = await first_record(stack.kafka_bootstrap_servers)

    assert answer == 42
    assert record == b"kept"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_an_owner_that_is_killed(open_directory: Path, number: signal.Signals) -> None:
    with owner_of(open_directory, until="running") as owner:
        children = psutil.Process(owner.pid).children(recursive=True)
        os.kill(owner.pid, number)
        owner.wait(timeout=GONE_SECONDS)

    _, alive = psutil.wait_procs(children, timeout=GONE_SECONDS)
    assert len(children) >= 2
    assert not alive


def test_an_owner_that_is_killed_while_starting_leaves_nothing(open_directory: Path) -> None:
    with owner_of(open_directory, until="Kafka starting") as owner:
        children = psutil.Process(owner.pid).children(recursive=True)

    _, alive = psutil.wait_procs(children, timeout=GONE_SECONDS)
    assert not alive


async def test_a_directory_in_use_is_refused_in_one_line_that_names_the_process(open_directory: Path) -> None:
    with (
        owner_of(open_directory, until="running") as owner,
        pytest.raises(Failed, match=f"in use by process {owner.pid}: stop it"),
    ):
        async with embedded_stack(open_directory, progress=quiet):
            pass


@contextmanager
def owner_of(directory: Path, *, until: str) -> "Generator[subprocess.Popen[str]]":
    """A process that runs a stack, once it has said `until`; killed at the end if it is still there."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", OWNER, str(directory)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        try:
            assert any(line.strip() == until for line in owner.stdout), "the owner ended early"
            yield owner
        finally:
            owner.kill()
