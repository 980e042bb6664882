"""Files of messages: kept, handed out in whole and in part, and to nobody else."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from ingest import downloads
from ingest.adapters.blobs import Blobs
from ingest.attachments import Attachments, Unwelcome
from ingest.publishing import Doors
from ingest.spooling import Spool, SpoolLimits
from ingest.storage.channels import Arrivals
from ingest.storage.logins import Login, begin_session
from shared_database import DatabaseLogin, create_pool
from shared_database.migrations import migrate
from shared_messaging import KafkaConnection, Publisher
from shared_schemas.ids import content_id
from shared_web import Pace, TokenVerifier, install_problem_details
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.origin import SCHEMAS

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
MOST_BYTES = 4096
NOW = datetime.now(UTC)


@dataclass
class Desk:
    """The endpoint, and what it works with."""

    files: Attachments
    http: httpx.AsyncClient
    issuer: DevelopmentIssuer

    def staff(self, practice_id: str, **more: str) -> dict[str, str]:
        token = self.issuer.token(role="member", practice_id=practice_id, staff_id="fay")
        return {"Authorization": f"Bearer {token}", **more}

    async def keep(self, content: bytes, practice_id: str = "files") -> str:
        attachment_id = content_id("test", practice_id, content.hex())
        return (await self.files.keep(practice_id, "pt-1", attachment_id, content)).url


@pytest_asyncio.fixture
async def desk(postgres_dsn: str, tmp_path: Path) -> AsyncGenerator[Desk]:
    migrate(postgres_dsn, SCHEMAS)
    issuer = DevelopmentIssuer(tmp_path / "issuer")
    issuer.prepare()
    told = issuer.environment
    app = FastAPI()
    app.state.pace = Pace(0)
    app.state.tokens = TokenVerifier(
        told["SWITCHBOARD_JWKS"], issuer=told["SWITCHBOARD_JWT_ISSUER"], audience="switchboard"
    )
    install_problem_details(app)
    async with (
        await create_pool(DatabaseLogin(postgres_dsn, "ingest")) as pool,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://files") as http,
    ):
        files = Attachments(pool, Blobs((tmp_path / "blobs").as_uri()), lambda: NOW, MOST_BYTES)
        # Nothing is sent here: these doors are only asked who has a session.
        publisher = Publisher(KafkaConnection("127.0.0.1:1", "test-files"))
        spool = Spool(pool, publisher, lambda: NOW, SpoolLimits(timedelta(seconds=1), most_rows=1))
        doors = Doors(pool, spool, lambda: NOW, "http://files", Arrivals(pool, None))
        app.include_router(downloads.routes(lambda: doors, lambda: files))
        yield Desk(files, http, issuer)


async def test_staff_get_a_file_as_it_came_and_the_browser_is_told_to_run_nothing(desk: Desk) -> None:
    url = await desk.keep(PNG)
    answer = await desk.http.get(url, headers=desk.staff("files"))

    assert (answer.status_code, answer.content) == (HTTPStatus.OK, PNG)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("inline;")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "private, no-store"


async def test_a_page_is_only_ever_saved_never_shown(desk: Desk) -> None:
    answer = await desk.http.get(await desk.keep(b"<html><script>1"), headers=desk.staff("files"))

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")


async def test_a_player_gets_the_part_that_it_asks_for(desk: Desk) -> None:
    url = await desk.keep(PNG)
    part = await desk.http.get(url, headers=desk.staff("files", Range="bytes=8-15"))
    behind = await desk.http.get(url, headers=desk.staff("files", Range=f"bytes={len(PNG)}-"))
    other = {"Range": "bytes=8-15", "If-Range": '"another"'}
    whole = await desk.http.get(url, headers=desk.staff("files", **other))

    assert (part.status_code, part.content) == (HTTPStatus.PARTIAL_CONTENT, PNG[8:16])
    assert part.headers["content-range"] == f"bytes 8-15/{len(PNG)}"
    assert behind.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
    assert behind.headers["content-range"] == f"bytes */{len(PNG)}"
    assert (whole.status_code, whole.content) == (HTTPStatus.OK, PNG)


async def test_a_file_is_for_the_staff_of_its_practice_and_for_its_sender_only(desk: Desk) -> None:
    url = await desk.keep(PNG)
    for patient, token in (("pt-1", "own-token"), ("pt-2", "other-token")):
        login = Login("files", "+13125550101", is_code_verified=True)
        await begin_session(desk.files.pool, f"login-{patient}", login, patient, token, "csrf", NOW)
    neighbour = await desk.http.get(url, headers=desk.staff("elsewhere"))
    stranger = await desk.http.get(url)
    sender = await desk.http.get(url, headers={"Cookie": "switchboard_session=own-token"})
    other = await desk.http.get(url, headers={"Cookie": "switchboard_session=other-token"})
    unknown = await desk.http.get("/v1/attachments/nothing", headers=desk.staff("files"))

    assert neighbour.status_code == other.status_code == unknown.status_code == HTTPStatus.NOT_FOUND
    assert stranger.status_code == HTTPStatus.UNAUTHORIZED
    assert (sender.status_code, sender.content) == (HTTPStatus.OK, PNG)


async def test_what_is_too_large_or_not_of_an_allowed_kind_is_not_kept(desk: Desk) -> None:
    with pytest.raises(Unwelcome, match="too_large"):
        await desk.keep(PNG * 2)
    with pytest.raises(Unwelcome, match="type_not_allowed"):
        await desk.files.keep("files", "pt-1", "page", b"<html>", allowed={"image/png"})
    answer = await desk.http.get("/v1/attachments/page", headers=desk.staff("files"))

    assert answer.status_code == HTTPStatus.NOT_FOUND


async def test_the_same_file_again_is_one_file(desk: Desk) -> None:
    assert await desk.keep(PNG) == await desk.keep(PNG)


async def test_an_old_session_reads_nothing(desk: Desk) -> None:
    url = await desk.keep(PNG)
    login = Login("files", "+13125550101", is_code_verified=True)
    await begin_session(desk.files.pool, "login-old", login, "pt-1", "old-token", "csrf", NOW - timedelta(days=2))
    answer = await desk.http.get(url, headers={"Cookie": "switchboard_session=old-token"})

    assert answer.status_code == HTTPStatus.UNAUTHORIZED
