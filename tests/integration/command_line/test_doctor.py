"""`switchboard doctor` against a real Kafka and a real PostgreSQL, in order and out of order."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from shared_database.migrations import migrate
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.origin import SCHEMAS
from tests.conftest import PARTITIONS

NOBODY = "127.0.0.1:1"


@dataclass(frozen=True, slots=True)
class Told:
    """What one run of the command said."""

    exit_code: int
    findings: dict[str, tuple[str, str]]
    output: str

    @property
    def failures(self) -> set[str]:
        return {check for check, (status, _) in self.findings.items() if status == "failure"}


def doctor(surroundings: dict[str, str], **changed: str) -> Told:
    command = [sys.executable, "-m", "switchboard_cli", "doctor", "--json"]
    environment = {"PATH": os.defpath} | surroundings | changed
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    findings = {row["check"]: (row["status"], row["detail"]) for row in json.loads(done.stdout)}
    return Told(done.returncode, findings, done.stdout + done.stderr)


@pytest.fixture
def surroundings(kafka_bootstrap_servers: str, postgres_dsn: str, tmp_path: Path) -> dict[str, str]:
    """Settings with which everything is in order."""
    migrate(postgres_dsn, SCHEMAS)
    issuer = DevelopmentIssuer(tmp_path)
    issuer.prepare()
    dsn_file = tmp_path / "dsn"
    dsn_file.write_text(postgres_dsn + "\n", "utf-8")
    return issuer.environment | {
        "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap_servers,
        "SWITCHBOARD_POSTGRES_DSN_FILE": str(dsn_file),
        "SWITCHBOARD_PARTITIONS": str(PARTITIONS),
        "SWITCHBOARD_INGEST_BLOB_URL": (tmp_path / "blobs").as_uri(),
    }


def test_an_installation_in_order_has_no_failures(surroundings: dict[str, str]) -> None:
    told = doctor(surroundings)

    # Other tests leave practices whose sources are gone; a database of its own has none.
    sources = {one for one in told.failures if one.startswith("pm connection ")}
    assert told.failures == sources
    assert told.exit_code == (1 if sources else 0)
    assert {"settings of router", "identity provider", "kafka", "topics", "postgres", "clocks", "blob store"} <= set(
        told.findings
    )
    assert {told.findings[f"{one} encryption"][0] for one in ("kafka", "postgres")} == {"ok"}
    assert {f"migrations of {name}" for name in ("ingest", "router", "notifier", "pm-sync")} <= set(told.findings)


def test_topics_with_fewer_partitions_than_wanted_are_named(surroundings: dict[str, str]) -> None:
    told = doctor(surroundings, SWITCHBOARD_PARTITIONS=str(PARTITIONS + 1))

    assert told.exit_code == 1
    assert told.findings["topic patient-messages"][1].startswith(f"has {PARTITIONS} partitions")


async def test_a_database_that_was_never_migrated_is_said_to_be_so(
    surroundings: dict[str, str], postgres_dsn: str
) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await connection.execute("DROP DATABASE IF EXISTS never_migrated")
        await connection.execute("CREATE DATABASE never_migrated")
        here = await connection.fetchval("SELECT current_database()")
        elsewhere = postgres_dsn.replace(f"/{here}", "/never_migrated")
        told = doctor(surroundings, SWITCHBOARD_POSTGRES_DSN=elsewhere)
        await connection.execute("DROP DATABASE never_migrated")
    finally:
        await connection.close()

    assert told.exit_code == 1
    assert told.failures == {f"migrations of {name}" for name in ("ingest", "router", "notifier", "pm-sync")}


def test_what_does_not_answer_is_named_without_its_password(surroundings: dict[str, str]) -> None:
    told = doctor(
        surroundings,
        SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS=NOBODY,
        SWITCHBOARD_POSTGRES_DSN=f"postgresql://somebody:made-up-password@{NOBODY}/switchboard",
        SWITCHBOARD_JWKS=f"http://{NOBODY}/keys",
    )

    assert told.exit_code == 1
    assert told.failures == {"kafka", "postgres", "identity provider"}
    assert "made-up-password" not in told.output


def test_a_blob_store_that_keeps_nothing_is_a_failure(surroundings: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no folder")

    told = doctor(surroundings, SWITCHBOARD_INGEST_BLOB_URL=(tmp_path / "file" / "blobs").as_uri())

    assert told.failures >= {"blob store"}
    assert told.exit_code == 1


def test_a_missing_setting_is_named(surroundings: dict[str, str]) -> None:
    del surroundings["SWITCHBOARD_JWT_ISSUER"]

    told = doctor(surroundings)

    assert told.findings["settings of notifier"] == ("failure", "missing or bad: jwt_issuer")


async def test_dead_letters_are_counted(surroundings: dict[str, str], kafka_bootstrap_servers: str) -> None:
    def counted() -> int:
        return int(doctor(surroundings).findings["dead letters"][1].partition(":")[0].replace("none", "0"))

    before = counted()
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap_servers) as producer:
        await producer.send_and_wait("patients-dlq", b"no event", headers=[("dlq_topic", b"patients")])

    assert counted() == before + 1
    assert doctor(surroundings).findings["dead letters"][0] == "warning"
