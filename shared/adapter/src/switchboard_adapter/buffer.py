"""Messages that wait to be sent, in an SQLite file: they outlive the process."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_TABLE = """
CREATE TABLE IF NOT EXISTS message (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    headers TEXT NOT NULL,
    value BLOB,
    refusal TEXT
)
"""
_AT_ONCE = 100


class Buffer:
    """A queue. What was refused stays in it without its content, so that it is not tried again."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)  # it holds what patients wrote
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(_TABLE)

    def __len__(self) -> int:
        """How many wait."""
        (count,) = self._database.execute("SELECT count(*) FROM message WHERE refusal IS NULL").fetchone()
        return int(count)

    def add(self, message_id: str, headers: dict[str, str], value: bytes) -> None:
        """Put a message at the end; durable on return. One that waits already, or was refused, is left as it is."""
        self._database.execute(
            "INSERT OR IGNORE INTO message (message_id, headers, value) VALUES (?, ?, ?)",
            (message_id, json.dumps(headers), value),
        )

    def waiting(self) -> Iterator[tuple[str, dict[str, str], bytes]]:
        """What waits, in order. It may be forgotten or refused while this goes on."""
        last = 0
        while rows := self._database.execute(
            "SELECT position, message_id, headers, value FROM message WHERE refusal IS NULL AND position > ? "
            "ORDER BY position LIMIT ?",
            (last, _AT_ONCE),
        ).fetchall():
            for last, message_id, headers, value in rows:  # noqa: B007 - goes on behind the last one
                yield message_id, json.loads(headers), value

    def forget(self, message_id: str) -> None:
        """It was sent."""
        self._database.execute("DELETE FROM message WHERE message_id = ?", (message_id,))

    def refuse(self, message_id: str, why: str) -> None:
        """It will never be taken."""
        self._database.execute("UPDATE message SET refusal = ?, value = NULL WHERE message_id = ?", (why, message_id))

    def refusal_of(self, message_id: str) -> str:
        """Why it was refused; empty when it was not."""
        row = self._database.execute("SELECT refusal FROM message WHERE message_id = ?", (message_id,)).fetchone()
        return str(row[0] or "") if row else ""

    def close(self) -> None:
        """What waits stays."""
        self._database.close()
