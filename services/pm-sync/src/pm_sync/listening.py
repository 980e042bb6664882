"""HL7 v2 over MLLP: messages are answered once they are kept, whatever they are."""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import Counter, Gauge

from pm_sync.adapters.hl7.answer import Code, acknowledgement
from pm_sync.adapters.hl7.framing import LARGEST, BadFraming, framed, read_block
from pm_sync.adapters.hl7.message import Message, NoMessage
from pm_sync.adapters.hl7.scheduling import Hl7Form, NotScheduling, page_of
from pm_sync.configuration import CONNECTION, Hl7Connection
from pm_sync.feed import Parts
from pm_sync.intake import Intake
from pm_sync.storage.connections import connection_of
from pm_sync.storage.keyed import Key
from pm_sync.storage.schedule import connection_of_sender

MOST_SENDERS = 2_000
IDLE_SECONDS = 3_600.0
_KNOWN_FOR = timedelta(seconds=10)
"""How long a changed connection may still be used as it was."""

MESSAGES = Counter("switchboard_pm_messages", "HL7 messages, by how they were answered.", ["answer"])
SENDERS = Gauge("switchboard_pm_senders", "Open MLLP connections.")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Known:
    key: Key
    connection: Hl7Connection
    until: datetime


class MllpListener:
    """Listens for senders. Each message finds its connection by MSH-3 and MSH-4."""

    def __init__(self, parts: Parts, *, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._parts = parts
        self._host = host
        self._port = port
        self._tls = tls
        self._intake = Intake(parts)
        self._known: dict[tuple[str, str], _Known] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(
            self._serve, self._host, self._port, limit=LARGEST, ssl=self._tls, backlog=512
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of all senders: what was not answered they send again."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._intake.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= MOST_SENDERS:
            writer.close()
            return
        self._tasks.add(task)
        SENDERS.set(len(self._tasks))
        try:
            while (raw := await read_block(reader, idle_seconds=IDLE_SECONDS)) is not None:
                writer.write(framed(await self._answer(raw)))
                await writer.drain()
        except (BadFraming, TimeoutError, OSError, RuntimeError) as error:  # the last for uvloop: it was reset just now
            log.info("a sender was cut off", error=type(error).__name__)
        finally:
            self._tasks.discard(task)
            SENDERS.set(len(self._tasks))
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, raw: bytes) -> bytes:
        message: Message | None = None
        try:
            message = Message.of(raw.strip())
            code, reason = await self._taken(message, raw)
        except NoMessage as error:
            code, reason = "AR", str(error)
        except NotScheduling:
            code, reason = "AR", "only SIU S12 to S26 are taken here"
        except Exception as error:  # noqa: BLE001 - whatever it was, the sender hears of it and sends again
            log.warning("a message was not taken", error=type(error).__name__)
            code, reason = "AR", "not kept because of a failure on this side: send it again"
        MESSAGES.labels(code).inc()
        return acknowledgement(message, code, reason, self._parts.clock(), next(self._numbers))

    async def _taken(self, message: Message, raw: bytes) -> tuple[Code, str]:
        known = await self._connection(message.get("MSH", 3), message.get("MSH", 4))
        if known is None:
            return "AR", "no connection takes messages of this MSH-3 and MSH-4"
        page = page_of(message, raw, form_of(known.connection, self._parts.clock))
        await self._intake.take(known.key, page)
        if page.unreadable:
            return "AE", f"kept in quarantine: {page.unreadable[0].reason}"
        return "AA", ""

    async def _connection(self, application: str, facility: str) -> _Known | None:
        now = self._parts.clock()
        known = self._known.get((application, facility))
        if known is not None and known.until > now:
            return known
        owner = await connection_of_sender(self._parts.pool, application, facility)
        stored = None if owner is None else await connection_of(self._parts.pool, *owner)
        if owner is None or stored is None:
            return None
        connection = CONNECTION.validate_json(stored.configuration)
        if not isinstance(connection, Hl7Connection):
            return None
        known = self._known[application, facility] = _Known(Key(*owner), connection, now + _KNOWN_FOR)
        return known


def form_of(connection: Hl7Connection, clock: Callable[[], datetime]) -> Hl7Form:
    """How the messages of a connection are read now."""
    return Hl7Form(ZoneInfo(connection.time_zone), connection.country, connection.location_component, clock())


def tls_context(certificate: str, key: str, client_ca: str | None) -> ssl.SSLContext:
    """For senders that encrypt; with `client_ca` only those with a certificate from it. Raises OSError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
