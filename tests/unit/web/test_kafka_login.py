"""How a service logs in to Kafka, from its environment."""

import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared_web.settings import KafkaLogin


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("USER", "PASSWORD", "MECHANISM", "TLS", "CA"):
        monkeypatch.delenv(f"SWITCHBOARD_KAFKA_{name}", raising=False)
    return monkeypatch


def test_without_settings_nobody_logs_in(surroundings: pytest.MonkeyPatch) -> None:
    del surroundings

    assert KafkaLogin().kafka_security == {}


def test_a_user_with_a_password_in_a_file_logs_in_by_scram(surroundings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("made-up\n", "utf-8")
    surroundings.setenv("SWITCHBOARD_KAFKA_USER", "switchboard-router")
    surroundings.setenv("SWITCHBOARD_KAFKA_PASSWORD_FILE", str(tmp_path / "password"))

    assert KafkaLogin().kafka_security == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "switchboard-router",
        "sasl_plain_password": "made-up",
    }


def test_tls_checks_the_brokers_certificate_and_name(surroundings: pytest.MonkeyPatch) -> None:
    surroundings.setenv("SWITCHBOARD_KAFKA_TLS", "true")

    security = KafkaLogin().kafka_security

    assert security["security_protocol"] == "SSL"
    assert (security["ssl_context"].verify_mode, security["ssl_context"].check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("alone", ["USER", "PASSWORD"])
def test_a_user_without_a_password_is_refused_and_the_other_way_round(
    surroundings: pytest.MonkeyPatch, alone: str
) -> None:
    surroundings.setenv(f"SWITCHBOARD_KAFKA_{alone}", "made-up")

    with pytest.raises(ValidationError) as refused:
        KafkaLogin()
    assert refused.value.errors()[0]["loc"] == ("kafka_password",)
    assert "made-up" not in str(refused.value)
