"""Connections to PostgreSQL and Kafka that somebody could listen to: encrypted, and only to whom we mean."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared_database import DatabaseLogin, create_pool
from shared_database.migrations import migrate
from shared_messaging import KafkaConnection
from shared_web.settings import KafkaLogin
from switchboard_cli.embedded.kafka import Proxied, embedded_kafka
from switchboard_cli.origin import SCHEMAS
from switchboard_cli.ports import free_port

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""https://www.postgresql.org/docs/current/protocol-message-formats.html"""
Upgrade = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def certificate(directory: Path, name: str, address: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """A certificate that is its own authority, for an address: its file, and what a server is given."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = directory / f"{name}.pem", directory / f"{name}.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


@asynccontextmanager
async def passing_on(
    port: int, to: int, *, context: ssl.SSLContext | None = None, upgrade: Upgrade | None = None
) -> AsyncGenerator[int]:
    """A server that ends TLS and passes on what is inside."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if upgrade is not None:
                await upgrade(reader, writer)
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", to)
            await asyncio.gather(copy(reader, behind_writer), copy(behind_reader, writer))

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while content := await source.read(65_536):
                target.write(content)
                await target.drain()
        target.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def encrypted_postgres(dsn: str, context: ssl.SSLContext) -> AsyncGenerator[str]:
    """PostgreSQL's way to TLS before a server that has none: its DSN without `sslmode`."""

    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST
        writer.write(b"S")
        await writer.start_tls(context)

    before, _, rest = dsn.rpartition(":")
    port, _, database = rest.partition("/")
    async with passing_on(0, int(port), upgrade=upgrade) as listening:
        yield f"{before}:{listening}/{database}"


async def asks(dsn: str, authority: Path) -> int:
    login = DatabaseLogin(f"{dsn}?sslmode=verify-full&sslrootcert={authority}", "router")
    async with await create_pool(login, min_size=0) as pool:
        return int(await pool.fetchval("SELECT 1"))


async def test_postgresql_is_asked_over_tls_when_its_certificate_is_the_one_we_trust(
    postgres_dsn: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(migrate, postgres_dsn, SCHEMAS)
    authority, context = certificate(tmp_path, "ours")
    async with encrypted_postgres(postgres_dsn, context) as dsn:
        answered = await asks(dsn, authority)
        await asyncio.to_thread(migrate, f"{dsn}?sslmode=verify-full&sslrootcert={authority}", SCHEMAS)

    assert answered == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"], ids=["another authority", "another address"])
async def test_a_postgresql_that_is_not_the_one_we_mean_is_told_nothing(
    postgres_dsn: str, tmp_path: Path, address: str
) -> None:
    trusted, _ = certificate(tmp_path, "trusted")
    shown, context = certificate(tmp_path, "shown", address)
    async with encrypted_postgres(postgres_dsn, context) as dsn:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asks(dsn, trusted if address == "127.0.0.1" else shown)


async def test_a_postgresql_without_tls_is_told_nothing(postgres_dsn: str, tmp_path: Path) -> None:
    trusted, _ = certificate(tmp_path, "trusted")

    with pytest.raises(ConnectionError):
        await asks(postgres_dsn, trusted)


async def topics_seen(bootstrap_servers: str, authority: Path) -> set[str]:
    kafka = KafkaConnection(bootstrap_servers, "test", KafkaLogin(kafka_ca=authority).kafka_security)
    consumer = AIOKafkaConsumer(**kafka.options)
    try:
        await consumer.start()
        return set(await consumer.topics())
    finally:
        await consumer.stop()


@pytest.mark.slow
async def test_kafka_is_asked_over_tls_and_only_the_one_we_mean(open_directory: Path) -> None:
    authority, context = certificate(open_directory, "ours")
    stranger, _ = certificate(open_directory, "stranger")
    proxied = Proxied(free_port(), free_port())
    async with (
        embedded_kafka(open_directory / "kafka", progress=lambda _step, _detail: None, proxied=proxied),
        passing_on(proxied.proxy_port, proxied.port, context=context) as port,
    ):
        seen = await topics_seen(f"127.0.0.1:{port}", authority)
        with pytest.raises(KafkaConnectionError):
            await topics_seen(f"127.0.0.1:{port}", stranger)

    assert seen == set()
