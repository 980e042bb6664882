"""pm-sync's settings."""

from pathlib import Path

from shared_web.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="SWITCHBOARD_PM_SYNC_"):
    """See `ServiceSettings`."""

    drop_dir: Path | None = None
    """Files in `<drop_dir>/<connection id>/*.csv` are read as they come; None: no drop folder."""
