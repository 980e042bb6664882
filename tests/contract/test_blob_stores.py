"""Where files are kept: a folder and a bucket pass the same suite.

The bucket is a stand-in over real HTTP, held to what obstore asks of one:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

import hashlib
from collections.abc import AsyncGenerator
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import FastAPI, Request, Response

from ingest.adapters.blobs import BLOB_FAILURES, Blobs
from ingest.domain.ranges import wanted_range
from switchboard_cli.demo.run import served

CONTENT = bytes(range(256)) * 8192  # two pieces
NO_SUCH_KEY = "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"


def bucket() -> FastAPI:
    app, objects = FastAPI(), dict[str, bytes]()

    def headers(content: bytes) -> dict[str, str]:
        etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
        return {"ETag": etag, "Last-Modified": formatdate(0, usegmt=True), "Accept-Ranges": "bytes"}

    @app.put("/attachments/{key:path}")
    async def put(key: str, request: Request) -> Response:
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=made-up-key/")
        objects[key] = await request.body()
        return Response(headers=headers(objects[key]))

    @app.get("/attachments/{key:path}")
    async def get(key: str, request: Request) -> Response:
        if key not in objects:
            return Response(NO_SUCH_KEY, HTTPStatus.NOT_FOUND, media_type="application/xml")
        content = objects[key]
        part = wanted_range(request.headers.get("range"), len(content))
        assert part is not None
        place = {"Content-Range": f"bytes {part.start}-{part.start + part.length - 1}/{len(content)}"}
        return Response(
            content[part.start : part.start + part.length], HTTPStatus.PARTIAL_CONTENT, headers(content) | place
        )

    return app


@pytest_asyncio.fixture(params=["folder", "bucket"])
async def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Blobs]:
    if request.param == "folder":
        yield Blobs((tmp_path / "new folder").as_uri())
        return
    async with served(bucket()) as url:
        told = {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "made-up-key", "SECRET_ACCESS_KEY": "made-up", "REGION": "x-1"}
        for name, value in told.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        yield Blobs("s3://attachments/some/prefix")


async def read(blobs: Blobs, key: str, start: int, length: int) -> bytes:
    return b"".join([piece async for piece in blobs.read(key, start, length)])


async def test_what_was_kept_is_read_in_whole_and_in_part(blobs: Blobs) -> None:
    await blobs.put("practice/file", CONTENT)

    assert await read(blobs, "practice/file", 0, len(CONTENT)) == CONTENT
    assert await read(blobs, "practice/file", 1_048_570, 20) == CONTENT[1_048_570:1_048_590]


async def test_the_same_again_is_the_same(blobs: Blobs) -> None:
    await blobs.put("practice/file", b"content")
    await blobs.put("practice/file", b"content")

    assert await read(blobs, "practice/file", 0, 7) == b"content"


async def test_what_is_not_there_is_said(blobs: Blobs) -> None:
    with pytest.raises(FileNotFoundError):
        await read(blobs, "practice/nothing", 0, 1)


async def test_a_store_that_cannot_be_reached_is_one_kind_of_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up-key")
    with pytest.raises(BLOB_FAILURES):
        await Blobs("file:///proc/nowhere").put("practice/file", b"content")
    with pytest.raises(BLOB_FAILURES):
        await Blobs("s3://bucket-without-a-secret").put("practice/file", b"content")
