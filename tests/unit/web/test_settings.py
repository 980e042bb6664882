"""Settings from files: one that somebody named is read, or stops the start; nothing is left out in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import pm_sync.settings
from shared_web import settings
from shared_web.settings import KafkaLogin, UnreadableSetting, given

AROUND = {
    "SWITCHBOARD_KAFKA_BOOTSTRAP_SERVERS": "kafka.invalid:9092",
    "SWITCHBOARD_POSTGRES_DSN": "postgresql://switchboard@postgres.invalid/switchboard",
    "SWITCHBOARD_JWT_ISSUER": "https://id.example.org",
}
VARIABLE = "SWITCHBOARD_NOTIFIER_SECRET_KEY"
CONTENT = b"made-up-\xff-content"


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [one for one in os.environ if one.startswith("SWITCHBOARD_")]:
        monkeypatch.delenv(name)
    for name, value in AROUND.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def unreadable(tmp_path: Path, kind: str) -> str:
    """The path of something that cannot be a setting's file."""
    if kind == "not text":
        (tmp_path / kind).write_bytes(CONTENT)
    if kind == "a folder":  # what a container engine makes of a bind mount whose source is not there
        (tmp_path / kind).mkdir()
    return str(tmp_path / kind)


def start(service: str, environment: dict[str, str]) -> str:
    """What a service says that cannot start."""
    command = [sys.executable, "-m", "switchboard_cli", "serve", service, "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 1
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["not there", "a folder", "not text"])
def test_a_setting_whose_file_cannot_be_read_stops_the_start_with_one_line(tmp_path: Path, kind: str) -> None:
    path = unreadable(tmp_path, kind)
    environment = {"PATH": os.defpath, **AROUND, f"{VARIABLE}_FILE": path}
    told = start("notifier", environment)

    assert len(told.splitlines()) == 1
    assert f"{VARIABLE}_FILE cannot be read" in told
    assert "make it a text file that we may read" in told
    assert path not in told  # somebody may have put the secret itself there
    assert "content" not in told


def test_a_secret_that_was_mounted_as_a_folder_stops_the_start(
    surroundings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    surroundings.setattr(settings, "SECRETS", tmp_path)
    (tmp_path / "switchboard_kafka_password").mkdir()

    with pytest.raises(UnreadableSetting, match="switchboard_kafka_password cannot be read"):
        KafkaLogin()


def test_a_setting_is_looked_for_in_the_variable_then_its_file_then_the_secrets(
    surroundings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    surroundings.setattr(settings, "SECRETS", tmp_path)
    (tmp_path / VARIABLE.lower()).write_text("third\n", "utf-8")
    (tmp_path / "named").write_text("second\n", "utf-8")
    surroundings.setenv(VARIABLE, "first")
    surroundings.setenv(f"{VARIABLE}_FILE", str(tmp_path / "named"))

    assert list(given(VARIABLE)) == ["first", "second", "third"]


def test_a_file_that_is_named_by_nothing_is_none(surroundings: pytest.MonkeyPatch) -> None:
    """`SWITCHBOARD_X_FILE: ${X:-}` in a compose file."""
    surroundings.setenv(f"{VARIABLE}_FILE", "")

    assert list(given(VARIABLE)) == []


def test_settings_that_do_not_go_together_are_named_without_a_value() -> None:
    environment = {"PATH": os.defpath, **AROUND, "SWITCHBOARD_INGEST_TRANSIT_TOKEN": "made-up-token"}
    told = start("ingest", environment)

    assert told == "switchboard: missing or bad settings: transit_url and transit_token come together\n"


@pytest.mark.parametrize(
    "given_ones", [("certificate",), ("key",), ("client_ca",), ("certificate", "client_ca"), ("key", "client_ca")]
)
def test_hl7_is_encrypted_wholly_or_the_start_is_refused(
    surroundings: pytest.MonkeyPatch, tmp_path: Path, given_ones: tuple[str, ...]
) -> None:
    (tmp_path / "made-up.pem").touch()
    for one in given_ones:
        surroundings.setenv(f"SWITCHBOARD_PM_SYNC_MLLP_TLS_{one.upper()}", str(tmp_path / "made-up.pem"))

    with pytest.raises(ValidationError, match="come together"):
        pm_sync.settings.Settings.model_validate({})


@pytest.mark.parametrize("name", ["KAFKA_CA", "PM_SYNC_MLLP_TLS_CERTIFICATE", "PM_SYNC_MLLP_TLS_CLIENT_CA"])
def test_a_certificate_that_is_not_there_is_named(surroundings: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    surroundings.setenv(f"SWITCHBOARD_{name}", str(tmp_path / "nowhere.pem"))

    with pytest.raises(ValidationError, match=name.removeprefix("PM_SYNC_").lower()):
        pm_sync.settings.Settings.model_validate({})
