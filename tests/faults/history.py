"""What happened, line by line: every operation as it began and as it ended, and at the end what the logs and tables hold.

Jepsen's vocabulary: an operation is an `invoke`, then `ok` (it happened), `fail` (it did not) or `info` (nobody knows). What
is read from logs and tables at the end is `ok` without an `invoke`.

| op | process | fields |
|---|---|---|
| `send` | a sender | id (of the message), practice, patient |
| `act` | a staff member | id (of the change), practice |
| `save` | an administrator | practice, version (of the routing settings) |
| `sync` | the PM system | id (of the appointment's event), practice |
| `listen` | a client | practice, staff, position: it owes us everything from there |
| `reset` | a client | practice, position: it was told to begin again there |
| `see` | a client | practice, staff, event, id (what it is about), position, of (the practice that the event names) |
| `synced` | the log | practice, id |
| `routed` | router | practice, position, event (message…), id, conversation, version, settings, audience, digest |
| `announced` | notifier | practice, position, event, id, seen_by (null: everybody of the practice), settings (by which) |
| `thread` | a staff member | practice, id: a patient's message that staff can read |
| `decided` | router | practice, id |
| `notified` | notifier | practice, id, staff |
"""

import json
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Any, Literal, TextIO

Entry = dict[str, Any]
Kind = Literal["invoke", "ok", "fail", "info"]


class History:
    """Written as it happens, so that it is there whatever becomes of us."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.entries: list[Entry] = []

    def note(self, type_: Kind, op: str, process: str, **fields: object) -> None:
        """One line."""
        entry = {"type": type_, "op": op, "process": process, "at": round(monotonic(), 4), **fields}
        self.entries.append(entry)
        self._file.write(json.dumps(entry) + "\n")


def read_history(path: Path) -> list[Entry]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def of(history: Iterable[Entry], op: str, *types: str) -> list[Entry]:
    """The entries of one operation; of all types, if none is named."""
    return [entry for entry in history if entry["op"] == op and (not types or entry["type"] in types)]
