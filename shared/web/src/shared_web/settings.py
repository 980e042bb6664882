"""What every service is told from outside.

A setting is looked for as `SWITCHBOARD_<SERVICE>_<NAME>`, then as `SWITCHBOARD_<NAME>`; each also as a file, named by the
same variable with `_FILE` behind it, or lying in /run/secrets under the variable's name in lower case. A file that somebody
named and that cannot be read stops the start: without it a service might do without the key that seals what it keeps.
"""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, FilePath, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

COMMON_PREFIX = "SWITCHBOARD_"
SECRETS = Path("/run/secrets")

DEVELOPMENT_ISSUER = "switchboard-development"
"""Signs tokens for anybody (`switchboard_cli.development_issuer`)."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class _Surroundings(PydanticBaseSettingsSource):
    """Environment variables and secret files, the service's own before the common ones."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of one setting; None where nobody gave one."""
        del field
        return next(self._given(field_name), None), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every setting that somebody gave."""
        names = self.settings_cls.model_fields
        return {name: value for name in names for value in (next(self._given(name), None),) if value is not None}

    def _given(self, name: str) -> Iterator[str]:
        own = self.settings_cls.model_config.get("env_prefix") or COMMON_PREFIX
        for prefix in dict.fromkeys((own, COMMON_PREFIX)):
            yield from given((prefix + name).upper())


class UnreadableSetting(Exception):  # noqa: N818 - what it is, not that it is an error
    """A setting is said to be in a file that cannot be read. The text is one line, without path or content."""


def given(variable: str) -> Iterator[str]:
    """What this machine says about a variable: itself first, then the files that stand in for it.

    Raises `UnreadableSetting` once it comes to a file that was named and is not there, or is no text.
    """
    if variable in os.environ:
        yield os.environ[variable]
    named = f"{variable}_FILE"
    if os.environ.get(named):
        yield _content(Path(os.environ[named]), named)
    secret = SECRETS / variable.lower()
    if secret.exists():
        yield _content(secret, str(secret))


def _content(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        why = error.strerror or type(error).__name__
    except ValueError:  # no UTF-8, or a NUL in the path
        why = "No text"
    raise UnreadableSetting(f"{name} cannot be read ({why}): make it a text file that we may read, or do without it")


class GivenSettings(BaseSettings):
    """Settings from environment variables and secret files. Frozen; a bad one is named and never repeated."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=COMMON_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(  # noqa: D102 - see the base class
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, _Surroundings(settings_cls)


def what_is_wrong(error: ValidationError) -> str:
    """The missing and bad settings by name, with what our own checks say of them. Never a value."""
    return ", ".join(sorted(set(_problems(error))))


def _problems(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_input=False):
        own = problem.get("ctx", {}).get("error")
        name = next((str(part) for part in problem["loc"]), None)  # none where several together are wrong
        yield str(own) if name is None else name if own is None else f"{name} ({own})"


class KafkaLogin(GivenSettings):
    """Who we are to Kafka, and whether the connection is encrypted. Without any of it: nobody, and it is not."""

    kafka_user: str | None = None
    kafka_password: SecretStr | None = Field(default=None, validate_default=True)
    kafka_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    kafka_tls: bool = False
    kafka_ca: FilePath | None = None
    """The certificates that Kafka's must be signed by; else those that this machine trusts. Implies TLS."""

    @field_validator("kafka_password")
    @classmethod
    def _comes_with_a_user(cls, password: SecretStr | None, so_far: ValidationInfo) -> SecretStr | None:
        if (password is None) != (so_far.data.get("kafka_user") is None):
            message = "a user and a password come together"
            raise ValueError(message)
        return password

    @property
    def kafka_security(self) -> dict[str, Any]:
        """What aiokafka is to be given. Raises OSError when the certificates cannot be read."""
        is_encrypted = self.kafka_tls or self.kafka_ca is not None
        context = ssl.create_default_context(cafile=self.kafka_ca) if is_encrypted else None
        options: dict[str, Any] = {"ssl_context": context} if is_encrypted else {}
        if self.kafka_user is None or self.kafka_password is None:
            return options | ({"security_protocol": "SSL"} if is_encrypted else {})
        return options | {
            "security_protocol": "SASL_SSL" if is_encrypted else "SASL_PLAINTEXT",
            "sasl_mechanism": self.kafka_mechanism,
            "sasl_plain_username": self.kafka_user,
            "sasl_plain_password": self.kafka_password.get_secret_value(),
        }


class ServiceSettings(KafkaLogin):
    """The settings that all services have. Frozen; a missing or bad one stops the start and is named."""

    kafka_bootstrap_servers: str
    postgres_dsn: SecretStr
    """Holds a password."""
    jwks: str | None = None
    """Where the identity provider's keys are: a URL or a file; None: its discovery document says where."""
    jwt_issuer: str
    """The `iss` of its tokens."""
    jwt_audience: str = "switchboard"
    dead_letter_limit: int = Field(default=50, gt=0)
    """So many dead letters in a row on one partition stop the process."""
    practice_rate: float = Field(default=500, ge=0)
    """How many requests a second the staff of one practice may make, on the long run; 0: no bound."""
    public_url: str = Field(default="http://127.0.0.1:8080")
    """How the world reaches us: what providers sign (without a slash at the end)."""

    @field_validator("public_url")
    @classmethod
    def _has_a_real_issuer(cls, url: str, so_far: ValidationInfo) -> str:
        """Whoever can run a command here can make tokens of the development issuer, for anybody."""
        if so_far.data.get("jwt_issuer") == DEVELOPMENT_ISSUER and urlsplit(url).hostname not in LOOPBACK:
            message = (
                "the development issuer is for this machine only: set SWITCHBOARD_JWT_ISSUER to your identity provider"
            )
            raise ValueError(message)
        return url
