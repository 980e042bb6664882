"""Our own checks bite: each is shown a violation and must find it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = Path(sys.executable).parent
BANNED_NAMES = re.compile(r"(^|/)(utils|helpers|common|base|misc)(\.py$|/([^/]+/)*[^/]+\.py$)")
MACHINE_PATHS = re.compile(r"/(?:home|Users)/[a-z]|/root/\w|/work/\w")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code and its configuration, to do wrong in."""
    for folder in ("shared", "services", "cli", "deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "docs/contracts", tmp_path / "docs/contracts")
    shutil.copy(ROOT / "docs/metrics.md", tmp_path / "docs")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(source) for source in cwd.glob("*/*/src")) + os.pathsep + str(cwd / "cli/src")
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(  # noqa: S603 - the project's own tools
        [str(TOOLS / command[0]), *command[1:]], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("services/router/src/router/domain/reason.py", "import time", "The domain imports no framework"),
        ("services/router/src/router/domain/reason.py", "import asyncpg", "The domain imports no framework"),
        ("services/router/src/router/domain/reason.py", "import router.storage.facts", "Inside router"),
        ("services/ingest/src/ingest/webhooks.py", "import router.domain.route", "Services never import each other"),
        ("services/notifier/src/notifier/api.py", "import asyncpg", "SQL is in storage"),
        ("services/router/src/router/handlers.py", "import router.settings", "Only the composition root"),
        ("shared/schemas/src/shared_schemas/ids.py", "import structlog", "The wire contract depends on pydantic"),
    ],
)
def test_an_import_that_breaks_a_contract_is_found(checkout: Path, module: str, line: str, contract: str) -> None:
    with (checkout / module).open("a") as file:
        file.write(f"\n{line}\n")

    found = run("lint-imports", "--no-cache", cwd=checkout)

    assert found.returncode == 1
    broken = [text for text in found.stdout.splitlines() if "BROKEN" in text or contract in text]
    assert any(contract in text for text in broken), found.stdout


def test_a_clock_in_the_domain_is_found(checkout: Path) -> None:
    module = checkout / "services/router/src/router/domain/reason.py"
    module.write_text(module.read_text() + "\n\nfrom datetime import datetime, UTC\nNOW = datetime.now(UTC)\n")

    found = run("ruff", "check", "--no-cache", "services", cwd=checkout)

    assert "TID251" in found.stdout, found.stdout


def test_a_contract_that_was_not_written_anew_is_found(checkout: Path) -> None:
    schema = checkout / "shared/schemas/json/MessageReceived.v1.json"
    schema.write_text(schema.read_text().replace("received_at", "received"))

    found = run("python", "-m", "tools.contracts", "--check", cwd=checkout)

    assert found.returncode == 1
    problem = "shared/schemas/json/MessageReceived.v1.json is not what the code says: run `just contracts`"
    # The clients' types are no part of this copy, and said to be missing.
    assert [one for one in found.stderr.splitlines() if not one.startswith("clients/")] == [problem]


def test_an_import_that_is_not_declared_is_found(checkout: Path) -> None:
    with (checkout / "shared/web/src/shared_web/stopping.py").open("a") as file:
        file.write("\nimport aiokafka\n")

    found = run("python", "-m", "tools.dependencies", cwd=checkout)

    assert found.returncode == 1
    assert "DEP003 'aiokafka'" in found.stderr


def test_a_secret_in_a_file_is_found(checkout: Path) -> None:
    planted = 'AWS_ACCESS_KEY_ID = "AKIAIOSFODNN7MADEUP1"'  # pragma: allowlist secret
    (checkout / "settings.py").write_text(f"{planted}\n")

    found = run("python", "-m", "tools.secrets", "settings.py", cwd=checkout)

    assert found.returncode == 1
    assert found.stderr.startswith("settings.py:1: AWS Access Key")
    assert "AKIA" not in found.stderr


@pytest.mark.parametrize("line", ["import xml.sax", "import pickle", "import telnetlib"])
def test_what_bandit_alone_finds_is_found(checkout: Path, line: str) -> None:
    module = checkout / "services/router/src/router/domain/reason.py"
    module.write_text(f"{module.read_text()}\n{line}\n")
    command = ("bandit", "--quiet", "--recursive", "--configfile", "pyproject.toml", "services/router")

    found = run(*command, cwd=checkout)

    assert found.returncode == 1
    assert "router/domain/reason.py" in found.stdout


def test_every_dependency_is_locked_with_its_digest() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]
    loose = [
        one["name"]
        for one in packages
        if "registry" in one["source"]
        and not all("hash" in file for file in [*one.get("wheels", ()), *filter(None, [one.get("sdist")])])
    ]

    assert loose == []
    assert len(packages) > 100


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in tracked_files() if BANNED_NAMES.search(path)] == []
    assert BANNED_NAMES.search("services/router/src/router/utils.py")


def test_no_tracked_file_names_a_machine() -> None:
    own = str(Path(__file__).relative_to(ROOT))
    found = [
        path for path in tracked_files() if path not in {own, "uv.lock"} and MACHINE_PATHS.search(text_of(ROOT / path))
    ]
    assert found == []
    assert MACHINE_PATHS.search("see /home/somebody/notes")


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return listed.stdout.splitlines()


def text_of(path: Path) -> str:
    return path.read_text("utf-8", errors="ignore") if path.is_file() else ""
