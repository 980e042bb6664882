"""The parts of an installation, each in a process of its own, behind proxies: they can be killed, paused and cut off."""

import asyncio
import os
import signal
import ssl
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from shared_database.migrations import migrate
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.embedded.kafka import Proxied, embedded_kafka
from switchboard_cli.embedded.postgres import embedded_postgres
from switchboard_cli.origin import SCHEMAS
from switchboard_cli.ports import free_port
from switchboard_cli.topics import apply_topics
from tests.faults.nursery import Nursery
from tests.faults.proxy import Proxy

START_SECONDS = 180.0
STOP_SECONDS = 20.0
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
PARTITIONS = 4


@dataclass
class Part:
    """A program that runs until `stop`, and can be started again."""

    name: str
    enter: Callable[[], AbstractAsyncContextManager[str]]
    """Starts it; yields where it answers."""
    is_mine: Callable[[psutil.Process], bool]
    """Recognises its process."""
    address: str = ""
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when it is ready. Raises what its start raises."""
        started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._run(started), name=self.name)
        self.address = await started

    async def stop(self) -> None:
        """End it in order, if it runs."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; False when it does not run."""
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if self.is_mine(process):
                    process.send_signal(number)
                    return True
        return False

    async def die(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it the hard way, and wait until it is gone."""
        self.send(signal.SIGCONT)
        self.send(number)
        await self.stop()

    async def _run(self, started: "asyncio.Future[str]") -> None:
        try:
            async with self.enter() as address:
                if not started.done():
                    started.set_result(address)
                await self._stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)


@dataclass
class Service:
    """An instance of one of the four services. It is started again when it ends, as containers are."""

    name: str
    """`<service>`, or `<service>.<number>` where there is more than one."""
    port: int
    directory: Path
    environment: Mapping[str, str]
    nursery: Nursery
    is_wanted: bool = True
    """Whether it is started again."""
    restarts: int = 0
    last_words: list[str] = field(default_factory=list)
    pid: int = 0
    _task: asyncio.Task[None] | None = None

    @property
    def service(self) -> str:
        return self.name.partition(".")[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._task = asyncio.create_task(self._keep_running(), name=self.name)

    async def stop(self) -> None:
        """End it for good, in order if it can."""
        if self._task is None:
            return
        self.is_wanted = False
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while self.pid:
                    await asyncio.sleep(0.05)
        self.send(signal.SIGKILL)
        self._task.cancel()
        await asyncio.wait([self._task])

    def send(self, number: signal.Signals) -> bool:
        if not self.pid:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    async def is_ready(self) -> bool:
        with suppress(httpx.HTTPError):
            async with plain_http(timeout=2) as http:
                return (await http.get(f"{self.url}/health/ready")).is_success
        return False

    async def _keep_running(self) -> None:
        log = self.directory / f"{self.name}.log"
        command = ("serve", self.service, "--port", self.port)
        while True:
            while not self.is_wanted:
                await asyncio.sleep(0.1)
            self.pid = await self.nursery.start(command, self.environment, log)
            code = await self.nursery.end_of(self.pid)
            self.pid = 0
            self.restarts += 1
            if code > 0:
                lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                self.last_words.append(f"{self.name} ended with {code}: {lines[-1].strip() if lines else 'no word'}")
            await asyncio.sleep(0.5)


@dataclass
class Parts:
    """Everything that runs."""

    directory: Path
    kafka: Part
    postgres: Part
    kafka_proxy: Proxy
    postgres_proxy: Proxy
    services: dict[str, Service]
    issuer: DevelopmentIssuer

    @property
    def postgres_dsn(self) -> str:
        """Past the proxy."""
        return self.postgres.address

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Past the proxy."""
        return self.kafka.address

    async def restart_kafka(self) -> None:
        await self.kafka.start()

    async def restart_postgres(self) -> None:
        await self.postgres.start()
        self.postgres_proxy.upstream_port = _port_of(self.postgres.address)

    def instances(self, service: str) -> list[Service]:
        return [one for one in self.services.values() if one.service == service]

    async def until_ready(self, seconds: float = START_SECONDS) -> None:
        """Raises TimeoutError that names who is not ready."""
        for service in self.services.values():
            await until(service.is_ready, f"{service.name} is ready", seconds)

    async def query(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """As the owner, past the proxy, past row-level security where the owner may."""
        connection = await asyncpg.connect(self.postgres_dsn)
        try:
            return await connection.fetch(sql, *arguments)
        finally:
            await connection.close()


@asynccontextmanager
async def running_parts(
    directory: Path, services: tuple[str, ...], settings: Mapping[str, str] | None = None
) -> AsyncGenerator[Parts]:
    """Start all of it; `services` are the instances that run, `settings` more of their environment."""
    issuer = DevelopmentIssuer(directory / "issuer")
    issuer.prepare()
    async with AsyncExitStack() as running:
        broker_port = free_port()
        kafka_proxy = await running.enter_async_context(Proxy(broker_port))
        proxied = Proxied(broker_port, kafka_proxy.port)
        kafka = _kafka(directory / "kafka", proxied)
        postgres = _postgres(directory / "postgres")
        for part in (kafka, postgres):
            running.push_async_callback(part.stop)
        await asyncio.gather(kafka.start(), postgres.start())
        postgres_proxy = await running.enter_async_context(Proxy(_port_of(postgres.address)))
        await apply_topics(kafka.address, partitions=PARTITIONS, replication=1)
        await asyncio.to_thread(migrate, postgres.address, SCHEMAS)
        environment = {
            **os.environ,
            **issuer.environment,
            "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka_proxy.port}",
            "SWITCHBOARD_POSTGRES_DSN": postgres.address.replace(
                f":{_port_of(postgres.address)}/", f":{postgres_proxy.port}/"
            ),
            "SWITCHBOARD_INGEST_BLOB_URL": (directory / "blobs").as_uri(),
            "SWITCHBOARD_PM_SYNC_MLLP_PORT": "0",
            **(settings or {}),
        }
        nursery = await running.enter_async_context(Nursery(directory))
        found = {name: Service(name, free_port(), directory, environment, nursery) for name in services}
        for service in found.values():
            await service.start()
            running.push_async_callback(service.stop)
        parts = Parts(directory, kafka, postgres, kafka_proxy, postgres_proxy, found, issuer)
        await parts.until_ready()
        yield parts


@contextmanager
def open_directory() -> Generator[Path]:
    """A directory that everybody may pass: as root PostgreSQL runs as somebody else."""
    with tempfile.TemporaryDirectory(prefix="switchboard-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


def plain_http(**options: Any) -> httpx.AsyncClient:  # noqa: ANN401 - httpx's own
    """A client without certificates to check: loading the world's would cost 50 ms of a CPU each time."""
    return httpx.AsyncClient(verify=_NO_CERTIFICATES, trust_env=False, **options)


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
    """Wait for a condition. Raises TimeoutError that says which."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.1)
    except TimeoutError:
        message = f"not within {seconds:.0f} s: {what}"
        raise TimeoutError(message) from None


def _kafka(directory: Path, proxied: Proxied) -> Part:
    def is_mine(process: psutil.Process) -> bool:
        command = process.cmdline()
        return "kafka.Kafka" in command and str(directory / "server.properties") in command

    return Part(
        "Kafka",
        lambda: embedded_kafka(directory, progress=_silently, heap="384m", proxied=proxied),
        is_mine,
    )


def _postgres(directory: Path) -> Part:
    def is_mine(process: psutil.Process) -> bool:
        command = process.cmdline()
        return len(command) > 2 and command[0].endswith("/postgres") and any(str(directory) in one for one in command)

    return Part("PostgreSQL", lambda: embedded_postgres(directory, progress=_silently), is_mine)


def _port_of(address: str) -> int:
    return int(address.rsplit(":", 1)[1].partition("/")[0])


def _silently(_step: str, _detail: str) -> None:
    return
