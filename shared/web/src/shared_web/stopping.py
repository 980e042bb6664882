"""Stopping this process because going on would do damage."""

import os
import signal

_reasons: list[str] = []


def stop_process(reason: str) -> None:
    """Drain and end as on SIGTERM, but with an error: `stopped_because` gives the reason to whoever runs us."""
    _reasons.append(reason)
    os.kill(os.getpid(), signal.SIGTERM)


def stopped_because() -> str | None:
    """Why the process stops by itself; None when it was told to."""
    return _reasons[0] if _reasons else None
