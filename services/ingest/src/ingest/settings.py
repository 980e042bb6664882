"""ingest's settings."""

from datetime import timedelta

from pydantic import Field

from shared_web.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="SWITCHBOARD_INGEST_"):
    """See `ServiceSettings`."""

    twilio_api_url: str = "https://api.twilio.com"
    """Where texts are sent to through Twilio (without a slash at the end)."""
    telnyx_api_url: str = "https://api.telnyx.com"
    """The same for Telnyx."""
    kafka_patience: timedelta = timedelta(milliseconds=150)
    """How long a message waits for Kafka before it is kept in PostgreSQL instead (ISO 8601 duration, or seconds)."""
    spool_rows: int = Field(default=1_000_000, gt=0)
    """How many messages may wait in PostgreSQL for Kafka; from then on webhooks are answered 503."""
