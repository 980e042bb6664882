"""ingest's settings."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from shared_database.sealing import SealingKeys
from shared_web.settings import GivenSettings, ServiceSettings


def _names(given: object) -> object:
    return [name.strip() for name in given.split(",")] if isinstance(given, str) else given


class KeySettings(GivenSettings, env_prefix="SWITCHBOARD_INGEST_"):
    """Who keeps the key that practices' keys are wrapped with. Without any of it files are kept as they came, and providers'
    tokens in the clear.
    """

    secret_key: SealingKeys | None = None
    """32 bytes in base64; the newest of several comes first. What providers' tokens are sealed with, beside Transit too."""
    transit_url: str | None = None
    """Vault's Transit engine instead: `https://vault:8200/v1/transit`."""
    transit_key: str = "switchboard"
    transit_token: SecretStr | None = None

    @model_validator(mode="after")
    def _one_keeper(self) -> Self:
        if (self.transit_url is None) != (self.transit_token is None):
            message = "transit_url and transit_token come together"
            raise ValueError(message)
        return self


class Settings(KeySettings, ServiceSettings, env_prefix="SWITCHBOARD_INGEST_"):
    """See `ServiceSettings`."""

    twilio_api_url: str = "https://api.twilio.com"
    """Where texts are sent to through Twilio (without a slash at the end)."""
    telnyx_api_url: str = "https://api.telnyx.com"
    """The same for Telnyx."""
    media_hosts: Annotated[tuple[str, ...], BeforeValidator(_names)] = (
        "api.twilio.com",
        ".twiliocdn.com",
        ".telnyx.com",
        ".telnyxcloudstorage.com",
        "s3.amazonaws.com",
    )
    """Where files of texts and recordings are copied from, besides the APIs: hosts with commas between, `.domain` for all
    below it."""
    blob_url: str = "file:///var/lib/switchboard/blobs"
    """Where files of messages are kept: `file:///folder`, or `s3://bucket/prefix` (then with AWS's variables)."""
    attachment_bytes: int = Field(default=20 * 1024 * 1024, gt=0)
    """The largest file of a message that is kept."""
    kafka_patience: timedelta = timedelta(milliseconds=150)
    """How long a message waits for Kafka before it is kept in PostgreSQL instead (ISO 8601 duration, or seconds)."""
    spool_rows: int = Field(default=1_000_000, gt=0)
    """How many messages may wait in PostgreSQL for Kafka; from then on webhooks are answered 503."""
    adapter_rate: float = Field(default=100, ge=0)
    """How many messages a second one channel adapter may send, on the long run; 0: no bound."""
    behind_gateway: bool = False
    """Whether every request comes through our gateway: then it says where from (`X-Forwarded-For`)."""
