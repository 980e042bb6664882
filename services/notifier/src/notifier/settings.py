"""The notifier's settings."""

from datetime import timedelta

from pydantic import SecretStr

from notifier.notifying.email import Security
from shared_database.sealing import SealingKeys
from shared_web.outbound import AllowedNetworks
from shared_web.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="SWITCHBOARD_NOTIFIER_"):
    """See `ServiceSettings`."""

    heartbeat_seconds: float = 15
    """How long a staff stream may be silent before it carries a comment."""
    action_wait_seconds: float = 2
    """How long an action waits for its result before it is answered 202."""
    secret_key: SealingKeys | None = None
    """What secrets of webhook endpoints, and events on their way there, are encrypted with: 32 bytes in base64; the newest
    of several comes first. None: there can be no endpoints.
    """
    outbound_allowed: AllowedNetworks = ()
    """Networks that webhook endpoints may be in although they are not public, and without TLS."""
    webhook_seconds: float = 15
    """How long one call of a webhook endpoint may take."""
    webhook_failing_limit: timedelta = timedelta(days=5)
    """An endpoint that has taken nothing for so long is disabled."""
    smtp_host: str | None = None
    """Where e-mails are handed in; without it there are none."""
    smtp_port: int = 587
    smtp_security: Security = "starttls"
    """`starttls`, `tls` from the first byte on, or `none`: for a server on this machine."""
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    mail_from: str = "Switchboard <switchboard@localhost>"
    """Whom e-mails are from."""
    push_contact: str | None = None
    """Where push services complain: `mailto:` or https (RFC 8292). None: `public_url`."""
    oidc_discovery_url: str | None = None
    """The identity provider's `.well-known/openid-configuration`; without it nobody signs in to the console."""
    oidc_client_id: str = "switchboard-console"
    oidc_client_secret: SecretStr | None = None
    """Null for a public client: the flow is protected by PKCE either way."""
    oidc_scope: str = "openid"
    idle_logoff: timedelta = timedelta(minutes=15)
    """How long somebody may be away from the console before they are signed off."""
