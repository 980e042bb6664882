"""The router's settings: environment variables, or files of the same names in /run/secrets."""

from shared_web.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="SWITCHBOARD_ROUTER_"):
    """See `ServiceSettings`; the router has none of its own."""
