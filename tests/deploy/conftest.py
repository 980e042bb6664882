"""The installation that docker-compose.yml describes, brought up as an operator would from a clean checkout."""

import asyncio
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from switchboard_cli.demo.seed import Seeded, plan, seed, write_demo_file
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.ports import free_port
from tests.e2e.conftest import System

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (
    ".dockerignore", ".env.example", "README.md", "cli", "deploy", "docker-compose.yml", "pyproject.toml", "services",
    "shared", "uv.lock",
)  # fmt: skip
COMMAND_SECONDS = 600


@cache
def engine_is_there() -> bool:
    """Whether a container engine with compose answers."""
    if shutil.which("docker") is None:
        return False
    asked = (["docker", "compose", "version"], ["docker", "info"])
    return all(subprocess.run(command, capture_output=True, check=False).returncode == 0 for command in asked)  # noqa: S603


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.deploy)
            item.add_marker(pytest.mark.timeout(COMMAND_SECONDS))
            if not engine_is_there():
                item.add_marker(pytest.mark.skip("no container engine with compose answers"))


@dataclass(frozen=True, slots=True)
class Compose:
    """A checkout with its `.env`, and `docker compose` in it."""

    directory: Path
    base_url: str
    mllp_port: int
    project: str

    def __call__(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `docker compose …`. Raises AssertionError with its output when it fails."""
        return self.run("docker", "compose", *arguments, check=check)

    def run(self, *command: str, check: bool = True, given: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command in the checkout, with a standard input. Raises AssertionError with its output when it fails."""
        done = subprocess.run(  # noqa: S603 - our own
            command,
            cwd=self.directory,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done

    def operate(self, *arguments: str, token: str = "", given: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run `switchboard …` in the container `tools`, for whom the token is."""
        tools = ("docker", "compose", "run", "--rm", "-T", "--no-deps", "-e", f"SWITCHBOARD_TOKEN={token}", "tools")
        return self.run(*tools, *arguments, check=False, given=given or "")

    def in_kafka(self, command: str, given: str) -> str:
        """Run a shell's command in Kafka's container, and return what it says."""
        return self.run("docker", "compose", "exec", "-T", "kafka", "sh", "-c", command, given=given).stdout

    @property
    def environment(self) -> dict[str, str]:
        """What tells this installation from another on the same machine; everything else is in `.env`."""
        return os.environ | {"COMPOSE_PROJECT_NAME": self.project, "COMPOSE_ANSI": "never"}

    def id_of(self, service: str) -> str:
        """The container that runs a service now, or ran it last."""
        return self("ps", "--all", "--quiet", service).stdout.strip()

    def status(self) -> dict[str, str]:
        """Each service's state and health, as compose says them."""
        lines = self("ps", "--all", "--format", "json").stdout.splitlines()
        return {row["Service"]: row["Health"] or f"{row['State']} {row['ExitCode']}" for row in map(json.loads, lines)}


@pytest.fixture(scope="session")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Generator[Compose]:
    """A trial installation from a clean checkout, ready; all of it is removed at the end."""
    directory = tmp_path_factory.mktemp("checkout")
    check_out(directory)
    with brought_up(directory, "test") as installation:
        yield installation


@pytest.fixture
def installation(compose: Compose) -> Compose:
    """Where the operators' commands are tried."""
    return compose


def check_out(directory: Path) -> None:
    """What git knows or would know of what the installation needs, as it is here."""
    for name in _shipped_files():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, directory / name)


def check_out_before(directory: Path) -> None:
    """The commit before the newest; with changes that nobody committed yet, the newest. Skips where there is none."""
    asked = ("git", "status", "--porcelain", "--", *SHIPPED)
    changed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603
    wanted = ("git", "archive", "HEAD" if changed else "HEAD~1", *SHIPPED)
    archive = subprocess.run(wanted, cwd=ROOT, capture_output=True, check=False)  # noqa: S603
    if archive.returncode != 0:
        pytest.skip("this checkout has no commit before")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")


@contextmanager
def brought_up(directory: Path, name: str, **settings: str) -> Generator[Compose]:
    """A trial installation from the checkout in a directory; `settings` go into its `.env`."""
    subprocess.run(["deploy/prepare", "--trial"], cwd=directory, check=True, capture_output=True)  # noqa: S607
    address, mllp_port = f"127.0.0.1:{free_port()}", free_port()
    own = {
        "SWITCHBOARD_VERSION": name,
        "SWITCHBOARD_LISTEN_MLLP": f"127.0.0.1:{mllp_port}",
        "PROMETHEUS_LISTEN": f"127.0.0.1:{free_port()}",
        **settings,
    }
    lines = [
        (directory / ".env").read_text("utf-8").replace("127.0.0.1:8080", address),
        *(f"{key}={value}\n" for key, value in own.items()),
    ]
    (directory / ".env").write_text("".join(lines), "utf-8")
    installation = Compose(directory, f"http://{address}", mllp_port, f"switchboard-{name}")
    try:
        installation("up", "--build", "--wait")
        yield installation
    finally:
        installation("down", "--volumes", "--timeout", "10", check=False)


@pytest.fixture(scope="session")
def system(compose: Compose) -> System:
    """The demo's practice in the installation, set up through the gateway."""
    return seeded_system(compose)


def seeded_system(compose: Compose) -> System:
    """The demo's practice in an installation, set up through its gateway."""
    (compose.directory / "issuer").mkdir()
    subprocess.run(  # noqa: S603
        ["docker", "cp", f"{compose.id_of('issuer')}:/var/lib/switchboard/issuer/issuer-key.json", "issuer"],  # noqa: S607
        cwd=compose.directory,
        env=compose.environment,
        check=True,
        capture_output=True,
    )
    return seeded_by(DevelopmentIssuer(compose.directory / "issuer"), compose.base_url, compose.directory)


def seeded_by(issuer: DevelopmentIssuer, base_url: str, directory: Path) -> System:
    """The demo's practice in the installation at an address, which trusts an issuer."""
    seeded = plan(issuer, Ed25519PrivateKey.generate())
    asyncio.run(_seed(base_url, issuer.token(role="operator", practice_id=None, staff_id="operator"), seeded))
    surroundings = {"kafka_bootstrap_servers": "", "postgres_dsn": "", "provider_url": ""}
    write_demo_file(directory / "demo.json", seeded, surroundings | {"base_url": base_url})
    return System(json.loads((directory / "demo.json").read_text("utf-8")), directory)


async def _seed(base_url: str, operator_token: str, seeded: Seeded) -> None:
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as http:
        await seed(http, operator_token, seeded)


def _shipped_files() -> Iterator[str]:
    """What git knows or would know of what the installation needs."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *SHIPPED]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return (name for name in listed.stdout.splitlines() if (ROOT / name).is_file())
