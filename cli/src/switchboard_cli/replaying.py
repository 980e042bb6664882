"""What-if over past traffic, for the command line (rule X2)."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from switchboard_cli.failures import Failed

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def instant(text: str, now: datetime) -> datetime:
    """An RFC 3339 instant, or so long ago: `90m`, `24h`, `7d`, `2w`. Raises `Failed`."""
    ago = re.fullmatch(r"(\d+)([mhdw])", text)
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text} is no time: say 7d, 24h, or 2026-11-23T09:00:00Z"
        raise Failed(message) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def with_progress(lines: Iterable[dict[str, Any]], console: Console) -> Iterator[dict[str, Any]]:
    """The lines without those of progress, which move a bar on the console."""
    columns = (TextColumn("decided again"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        for line in lines:
            if line["kind"] == "progress":
                progress.update(task, completed=line["done"], total=line["total"])
            else:
                yield line


def show(lines: Iterable[dict[str, Any]], write: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Write each line, and return the summary. Raises `Failed` when there is none: the answer broke off."""
    for line in lines:
        write(line)
        if line["kind"] == "summary":
            return line
    message = "the answer broke off: look at the router's log, and try again"
    raise Failed(message)


def in_words(line: dict[str, Any]) -> str:
    """A line of the answer, for people."""
    match line["kind"]:
        case "difference":
            return _difference(line)
        case "unreproduced":
            return f"{line['message_id']}: its record does not reproduce itself"
        case _:
            return (
                f"{line['messages']} messages in {line['seconds']} s: {line['unreproduced']} not reproduced, "
                f"{line['different']} different; nobody told: {line['unrouted_then']} then, "
                f"{line['unrouted_under_draft']} now"
            )


def _difference(line: dict[str, Any]) -> str:
    then, draft = line["then"], line["under_draft"]
    changes = [
        f"{name.removesuffix('_id')} {then[name] or 'none'} -> {draft[name] or 'none'}"
        for name in ("reason_id", "location_id", "provider_id", "destination")
        if then[name] != draft[name]
    ]
    changes += [f"also tells {', '.join(line['newly_told'])}"] if line["newly_told"] else []
    changes += [f"does not tell {', '.join(line['no_longer_told'])}"] if line["no_longer_told"] else []
    return f"{line['message_id']} ({line['channel']}, {line['received_at']}): {'; '.join(changes)}"
