"""Programs of Medplum's packages for Node: implementations of FHIR and HL7 v2 that are none of ours."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

PACKAGES = [f"@medplum/{name}@5.0.10" for name in ("core", "definitions", "fhir-router", "hl7")]
HERE = Path(__file__).parent
INSTALL_SECONDS = 150


@pytest.fixture(scope="session")
def medplum() -> dict[str, str]:
    """The environment in which Node finds them; kept in the folder for temporary files."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = Path(tempfile.gettempdir()) / "switchboard-medplum-5.0.10-4"
    if not (folder / "done").exists():
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text("{}")
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=INSTALL_SECONDS)  # noqa: S603 - a fixed command
        if done.returncode:
            pytest.skip(f"npm cannot install {' '.join(PACKAGES)} here")
        (folder / "done").touch()
    return os.environ | {"NODE_PATH": str(folder / "node_modules")}


@asynccontextmanager
async def node(environment: dict[str, str], script: str, *arguments: str) -> AsyncGenerator[asyncio.StreamReader]:
    """A script of this folder while it runs; yields what it prints. Ended at the end."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / script), *arguments, stdout=pipe, env=environment
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
