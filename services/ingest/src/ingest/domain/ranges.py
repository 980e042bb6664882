"""Byte ranges of a request (RFC 9110, section 14)."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Unsatisfiable(Exception):  # noqa: N818 - a state that was found
    """The range begins behind the end."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """`length` bytes from `start` on."""

    start: int
    length: int


def wanted_range(header: str | None, size: int) -> ByteRange | None:
    """The one range that a `Range` header asks for; None where it asks for none, or for what we may ignore: another
    unit, several ranges, nonsense. Raises `Unsatisfiable`.
    """
    found = _RANGE.fullmatch((header or "").replace(" ", ""))
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1 if last else size, size)
        if last and int(last) < start:
            return None
    if start >= size or start >= end:
        raise Unsatisfiable
    return ByteRange(start, end - start)
