"""ingest's settings."""

from shared_web.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="SWITCHBOARD_INGEST_"):
    """See `ServiceSettings`."""

    twilio_api_url: str = "https://api.twilio.com"
    """Where texts are sent to through Twilio (without a slash at the end)."""
    telnyx_api_url: str = "https://api.telnyx.com"
    """The same for Telnyx."""
