"""Emergency access ("break glass", 45 CFR 164.312(a)(2)(ii)): reading a practice's messages when its own staff cannot.

The identity provider gives somebody the role `emergency` in one practice, for an hour at most. They read what the practice's
administrators read, and change nothing; each request is a warning in the log and counts for the alarm `EmergencyAccess`.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter

from shared_web.problems import Problem

if TYPE_CHECKING:
    from fastapi import Request

LONGEST_SECONDS = 3600
"""From when the token was issued until it ends."""
_READS = frozenset({"GET", "HEAD"})
_READS_BY_POST = frozenset({"/v1/search"})
"""Words to look for are in a body: they do not belong into addresses."""

REQUESTS = Counter("switchboard_emergency_requests", "Requests by emergency access, those that were refused included.")
log = structlog.get_logger()


def note_emergency(request: "Request", practice_id: str, staff_id: str) -> None:
    """Say loudly that somebody reads by emergency access. Raises a 403 problem for a request that changes something."""
    REQUESTS.inc()
    template = getattr(request.scope.get("route"), "path", None)
    log.warning(
        "emergency access",
        practice_id=practice_id,
        staff_id=staff_id,
        method=request.method,
        path_template=template,
    )
    if request.method not in _READS and request.url.path not in _READS_BY_POST:
        raise Problem(HTTPStatus.FORBIDDEN, "Emergency access reads, and changes nothing")


def is_short(issued_at: float | None, expires_at: float) -> bool:
    """Whether a token lives no longer than emergency access may."""
    return issued_at is not None and 0 < expires_at - issued_at <= LONGEST_SECONDS
