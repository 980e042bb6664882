"""What the doctor says of connections that somebody could listen to."""

import ssl

import pytest

from switchboard_cli.wires import safety_of_kafka, safety_of_postgres

TLS = {"ssl_context": ssl.create_default_context()}


@pytest.mark.parametrize(
    ("dsn", "is_encrypted", "status"),
    [
        ("postgresql://switchboard@postgres/switchboard", False, "ok"),
        ("postgresql://switchboard@127.0.0.1:5432/switchboard", False, "ok"),
        ("postgresql://switchboard@[::1]:5432/switchboard", False, "ok"),
        ("postgresql:///switchboard?host=/var/run/postgresql", False, "ok"),
        ("postgresql://switchboard@db.example.org/switchboard", False, "warning"),
        ("postgresql://switchboard@10.0.0.7/switchboard", False, "warning"),
        ("postgresql://switchboard@postgres,10.0.0.7:5433/switchboard", False, "warning"),
        ("postgresql://switchboard@db.example.org/switchboard?sslmode=prefer", True, "warning"),
        ("postgresql://switchboard@db.example.org/switchboard?sslmode=require", True, "warning"),
        ("postgresql://switchboard@db.example.org/switchboard?sslmode=verify-full&sslrootcert=x", True, "ok"),
    ],
)
def test_a_postgresql_on_another_machine_is_encrypted_and_known(dsn: str, status: str, *, is_encrypted: bool) -> None:
    said = safety_of_postgres(dsn, is_encrypted=is_encrypted)

    assert said[0] == status
    assert "example" not in said[1]


@pytest.mark.parametrize(
    ("servers", "options", "status"),
    [
        ("kafka:9092", {}, "ok"),
        ("127.0.0.1:9092,[::1]:9093", {}, "ok"),
        ("kafka:9092,kafka.example.org:9092", {}, "warning"),
        ("10.0.0.7:9092", {"security_protocol": "SASL_PLAINTEXT"}, "warning"),
        ("kafka.example.org:9093", {"security_protocol": "SASL_SSL", **TLS}, "ok"),
        ("kafka.example.org:9093", {"security_protocol": "SSL", **TLS}, "ok"),
    ],
)
def test_a_kafka_on_another_machine_is_encrypted(servers: str, options: dict[str, object], status: str) -> None:
    assert safety_of_kafka(servers, options)[0] == status
