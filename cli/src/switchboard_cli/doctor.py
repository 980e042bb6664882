"""Looks an installation over from outside: what it was told, what it can reach, and whether that is as it must be.

A finding never holds a password, a host's answer or anything of a patient's: the operator may send it to somebody else.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from socket import SOCK_STREAM, gaierror
from typing import Any, Literal

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import SQLAlchemyError

import ingest.settings
import notifier.settings
import pm_sync.settings
import router.settings
from ingest.adapters.blobs import BLOB_FAILURES, Blobs
from pm_sync.status import State, state_of
from pm_sync.storage.connections import StoredConnection, connections_of
from shared_database import DatabaseLogin, create_pool
from shared_database.migrations import current_revision, is_migrated, newest_revision
from shared_messaging import partition_counts
from shared_schemas.topics import CATALOGUE
from shared_web import Problem, TokenVerifier
from shared_web.settings import UnreadableSetting, given, what_is_wrong
from switchboard_cli.connecting import kafka_at
from switchboard_cli.failures import Failed
from switchboard_cli.origin import SCHEMAS
from switchboard_cli.topics import check_topics
from switchboard_cli.wires import safety_of_kafka, safety_of_postgres

Status = Literal["ok", "warning", "failure"]

STYLES: Mapping[Status, str] = {"ok": "green", "warning": "yellow", "failure": "red"}
"""How each looks on a terminal."""
PATIENCE_SECONDS = 15
"""How long one question may take."""
CLOCK_WARNING = timedelta(seconds=1)
CLOCK_FAILURE = timedelta(seconds=30)
"""Beyond this, tokens that are valid are refused (`shared_web.principals.CLOCK_SKEW_SECONDS`)."""
STALE_AFTER = timedelta(hours=24)
"""The freshness limit that a practice has unless it chose another: rule L6."""
_PM_STATES: Mapping[State, Status] = {"ok": "ok", "new": "warning", "late": "warning", "failing": "failure"}

SETTINGS: Mapping[str, type[BaseModel]] = {
    "ingest": ingest.settings.Settings,
    "router": router.settings.Settings,
    "notifier": notifier.settings.Settings,
    "pm-sync": pm_sync.settings.Settings,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look has found."""

    check: str
    status: Status
    detail: str

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


async def examine(*, partitions: int) -> AsyncGenerator[Finding]:
    """Look at everything that the environment names, one after the other; what cannot be looked at is a failure.

    `partitions` is how many each topic must have at least.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it repeats what the finding says
    for finding in _settings():
        yield finding
    # Before the others: a process that ends right after it is aborted now and then, by what obstore still has to put away.
    for finding in await _found("blob store", _blob_store()):
        yield finding
    looks: list[tuple[str, str, Callable[[str], Awaitable[list[Finding]]]]] = [
        ("identity provider", "SWITCHBOARD_JWT_ISSUER", _identity_provider),
        ("kafka", "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS", lambda servers: _kafka(servers, partitions)),
        ("postgres", "SWITCHBOARD_POSTGRES_DSN", _postgres),
    ]
    for name, variable, look in looks:
        for finding in await _found(name, _looked_at(name, variable, look)):
            yield finding
    for url in given("SWITCHBOARD_URL"):
        for finding in await _found("gateway", _gateway(url)):
            yield finding
    for address in next(given("SWITCHBOARD_SERVICES"), "").split():
        for finding in await _found(f"service {address.partition(':')[0]}", _service(address)):
            yield finding


def _settings() -> Iterator[Finding]:
    for service, settings in SETTINGS.items():
        try:
            settings.model_validate({})
        except ValidationError as error:
            yield Finding(f"settings of {service}", "failure", f"missing or bad: {what_is_wrong(error)}")
        except UnreadableSetting as error:
            yield Finding(f"settings of {service}", "failure", str(error))
        else:
            yield Finding(f"settings of {service}", "ok", "complete")


async def _looked_at(name: str, variable: str, look: Callable[[str], Awaitable[list[Finding]]]) -> list[Finding]:
    """What a look at a variable's value finds."""
    value = next(given(variable), None)
    if value is None:
        return [Finding(name, "failure", f"not looked at: {variable} is not set")]
    return await look(value)


async def _found(name: str, looking: Awaitable[list[Finding]]) -> list[Finding]:
    """What a look finds, or that it could not look. Errors of the other side are named, never quoted."""
    try:
        return await asyncio.wait_for(looking, PATIENCE_SECONDS)
    except TimeoutError:
        return [Finding(name, "failure", f"does not answer within {PATIENCE_SECONDS} s")]
    except (Failed, UnreadableSetting) as error:
        return [Finding(name, "failure", str(error))]
    except gaierror:
        return [Finding(name, "failure", "there is nobody of this name: does it run?")]
    except (KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError, OSError, ValueError) as error:
        return [Finding(name, "failure", f"cannot be reached or refuses: {type(error).__name__}")]


async def _blob_store() -> list[Finding]:
    """Where the services that are looked at keep files: it is tried with one of its own."""
    field = ingest.settings.Settings.model_fields["blob_url"]
    url: str = next(given("SWITCHBOARD_INGEST_BLOB_URL"), field.default)
    kind = url.partition(":")[0]
    try:
        await Blobs(url).try_out()
    except BLOB_FAILURES as error:
        detail = f"SWITCHBOARD_INGEST_BLOB_URL ({kind}) cannot be written and read: {type(error).__name__}"
        return [Finding("blob store", "failure", detail)]
    return [Finding("blob store", "ok", f"{kind}: what is kept can be read again")]


async def _identity_provider(issuer: str) -> list[Finding]:
    """A token of nobody's is refused only by somebody who has the keys."""
    jwks = next(given("SWITCHBOARD_JWKS"), None)
    try:
        await TokenVerifier(jwks, issuer=issuer, audience="doctor").verify("not-a-token")
    except Problem as problem:
        if problem.status == HTTPStatus.UNAUTHORIZED:
            return [Finding("identity provider", "ok", "its keys can be read")]
        return [Finding("identity provider", "failure", problem.title)]
    raise AssertionError


async def _kafka(bootstrap_servers: str, partitions: int) -> list[Finding]:
    admin = AIOKafkaAdminClient(**kafka_at(bootstrap_servers).options)
    try:
        await admin.start()
        brokers = (await admin.describe_cluster())["brokers"]
    except KafkaConnectionError:
        await _check_nobody_listens(bootstrap_servers)
        raise
    finally:
        await admin.close()
    differences = await check_topics(bootstrap_servers, partitions=partitions)
    letters = await _dead_letters(bootstrap_servers)
    return [
        Finding("kafka", "ok", f"{len(brokers)} broker{'s' if len(brokers) > 1 else ''}"),
        Finding("kafka encryption", *safety_of_kafka(bootstrap_servers, kafka_at(bootstrap_servers).options)),
        *(Finding(f"topic {one.topic}", "failure", one.problem) for one in differences),
        *([] if differences else [Finding("topics", "ok", f"as the catalogue wants them, {partitions} partitions")]),
        Finding(
            "dead letters", "warning" if letters else "ok", f"{letters}: switchboard dlq list" if letters else "none"
        ),
    ]


async def _check_nobody_listens(bootstrap_servers: str) -> None:
    """A broker that is away and one that does not let us in are the same to aiokafka. Raises `Failed` for the latter."""
    host, _, port = bootstrap_servers.partition(",")[0].rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.close()
    message = "it listens and does not let us in: are user, password and encryption those that Kafka knows?"
    raise Failed(message)


async def _dead_letters(bootstrap_servers: str) -> int:
    """How many records the dead-letter topics hold, those that were put back among them."""
    kafka = kafka_at(bootstrap_servers)
    async with AIOKafkaConsumer(**kafka.options) as consumer:
        there = await consumer.topics()
        names = [topic.dead_letters for topic in CATALOGUE if topic.dead_letters in there]
        counts = await partition_counts(kafka, names, patience=timedelta())
        parts = [TopicPartition(name, part) for name, count in counts.items() for part in range(count)]
        if not parts:
            return 0
        starts, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
        return sum(ends[part] - starts[part] for part in parts)


async def _postgres(dsn: str) -> list[Finding]:
    connection = await asyncpg.connect(dsn, timeout=PATIENCE_SECONDS)
    try:
        version = connection.get_server_version()
        is_encrypted = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        before = datetime.now(UTC)
        theirs = await connection.fetchval("SELECT clock_timestamp()")
        after = datetime.now(UTC)
        practices = await _practices_with_connections(connection)
        waiting = await _waiting_for_kafka(connection)
    finally:
        await connection.close()
    return [
        Finding("postgres", "ok", f"PostgreSQL {version.major}.{version.micro}"),
        Finding("postgres encryption", *safety_of_postgres(dsn, is_encrypted=bool(is_encrypted))),
        clock_finding(theirs - (before + (after - before) / 2)),
        *[await asyncio.to_thread(_revision, dsn, number) for number in range(len(SCHEMAS))],
        *waiting,
        *await _pm_connections(dsn, practices),
    ]


async def _waiting_for_kafka(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Finding]:
    """What ingest has accepted and could not hand to Kafka yet."""
    if await connection.fetchval("SELECT to_regclass('ingest.spooled')") is None:
        return []
    row = await connection.fetchrow("SELECT count(*) AS size, now() - min(spooled_at) AS age FROM ingest.spooled")
    if row is None or not row["size"]:
        return [Finding("messages kept for Kafka", "ok", "none")]
    seconds = row["age"] // timedelta(seconds=1)
    return [Finding("messages kept for Kafka", "warning", f"{row['size']}, the first for {seconds} s")]


async def _gateway(url: str) -> list[Finding]:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        try:
            answer = await http.get(f"{url.rstrip('/')}/health/live")
        except httpx.HTTPError as error:
            return [Finding("gateway", "failure", f"does not answer: {type(error).__name__}. Does it run?")]
    if answer.is_success:
        return [Finding("gateway", "ok", "answers")]
    return [Finding("gateway", "failure", f"answers {answer.status_code}")]


async def _service(address: str) -> list[Finding]:
    """Each process that the name leads to is asked whether it makes progress."""
    name, _, port = address.partition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, int(port), type=SOCK_STREAM)
    except OSError:
        return [Finding(f"service {name}", "failure", "none runs: there is nobody of this name")]
    places = sorted({str(place[0]) for *_, place in found})
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        problems = [await _not_ready(http, f"[{place}]" if ":" in place else place, port) for place in places]
    bad = [problem for problem in problems if problem]
    if bad:
        return [Finding(f"service {name}", "failure", f"{len(bad)} of {len(places)}: {'; '.join(sorted(set(bad)))}")]
    return [Finding(f"service {name}", "ok", f"{len(places)} ready" if len(places) > 1 else "ready")]


async def _not_ready(http: httpx.AsyncClient, place: str, port: str) -> str | None:
    try:
        answer = await http.get(f"http://{place}:{port}/health/ready")
        checks: dict[str, str] = answer.json()["checks"]
    except (httpx.HTTPError, ValueError, KeyError):
        return "does not answer"
    if answer.is_success:
        return None
    return "not ready: " + ", ".join(f"{name}: {said}" for name, said in checks.items() if said != "ok")


def clock_finding(difference: timedelta) -> Finding:
    """What to say of PostgreSQL's clock being `difference` ahead of ours."""
    size = abs(difference)
    status: Status = "ok" if size < CLOCK_WARNING else "warning" if size < CLOCK_FAILURE else "failure"
    side = "ahead of" if difference > timedelta() else "behind"
    return Finding("clocks", status, f"PostgreSQL's is {size.total_seconds():.3f} s {side} this machine's")


def _revision(dsn: str, number: int) -> Finding:
    schema = SCHEMAS[number]
    has, wants = current_revision(dsn, schema), newest_revision(schema)
    name = f"migrations of {schema.schema.replace('_', '-')}"
    if has == wants:
        return Finding(name, "ok", wants)
    if is_migrated(dsn, schema):
        return Finding(name, "ok", f"at {has}, which is newer than this code's {wants}: a later release was here")
    return Finding(name, "failure", f"at {has or 'nothing'}, this code wants {wants}: switchboard migrate")


async def _practices_with_connections(connection: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    if await connection.fetchval("SELECT to_regclass('pm_sync.connection_owner')") is None:
        return []
    rows = await connection.fetch("SELECT DISTINCT practice_id FROM pm_sync.connection_owner ORDER BY 1")
    return [row["practice_id"] for row in rows]


async def _pm_connections(dsn: str, practices: list[str]) -> list[Finding]:
    if not practices:
        return [Finding("pm connections", "ok", "none")]
    now = datetime.now(UTC)
    async with await create_pool(DatabaseLogin(dsn, "pm_sync"), min_size=0, max_size=1) as pool:
        return [
            pm_finding(one, practice, now) for practice in practices for one in await connections_of(pool, practice)
        ]


def pm_finding(connection: StoredConnection, practice_id: str, now: datetime) -> Finding:
    """How one connection to a practice-management system goes. Its problem is in words of ours, with nothing of theirs."""
    name = f"pm connection {practice_id}/{connection.connection_id}"
    state = state_of(connection, now)
    said = connection.last_problem or "nothing has come yet"
    if connection.last_success_at is not None:
        age = now - connection.last_success_at
        said = f"last success {age // timedelta(minutes=1)} min ago" + (f": {said}" if state == "failing" else "")
        if age > STALE_AFTER:
            return Finding(name, "failure", f"{said}: appointments count as stale")
    return Finding(name, _PM_STATES[state], said)
