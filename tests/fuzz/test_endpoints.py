"""Every endpoint of every service with made-up input: no server error, and no answer that its description does not have."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import System
from tests.e2e.test_messenger import browser
from tests.fuzz.conftest import Effort

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(0)]

ROOT = Path(__file__).resolve().parents[2]
STREAMS = r"/stream$"
"""They have no end, and what they say is tried elsewhere."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
CONFIGURATION = """
[parameters]
practice_id = "{practice_id}"
"""


async def headers_of(system: System, service: str) -> dict[str, str]:
    """An administrator's token, of the practice that nothing else is tried with; for ingest a patient's session too."""
    headers = {"Authorization": f"Bearer {system.told['other_practice']['staff'][0]['token']}"}
    if service != "ingest":
        return headers
    async with browser(system, "pt-022") as patient:
        await patient.log_in()
        cookies = "; ".join(f"{name}={value}" for name, value in patient.http.cookies.items())
    return headers | {"Cookie": cookies, "X-CSRF-Token": patient.csrf}


@pytest.mark.parametrize("service", ["ingest", "router", "notifier", "pm-sync"])
async def test_every_endpoint_answers_as_described_whatever_it_is_asked(
    system: System, service: str, effort: Effort, tmp_path: Path
) -> None:
    headers = await headers_of(system, service)
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION.format(practice_id=system.told["other_practice"]["practice_id"]))
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(configuration), "--no-color",
        "run", str(ROOT / f"docs/contracts/openapi-{service}.json"),
        "--url", system.base_url, "--checks", CHECKS, "--exclude-path-regex", STREAMS,
        "--phases", "coverage,fuzzing", *effort.of_endpoints, "--request-timeout", "20",
        "--continue-on-failure", "--warnings", "off",
        *(part for name, value in headers.items() for part in ("-H", f"{name}: {value}")),
    ]  # fmt: skip

    done = subprocess.run(  # noqa: ASYNC221, S603
        command, cwd=tmp_path, capture_output=True, text=True, timeout=effort.longest, check=False
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
