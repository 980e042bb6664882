"""What every service is told from outside.

A setting is looked for as `SWITCHBOARD_<SERVICE>_<NAME>`, then as `SWITCHBOARD_<NAME>`; each also as a file, named by the
same variable with `_FILE` behind it, or lying in /run/secrets under the variable's name in lower case.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

COMMON_PREFIX = "SWITCHBOARD_"
SECRETS = Path("/run/secrets")


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


def given(variable: str) -> Iterator[str]:
    """What this machine says about a variable: itself first, then the files that stand in for it."""
    if variable in os.environ:
        yield os.environ[variable]
    for path in (os.environ.get(f"{variable}_FILE"), SECRETS / variable.lower()):
        if path and Path(path).is_file():
            yield Path(path).read_text(encoding="utf-8").strip()


class ServiceSettings(BaseSettings):
    """The settings that all services have. Frozen; a missing or bad one stops the start and is named."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=COMMON_PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    kafka_bootstrap_servers: str
    postgres_dsn: SecretStr
    """Holds a password."""
    jwks: str
    """Where the identity provider's keys are: a URL or a file."""
    jwt_issuer: str
    jwt_audience: str = "switchboard"
    public_url: str = Field(default="http://127.0.0.1:8080")
    """How the world reaches us: what providers sign (without a slash at the end)."""

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
