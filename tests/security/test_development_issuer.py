"""The development issuer signs tokens for anybody: it works on its own machine, and nowhere else by accident."""

from pathlib import Path

import pytest
from pydantic import ValidationError

import notifier.app
import notifier.settings
from shared_web.policy import endpoints
from switchboard_cli import development_sign_in
from switchboard_cli.development_issuer import ISSUER, DevelopmentIssuer
from switchboard_cli.failures import Failed
from switchboard_cli.serving import run_service

AROUND = {"kafka_bootstrap_servers": "kafka:9092", "postgres_dsn": "postgresql://", "jwks": "keys.json"}


def settings(**given: str) -> notifier.settings.Settings:
    return notifier.settings.Settings.model_validate({**AROUND, **given})


@pytest.mark.parametrize(
    "url", ["https://messages.example.org", "http://10.0.0.7:8080", "http://127.0.0.1.example.org"]
)
def test_a_service_that_is_reached_from_elsewhere_does_not_trust_it(url: str) -> None:
    with pytest.raises(ValidationError, match="this machine only"):
        settings(jwt_issuer=ISSUER, public_url=url)

    assert settings(jwt_issuer="https://id.example.org", public_url=url).public_url == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_on_its_own_machine_it_works(url: str) -> None:
    assert settings(jwt_issuer=ISSUER, public_url=url).jwt_issuer == ISSUER


def test_the_refusal_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**AROUND, "jwt_issuer": ISSUER, "public_url": "https://messages.example.org"}.items():
        monkeypatch.setenv(f"SWITCHBOARD_{name.upper()}", value)

    with pytest.raises(Failed, match="set SWITCHBOARD_JWT_ISSUER to your identity provider"):
        run_service("notifier", host="127.0.0.1", port=0)


def test_no_service_has_its_sign_in_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the single origin of the command line has; a service takes no notice of its variable."""
    DevelopmentIssuer(tmp_path).prepare()
    monkeypatch.setenv(development_sign_in.VARIABLE, str(tmp_path))
    app = notifier.app.create_app(settings(jwt_issuer=ISSUER))

    assert [one for one, _ in endpoints(app) if development_sign_in.PREFIX in one] == []
