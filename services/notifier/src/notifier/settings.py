"""The notifier's settings."""

from shared_web.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="SWITCHBOARD_NOTIFIER_"):
    """See `ServiceSettings`."""

    heartbeat_seconds: float = 15
    """How long a staff stream may be silent before it carries a comment."""
    action_wait_seconds: float = 2
    """How long an action waits for its result before it is answered 202."""
