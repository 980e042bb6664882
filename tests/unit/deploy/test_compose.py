"""docker-compose.yml against the settings that the services read."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from switchboard_cli.doctor import SETTINGS
from switchboard_cli.embedded.postgres import AS_IN_COMPOSE, SHARED_BUFFERS

COMPOSE = Path(__file__).resolve().parents[3] / "docker-compose.yml"
ELSEWHERE = {
    "kafka_ca", "kafka_mechanism", "kafka_tls",  # the Kafka of this file is the one
    "blob_url", "transit_key", "transit_token", "transit_url",  # files are in a volume, and their key beside it
    "telnyx_api_url", "twilio_api_url",  # for tests
    "mllp_host", "mllp_port", "mllp_tls_certificate", "mllp_tls_client_ca", "mllp_tls_key",  # the port is published
}  # fmt: skip
"""What this installation leaves as it is."""


def services() -> dict[str, Any]:
    reader = YAML(typ="safe")
    reader.constructor.add_constructor("!reset", lambda _loader, _node: None)
    found: dict[str, Any] = reader.load(COMPOSE)["services"]
    return found


@pytest.mark.parametrize("service", SETTINGS)
def test_every_setting_of_a_service_can_be_given_in_the_env_file(service: str) -> None:
    own, every = f"SWITCHBOARD_{service.replace('-', '_').upper()}_", "SWITCHBOARD_"
    given = {name.removesuffix("_FILE") for name in services()[service]["environment"]}

    missing = {
        name for name in SETTINGS[service].model_fields if not {own + name.upper(), every + name.upper()} & given
    } - ELSEWHERE

    assert missing == set()


@pytest.mark.parametrize("service", SETTINGS)
def test_nothing_is_given_to_a_service_that_it_does_not_read(service: str) -> None:
    own, every = f"SWITCHBOARD_{service.replace('-', '_').upper()}_", "SWITCHBOARD_"
    read = {prefix + name.upper() for name in SETTINGS[service].model_fields for prefix in (own, every)}
    given = {name.removesuffix("_FILE") for name in services()[service]["environment"]}

    assert {name for name in given if name.startswith(every)} - read == set()


def test_the_embedded_postgresql_has_the_settings_of_this_one() -> None:
    same = {f"--{name}={value}" for name, value in AS_IN_COMPOSE.items()}
    default = f"--shared_buffers=${{POSTGRES_SHARED_BUFFERS:-{SHARED_BUFFERS}}}"

    assert same | {default} <= set(services()["postgres"]["command"])
