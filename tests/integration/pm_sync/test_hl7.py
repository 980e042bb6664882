"""HL7 messages over real sockets: each is answered, and only once it is kept."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
import trustme

from pm_sync.adapters.hl7.framing import BEGIN, BLOCK_SECONDS, END, LARGEST
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.embedded.stack import EmbeddedStack
from switchboard_cli.ports import free_port
from tests.integration.pm_sync.conftest import Practice, running_service
from tests.integration.pm_sync.medplum import node


@dataclass
class Sender:
    """An interface engine with one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, raw: bytes) -> str:
        """Send one message; the answer."""
        self.writer.write(BEGIN + raw + END)
        return await self.answer()

    async def answer(self) -> str:
        async with asyncio.timeout(20):
            return (await self.reader.readuntil(END))[1:-2].decode()


@dataclass
class Line:
    """Where messages go, and a practice that takes those of its facility."""

    practice: Practice
    port: int
    connection: str

    @property
    def facility(self) -> str:
        return self.practice.practice_id

    @asynccontextmanager
    async def sender(self, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Sender]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        try:
            yield Sender(reader, writer)
        finally:
            writer.close()

    def message(  # noqa: PLR0913 - what tests are about
        self,
        number: int = 1,
        event: str = "S12",
        *,
        location: str = "elm",
        second: int = 0,
        control_id: str = "1",
        facility: str | None = None,
        ids: str = "",
    ) -> bytes:
        sender = self.facility if facility is None else facility
        header = (
            f"MSH|^~\\&|SCHED|{sender}|SB|SB|202611241200{second:02}-0500||SIU^{event}^SIU_S12|{control_id}|P|2.5.1"
        )
        return "\r".join(
            (
                header,
                f"SCH|{ids or f'PL{number}|FL{number}'}||||ROUTINE|||30|MIN",
                "TQ1|1||||||20991201143000-0500",
                f"PID|1||pt-{number}||McSample^Testy||19800131|||||(312)555-0101",
                "RGS|1",
                f"AIL|1||{location}",
                "",
            )
        ).encode()


@pytest_asyncio.fixture
async def line(migrated: EmbeddedStack, issuer: DevelopmentIssuer) -> AsyncGenerator[Line]:
    port = free_port()
    async with running_service(migrated, issuer, mllp_host="127.0.0.1", mllp_port=port) as http:
        practice = Practice(http, migrated)
        connection = await practice.connect(
            kind="hl7v2-mllp", sending_facility=practice.practice_id, time_zone="America/New_York"
        )
        yield Line(practice, port, connection)


async def test_a_message_is_answered_when_it_is_published_and_the_sender_is_named_in_the_answer(line: Line) -> None:
    async with line.sender() as sender:
        answer = await sender.send(line.message())
    (event,) = await line.practice.events("appointments")

    assert "MSA|AA|1" in answer
    assert answer.startswith(f"MSH|^~\\&|SB|SB|SCHED|{line.facility}|")
    assert (event["appointment_id"], event["status"], event["location_id"]) == ("FL1", "booked", "elm")
    assert (await line.practice.synced(line.connection))["state"] == "ok"


async def test_messages_that_come_late_or_twice_change_nothing(line: Line) -> None:
    moved = line.message(location="river", second=20, control_id="3")
    late = line.message(location="north", second=10, control_id="2")
    async with line.sender() as sender:
        answers = [await sender.send(raw) for raw in (line.message(), moved, late, moved)]
    events = await line.practice.events("appointments")

    assert all("MSA|AA|" in answer for answer in answers)
    assert [event["location_id"] for event in events] == ["elm", "river"]


async def test_what_cannot_be_taken_is_answered_with_the_reason_and_waits_in_quarantine(line: Line) -> None:
    async with line.sender() as sender:
        no_id = await sender.send(line.message(ids="|"))
        stranger = await sender.send(line.message(facility="nobody"))
        no_message = await sender.send(b"hello")
        other_kind = await sender.send(line.message().replace(b"SIU^S12", b"ADT^A01"))
        taken = await sender.send(line.message())
    quarantine = (await line.practice.http.get(f"{line.practice.path}/{line.connection}/quarantine")).json()
    rows = await line.practice.execute(
        "SELECT sealed FROM pm_sync.quarantined WHERE practice_id = $1", line.practice.practice_id
    )

    assert "MSA|AE|1" in no_id
    assert "SCH-1 and SCH-2: the appointment has no id" in no_id
    assert ["MSA|AR|" in answer for answer in (stranger, no_message, other_kind)] == [True] * 3
    assert "MSA|AA|" in taken
    assert [one["reason"] for one in quarantine] == ["SCH-1 and SCH-2: the appointment has no id"]
    assert b"McSample" not in rows[0]["sealed"]


async def test_many_senders_at_once_are_each_answered(line: Line) -> None:
    async def one(number: int) -> int:
        async with line.sender() as sender:
            answers = [await sender.send(line.message(number * 100 + n)) for n in range(5)]
        return sum("MSA|AA|" in answer for answer in answers)

    assert sum(await asyncio.gather(*map(one, range(40)))) == 200
    assert len(await line.practice.appointments()) == 200


async def test_a_sender_that_sends_no_blocks_is_let_go_and_the_others_go_on(line: Line) -> None:
    async with line.sender() as noisy, line.sender() as sender:
        noisy.writer.write(b"GET / HTTP/1.1\r\n\r\n" + BEGIN + b"x" * 1_200_000)
        assert "MSA|AA|" in await sender.send(line.message())
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert await noisy.reader.read() == b""


async def test_noise_between_blocks_and_messages_in_pieces_are_borne(line: Line) -> None:
    async with line.sender() as sender:
        whole = b"\r\n" + BEGIN + line.message() + END
        for piece in (whole[:7], whole[7:100], whole[100:]):
            sender.writer.write(piece)
            await sender.writer.drain()
        assert "MSA|AA|" in await sender.answer()


async def test_when_another_process_was_in_between_the_message_is_taken_all_the_same(line: Line) -> None:
    async with line.sender() as sender:
        assert "MSA|AA|" in await sender.send(line.message())
        await line.practice.execute(
            "UPDATE pm_sync.progress SET epoch = epoch + 1 WHERE topic LIKE $1", f"sync:{line.facility}:%"
        )
        assert "MSA|AA|" in await sender.send(line.message(location="river", second=10))

    assert [event["location_id"] for event in await line.practice.events("appointments")] == ["elm", "river"]


async def test_two_connections_cannot_take_the_same_sender(line: Line) -> None:
    body = {"kind": "hl7v2-mllp", "sending_facility": line.facility, "time_zone": "UTC"}
    answer = await line.practice.http.put(f"/v1/practices/other/pm-connections/other-{line.facility}", json=body)

    assert answer.status_code == httpx.codes.CONFLICT


async def test_a_foreign_sender_understands_the_answer(line: Line, medplum: dict[str, str]) -> None:
    text = json.dumps(line.message().decode())
    async with node(medplum, "medplum_sender.js", str(line.port), text) as printed, asyncio.timeout(60):
        answer = await printed.readline()

    assert answer.strip() == b"AA"
    assert list(await line.practice.appointments()) == ["FL1"]


@dataclass
class Certificates:
    """Made by an authority of this test."""

    authority: trustme.CA
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        """With which senders must encrypt, and show a certificate."""
        files = {name: self.folder / f"{name}.pem" for name in ("certificate", "key", "client_ca")}
        issued = self.authority.issue_cert("127.0.0.1")
        issued.cert_chain_pems[0].write_to_path(files["certificate"])
        issued.private_key_pem.write_to_path(files["key"])
        self.authority.cert_pem.write_to_path(files["client_ca"])
        return {f"mllp_tls_{name}": str(path) for name, path in files.items()}

    def of_sender(self, *, has_one: bool) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if has_one:
            self.authority.issue_cert("engine.example.com").configure_cert(context)
        return context


async def test_senders_encrypt_and_show_who_they_are_where_that_is_asked_for(
    migrated: EmbeddedStack, issuer: DevelopmentIssuer, tmp_path: Path
) -> None:
    certificates, port = Certificates(trustme.CA(), tmp_path), free_port()
    more = {"mllp_host": "127.0.0.1", "mllp_port": port} | certificates.settings
    async with running_service(migrated, issuer, **more) as http:
        practice = Practice(http, migrated)
        connection = await practice.connect(
            kind="hl7v2-mllp", sending_facility=practice.practice_id, time_zone="America/New_York"
        )
        line = Line(practice, port, connection)
        async with line.sender(certificates.of_sender(has_one=True)) as sender:
            assert "MSA|AA|1" in await sender.send(line.message())
        for tls in (certificates.of_sender(has_one=False), None):
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                async with line.sender(tls) as stranger:
                    await stranger.send(line.message(2))

    assert list(await practice.appointments()) == ["FL1"]


async def test_a_sender_that_never_ends_its_message_is_cut_and_the_others_are_served(line: Line) -> None:
    async with line.sender() as endless:
        with contextlib.suppress(ConnectionError):
            endless.writer.write(BEGIN + b"MSH|^~\\&|" + b"A" * (3 * LARGEST))
            async with asyncio.timeout(BLOCK_SECONDS / 2):
                await endless.writer.drain()
                assert await endless.reader.read() == b""
    async with line.sender() as sender:
        assert "MSA|AA|1" in await sender.send(line.message())
