"""A running system with the demo's practice, driven from outside by what `demo.json` says, as a stranger would."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource, aconnect_sse
from twilio.request_validator import RequestValidator

from tests.e2e import outside as outsides
from tests.e2e.collector import Collector, listening
from tests.e2e.outside import Outside

STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class System:
    """What `demo.json` says, and how to use it."""

    told: dict[str, Any]
    """The content of `demo.json`."""
    directory: Path
    """Where the system keeps its data and its logs."""

    @property
    def base_url(self) -> str:
        return str(self.told["base_url"])

    def token(self, staff_id: str) -> str:
        return next(str(person["token"]) for person in self.told["staff"] if person["staff_id"] == staff_id)

    def patient(self, patient_id: str) -> dict[str, Any]:
        return next(patient for patient in self.told["patients"] if patient["patient_id"] == patient_id)

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=20)

    async def text(  # noqa: PLR0913 - what a text may have
        self,
        phone: str,
        *,
        sid: str | None = None,
        signed_with: str | None = None,
        times: int = 1,
        body: str = "A made-up question of a test",
        more: Mapping[str, str] | None = None,
    ) -> list[httpx.Response]:
        """Send an SMS webhook, signed by the provider's own SDK."""
        channel = self.told["channels"]["twilio_sms"]
        form = {
            "MessageSid": sid or "SM" + uuid.uuid4().hex,
            "AccountSid": "AC" + "0" * 32,
            "From": phone,
            "To": channel["number"],
            "Body": body,
            "NumMedia": "0",
            **(more or {}),
        }
        path = f"/hooks/twilio/sms/{channel['id']}"
        validator = RequestValidator(signed_with or channel["auth_token"])
        signature = validator.compute_signature(channel["public_url"] + path, form)
        async with self.client() as http:
            return [await http.post(path, data=form, headers={"X-Twilio-Signature": signature}) for _ in range(times)]

    @asynccontextmanager
    async def stream(self, token: str, *, after: str | None = None) -> AsyncGenerator[EventSource]:
        """A staff stream, from now on or from a cursor."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": after} if after else {})
        async with (
            httpx.AsyncClient(base_url=self.base_url, timeout=httpx.Timeout(10, read=30)) as http,
            aconnect_sse(http, "GET", "/v1/stream", headers=headers) as events,
        ):
            events.response.raise_for_status()
            yield events


@pytest.fixture(scope="session")
def collector() -> Generator[Collector]:
    """What the system's spans are sent to."""
    with listening() as collector:
        yield collector


@pytest.fixture(scope="session")
def outside() -> Generator[Outside]:
    """What the system tells and asks."""
    with outsides.listening() as outside:
        yield outside


@pytest.fixture(scope="session")
def system(collector: Collector, outside: Outside) -> Generator[System]:
    """`switchboard up --seed-demo`, ready; stopped at the end of the session."""
    with tempfile.TemporaryDirectory(prefix="switchboard-test-", ignore_cleanup_errors=True) as name:
        # As root PostgreSQL runs as somebody else, who must be able to pass.
        Path(name).chmod(0o711)
        yield from _running(Path(name), collector.url, outside)


def _running(directory: Path, collector_url: str, outside: Outside) -> Generator[System]:
    command = [sys.executable, "-m", "switchboard_cli", "up", "--seed-demo", "--port", "0", "--data", str(directory)]
    environment = os.environ | {
        # So often that every test that listens for a while meets a heartbeat.
        "SWITCHBOARD_NOTIFIER_HEARTBEAT_SECONDS": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector_url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        **outside.environment,
    }
    with (
        (directory / "output.txt").open("w") as output,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, text=True, env=environment) as process,  # noqa: S603 - our own
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("ready http://"), (directory / "output.txt").read_text()
            yield System(json.loads((directory / "demo.json").read_text()), directory)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=STOP_SECONDS)
