"""A whole installation in one file, and such a file into an empty installation.

The file is a tar: `backup.json` says what it is; then come PostgreSQL as pg_dump writes it, every record of Kafka
(`topic_files`) and the files of messages, in this order (ADR 21), and `complete` at the end. It goes through a pipe as it
is made, so what has no length before its end is cut into parts, which behind each other are the whole:

    tar -xOf backup.tar --wildcards 'postgres.dump/*' | pg_restore --list

It holds patients' data.
"""

import asyncio
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

import asyncpg
from sqlalchemy.engine import URL, make_url

from shared_database.migrations import ServiceSchema
from switchboard_cli.connecting import kafka_at
from switchboard_cli.erasing import Installation
from switchboard_cli.failures import Failed
from switchboard_cli.progress import Progress
from switchboard_cli.topic_files import check_empty, export_topics, import_topics, partitions_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

FORMAT = 1
PART_BYTES = 16 * 1024 * 1024
_COPY_BYTES = 1024 * 1024
_HEAD, _POSTGRES, _KAFKA, _FILES, _END = "backup.json", "postgres.dump", "topics.jsonl.gz", "files", "complete"

Say = Callable[[str, str], None]
"""Called with a step and what it does."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What is in a backup, or came out of it."""

    records: int
    """Of Kafka."""
    files: int
    """Of messages; those in a bucket are not copied."""


def back_up(on: Installation, file: BinaryIO, schemas: Sequence[ServiceSchema], say: Say, progress: Progress) -> Copied:
    """Write everything to a file that need not be seekable. Nothing stops meanwhile.

    Raises `Failed` when pg_dump is missing or refuses.
    """
    kafka = kafka_at(on.kafka_bootstrap_servers)
    head = {
        "format": FORMAT,
        "version": version("switchboard-cli"),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "partitions": asyncio.run(partitions_of(kafka)),
    }
    with tarfile.open(fileobj=file, mode="w|") as archive:
        _add(archive, _HEAD, json.dumps(head).encode())
        say("PostgreSQL", "copying")
        with _parts(archive, _POSTGRES) as part:
            _dump(on.dsn, schemas, part)
        say("Kafka", "copying")
        with _parts(archive, _KAFKA) as part:
            records = asyncio.run(export_topics(on.kafka_bootstrap_servers, part, progress))
        files = _add_files(archive, on.blob_url, say)
        _add(archive, _END, b"")
    return Copied(records, files)


def restore(on: Installation, file: BinaryIO, schemas: Sequence[ServiceSchema], say: Say, progress: Progress) -> Copied:
    """Bring a backup into an installation that has no practice and no records, and whose services are stopped.

    Raises `Failed`, with nothing changed, where that is not so; and when PostgreSQL refuses, which then is empty.
    """
    try:
        with tarfile.open(fileobj=file, mode="r|") as archive:
            members = _Members(archive)
            head = _head(members)
            asyncio.run(_make_room(on, head["partitions"], schemas))
            say("PostgreSQL", f"restoring the copy of {head['made_at']}")
            _load(on.dsn, members.joined(_POSTGRES))
            say("Kafka", "restoring")
            records = asyncio.run(
                import_topics(on.kafka_bootstrap_servers, on.dsn, schemas, members.joined(_KAFKA), progress)
            )
            files = _write_files(members, on.blob_url, say)
            is_whole = members.current is not None and members.current.name == _END
    except (tarfile.TarError, EOFError) as error:
        message = "this is no backup, or it was cut off: the last name that tar -tf prints must be complete"
        raise Failed(message) from error
    if not is_whole:
        message = "the backup was cut off: what it has is restored, some files are missing. Take another one if you can"
        raise Failed(message)
    return Copied(records, files)


@contextmanager
def new_file(path: Path) -> Generator[BinaryIO]:
    """A file that is there once it is whole, and that nobody else may read. Raises `Failed` when one is there already."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        if path.exists():
            raise FileExistsError  # noqa: TRY301 - said below
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        message = f"{path} is there already, or is being written"
        raise Failed(message) from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(handle)
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


class _Parts(io.RawIOBase):
    """Whatever is written at once becomes a member of the archive."""

    def __init__(self, archive: tarfile.TarFile, name: str) -> None:
        super().__init__()
        self._archive, self._name, self._number = archive, name, 0

    def writable(self) -> bool:
        return True

    def write(self, content: "Buffer", /) -> int:
        part = bytes(content)
        _add(self._archive, f"{self._name}/{self._number:06}", part)
        self._number += 1
        return len(part)


@contextmanager
def _parts(archive: tarfile.TarFile, name: str) -> Generator[BinaryIO]:
    with io.BufferedWriter(_Parts(archive, name), PART_BYTES) as file:
        yield file


class _Members:
    """The members of an archive that can be read once, from its beginning to its end."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self.current = archive.next()

    def content(self) -> IO[bytes]:
        """What is in the current one."""
        file = None if self.current is None else self._archive.extractfile(self.current)
        if file is None:
            message = "no file is there"
            raise tarfile.ReadError(message)
        return file

    def advance(self) -> None:
        self.current = self._archive.next()

    def joined(self, name: str) -> BinaryIO:
        """The parts of that name as one file, from the current member on."""
        return io.BufferedReader(_Joined(self, name), _COPY_BYTES)


class _Joined(io.RawIOBase):
    def __init__(self, members: _Members, name: str) -> None:
        super().__init__()
        self._members, self._prefix = members, f"{name}/"
        self._part: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        room = memoryview(buffer).cast("B")
        while True:
            if self._part is None:
                current = self._members.current
                if current is None or not current.name.startswith(self._prefix):
                    return 0
                self._part = self._members.content()
            if content := self._part.read(len(room)):
                room[: len(content)] = content
                return len(content)
            self._part = None
            self._members.advance()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), 0o600, int(datetime.now(UTC).timestamp())
    archive.addfile(info, io.BytesIO(content))


def _head(members: _Members) -> dict[str, Any]:
    is_ours = members.current is not None and members.current.name == _HEAD
    head: dict[str, Any] = json.loads(members.content().read()) if is_ours else {}
    if head.get("format") != FORMAT:
        message = "this is no backup that this version can read"
        raise Failed(message)
    members.advance()
    return head


async def _make_room(on: Installation, partitions: dict[str, int], schemas: Sequence[ServiceSchema]) -> None:
    """Raises `Failed` when anything would be lost; else removes the empty schemas, which the backup brings."""
    connection = await asyncpg.connect(on.dsn)
    try:
        if await connection.fetchval("SELECT to_regclass('ingest.practice_of')") is not None and (
            await connection.fetchval("SELECT EXISTS (SELECT FROM ingest.practice_of)")
        ):
            message = "there is data already: a backup is restored into an empty installation"
            raise Failed(message)
        busy = await connection.fetch(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND usename = ANY ($1)",
            [one.role for one in schemas],
        )
        if busy:
            message = f"stop the services first: {', '.join(sorted(row['usename'] for row in busy))} are logged in"
            raise Failed(message)
        await check_empty(kafka_at(on.kafka_bootstrap_servers), partitions)
        for one in schemas:
            await connection.execute(f"DROP SCHEMA IF EXISTS {one.schema} CASCADE")
    finally:
        await connection.close()


def _folder(blob_url: str) -> Path | None:
    """Where the files are; None: in a bucket."""
    parts = urlsplit(blob_url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def _add_files(archive: tarfile.TarFile, blob_url: str, say: Say) -> int:
    folder = _folder(blob_url)
    if folder is None:
        say("files of messages", "are in a bucket and not copied: let it keep versions")
        return 0
    say("files of messages", "copying")
    count = 0
    for path in sorted(folder.rglob("*")):
        name = f"{_FILES}/{path.relative_to(folder).as_posix()}"
        try:
            with path.open("rb") as file:
                archive.addfile(archive.gettarinfo(arcname=name, fileobj=file), file)
        except (IsADirectoryError, FileNotFoundError):  # erased meanwhile
            continue
        count += 1
    return count


def _write_files(members: _Members, blob_url: str, say: Say) -> int:
    folder, count = _folder(blob_url), 0
    say("files of messages", "restoring")
    while members.current is not None and members.current.name.startswith(f"{_FILES}/"):
        name = PurePosixPath(members.current.name).relative_to(_FILES)
        if folder is None or ".." in name.parts:
            message = "the backup has files, and SWITCHBOARD_INGEST_BLOB_URL names no folder to put them into"
            raise Failed(message)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(members.content(), file, _COPY_BYTES)
        members.advance()
        count += 1
    return count


def _dump(dsn: str, schemas: Sequence[ServiceSchema], part: BinaryIO) -> None:
    """Raises `Failed`, with what pg_dump says of it."""
    only = [f"--schema={one.schema}" for one in schemas]
    with tempfile.TemporaryFile() as said:
        with _started("pg_dump", dsn, "--format=custom", *only, said=said, stdout=subprocess.PIPE) as process:
            if process.stdout is not None:
                shutil.copyfileobj(process.stdout, part, _COPY_BYTES)
        _check_ended(process, said)


def _load(dsn: str, source: BinaryIO) -> None:
    """All of it or nothing. Raises `Failed`, with what pg_restore says of it."""
    with tempfile.TemporaryFile() as said:
        # It ends early when something is wrong, and then says what.
        with (
            suppress(BrokenPipeError),
            _started("pg_restore", dsn, "--single-transaction", said=said, stdin=subprocess.PIPE) as process,
        ):
            if process.stdin is not None:
                shutil.copyfileobj(source, process.stdin, _COPY_BYTES)
        _check_ended(process, said)


def _started(
    program: str, dsn: str, *options: str, said: IO[bytes], stdin: int | None = None, stdout: int | None = None
) -> "subprocess.Popen[bytes]":
    """One of PostgreSQL's programs at work; the password is in its environment, where no list of processes shows it."""
    path = shutil.which(program)
    if path is None:
        message = f"{program} is not here: the project's image has it, or install PostgreSQL's client programs"
        raise Failed(message)
    login = make_url(dsn)
    environment = dict(os.environ) if login.password is None else os.environ | {"PGPASSWORD": str(login.password)}
    where = URL.create(
        "postgresql", login.username, host=login.host, port=login.port, database=login.database, query=login.query
    ).render_as_string()
    return subprocess.Popen(  # noqa: S603 - our own
        [path, *options, f"--dbname={where}"], env=environment, stdin=stdin, stdout=stdout, stderr=said
    )


def _check_ended(process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
    """Only the first line is repeated: those that follow may show rows."""
    if process.returncode == 0:
        return
    said.seek(0)
    lines = said.read().decode(errors="replace").splitlines() or [f"exit code {process.returncode}"]
    hint = ""
    if "row-level security" in lines[0]:
        hint = ". Its login must see all practices: ALTER ROLE ... BYPASSRLS, by a superuser"
    raise Failed(lines[0] + hint)
