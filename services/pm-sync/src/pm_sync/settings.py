"""pm-sync's settings."""

from pathlib import Path
from typing import Self

from pydantic import FilePath, model_validator

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
    mllp_tls_certificate: FilePath | None = None
    mllp_tls_key: FilePath | None = None
    """Both: senders must encrypt."""
    mllp_tls_client_ca: FilePath | None = None
    """Senders must have a certificate from it."""
    outbound_allowed: AllowedNetworks = ()
    """Networks that connections may be to although they are not public, and without TLS."""

    @model_validator(mode="after")
    def _encrypts_wholly(self) -> Self:
        """Half of it would leave the port open to whoever sends in the clear."""
        has_certificate, has_key = self.mllp_tls_certificate is not None, self.mllp_tls_key is not None
        if has_certificate != has_key or (self.mllp_tls_client_ca is not None and not has_certificate):
            message = "mllp_tls_certificate and mllp_tls_key come together, and mllp_tls_client_ca with both"
            raise ValueError(message)
        return self
