"""Cursors of the staff stream: an opaque name of one record of `staff-notifications`.

A cursor says which record was seen last, and carries a check of that record's id. A resume first looks whether the log
still has that very record in that place: if the topic was made anew, or its beginning has expired, it has not, and the
client is told `reset` instead of being given another history.
"""

import base64
import hashlib
from dataclasses import dataclass

_START = "start"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last record that was seen: partition, offset (-1: none yet), and the check of its id."""

    partition: int
    offset: int
    check: str

    def __str__(self) -> str:
        """The opaque form that clients keep."""
        text = f"1.{self.partition}.{self.offset}.{self.check}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def after(cls, partition: int, offset: int, ce_id: str | None) -> "Cursor":
        """The cursor of a record; `ce_id` None before the first one."""
        return cls(partition, offset, _START if ce_id is None else check_of(ce_id))

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """The cursor that a client sent back; None when it is none of ours."""
        try:
            decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            version, partition, offset, check = decoded.split(".")
            return cls(int(partition), int(offset), check) if version == "1" else None
        except ValueError:
            return None


def check_of(ce_id: str) -> str:
    """Eight characters that another record at the same place will not have."""
    return hashlib.sha256(ce_id.encode()).hexdigest()[:8]
