"""What a file is, told from its first bytes: what somebody calls it proves nothing."""

from collections.abc import Collection
from typing import Literal

import filetype

UNKNOWN_TYPE = "application/octet-stream"
_SHOWN = ("image/", "audio/", "video/", "application/pdf")

FileFailure = Literal["too_large", "not_found", "type_not_allowed", "not_reachable"]
"""Why there is no content: larger than we take, gone at the provider, of a kind that we do not take, or never reached."""


def type_of(content: bytes) -> str:
    """The content type (RFC 6838); `application/octet-stream` for everything that is not a known file format."""
    return str(filetype.guess_mime(content[:8192]) or UNKNOWN_TYPE)


def is_shown(content_type: str) -> bool:
    """Whether a browser may show it in place. Never HTML or SVG: they could run scripts under our origin."""
    return content_type.startswith(_SHOWN)


def refusal(content: bytes, *, most_bytes: int, allowed: Collection[str] | None = None) -> FileFailure | None:
    """Why this content is not taken; None when it is. `allowed` are content types, None: any."""
    if len(content) > most_bytes:
        return "too_large"
    if allowed is not None and type_of(content) not in allowed:
        return "type_not_allowed"
    return None
