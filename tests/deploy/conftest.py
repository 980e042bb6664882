"""The installation that docker-compose.yml describes, brought up as an operator would from a clean checkout."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
import pytest

from switchboard_cli.demo.seed import Seeded, plan, seed, write_demo_file
from switchboard_cli.development_issuer import DevelopmentIssuer
from switchboard_cli.installation import free_port
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

    def __call__(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `docker compose …`. Raises AssertionError with its output when it fails."""
        done = subprocess.run(  # noqa: S603 - our own
            ["docker", "compose", *arguments],  # noqa: S607
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"docker compose {' '.join(arguments)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done

    @property
    def environment(self) -> dict[str, str]:
        """What tells this installation from another on the same machine; everything else is in `.env`."""
        return os.environ | {"COMPOSE_PROJECT_NAME": "switchboard-test", "COMPOSE_ANSI": "never"}

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
    for name in _shipped_files():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, directory / name)
    subprocess.run(["deploy/prepare", "--trial"], cwd=directory, check=True, capture_output=True)  # noqa: S607
    address = f"127.0.0.1:{free_port()}"
    settings = (directory / ".env").read_text("utf-8").replace("127.0.0.1:8080", address)
    (directory / ".env").write_text(f"{settings}SWITCHBOARD_VERSION=test\n", "utf-8")
    installation = Compose(directory, f"http://{address}")
    try:
        installation("up", "--build", "--wait")
        yield installation
    finally:
        installation("down", "--volumes", "--timeout", "10", check=False)


@pytest.fixture(scope="session")
def system(compose: Compose) -> System:
    """The demo's practice in the installation, set up through the gateway."""
    (compose.directory / "issuer").mkdir()
    subprocess.run(  # noqa: S603
        ["docker", "cp", f"{compose.id_of('issuer')}:/var/lib/switchboard/issuer/issuer-key.json", "issuer"],  # noqa: S607
        cwd=compose.directory,
        env=compose.environment,
        check=True,
        capture_output=True,
    )
    issuer = DevelopmentIssuer(compose.directory / "issuer")
    seeded = plan(issuer)
    asyncio.run(_seed(compose.base_url, issuer.token(role="operator", practice_id=None, staff_id="operator"), seeded))
    surroundings = {"kafka_bootstrap_servers": "", "postgres_dsn": "", "provider_url": ""}
    write_demo_file(compose.directory / "demo.json", seeded, surroundings | {"base_url": compose.base_url})
    return System(json.loads((compose.directory / "demo.json").read_text("utf-8")), compose.directory)


async def _seed(base_url: str, operator_token: str, seeded: Seeded) -> None:
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as http:
        await seed(http, operator_token, seeded)


def _shipped_files() -> Iterator[str]:
    """What git knows or would know of what the installation needs."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *SHIPPED]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    return (name for name in listed.stdout.splitlines() if (ROOT / name).is_file())
