"""The results that are kept: a JSON file for each run of a benchmark, and a page that shows the newest of each."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.report import Row, show, write

RESULTS = Path(__file__).with_name("results")
_HEAD = """# Results

Written by `just bench NAME --keep` and `just bench all`: the newest run of each benchmark. Medians; in brackets the lowest
and the highest of several runs. A ratio is to a reference that was measured in the same run, on the same broker. The files
beside this page have all runs, and the machine and the versions. There are also [hours under faults](faults.md) and
[where the time goes](profile.md).
"""


def keep(name: str, rows: Sequence[Row]) -> None:
    """Show a run, keep it under today's date, and write the page anew."""
    show(rows)
    RESULTS.mkdir(exist_ok=True)
    write(rows, RESULTS / f"{datetime.now(UTC).date()}-{name}.json")
    (RESULTS / "README.md").write_text(_page(), encoding="utf-8")


def _page() -> str:
    newest = {file.stem[11:]: file for file in sorted(RESULTS.glob("*.json"))}
    return "\n".join([_HEAD, *(line for name, file in newest.items() for line in _section(name, file))])


def _section(name: str, file: Path) -> Iterable[str]:
    content = json.loads(file.read_text("utf-8"))
    machine = content["machine"]
    yield f"## {name}\n"
    yield f"{machine['measured_at'][:16]} UTC, {machine['cpus']} CPUs, {machine['system']}, Python {machine['python']}.\n"
    yield "| figure | value | unit | reference | its value | ratio |"
    yield "|---|---|---|---|---|---|"
    yield from map(_line, content["rows"])
    yield ""


def _line(row: dict[str, Any]) -> str:
    runs = row["runs"]
    spread = f" ({_short(min(runs))} to {_short(max(runs))})" if runs else ""
    reference = row["reference"] or ""
    value = "" if row["reference_value"] is None else _short(row["reference_value"])
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    return f"| {row['name']} | {_short(row['value'])}{spread} | {row['unit']} | {reference} | {value} | {ratio} |"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits are enough
