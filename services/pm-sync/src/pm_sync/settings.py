"""pm-sync's settings."""

from pathlib import Path

from shared_database.sealing import SealingKeys
from shared_web.outbound import AllowedNetworks
from shared_web.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="SWITCHBOARD_PM_SYNC_"):
    """See `ServiceSettings`."""

    drop_dir: Path | None = None
    """Files in `<drop_dir>/<connection id>/*.csv` are read as they come; None: no drop folder."""
    secret_key: SealingKeys | None = None
    """What secrets and quarantined items are encrypted with: 32 bytes in base64; the newest of several comes first.
    None: no connection can have a secret, and quarantine keeps no content.
    """
    mllp_host: str = "0.0.0.0"  # noqa: S104 - senders are other machines
    mllp_port: int = 2575
    """Where HL7 v2 messages come in; 0: nowhere."""
    mllp_tls_certificate: Path | None = None
    mllp_tls_key: Path | None = None
    """Both: senders must encrypt."""
    mllp_tls_client_ca: Path | None = None
    """Senders must have a certificate from it."""
    outbound_allowed: AllowedNetworks = ()
    """Networks that connections may be to although they are not public, and without TLS."""
