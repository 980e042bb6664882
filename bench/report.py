"""The form of a benchmark's result."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `value` is the median of `runs`; `reference_value` was measured in the same run."""

    name: str
    value: float
    unit: str
    runs: tuple[float, ...] = ()
    reference: str | None = None
    reference_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the reference."""
        return round(self.value / self.reference_value, 3) if self.reference_value else None

    @classmethod
    def of(
        cls,
        name: str,
        unit: str,
        runs: Sequence[float],
        reference: str | None = None,
        reference_runs: Sequence[float] = (),
    ) -> "Row":
        """From the measurements of several runs."""
        middle = statistics.median(reference_runs) if reference_runs else None
        return cls(name, statistics.median(runs), unit, tuple(runs), reference, middle)


def machine() -> dict[str, object]:
    """What a figure was measured on."""
    packages = ("aiokafka", "asyncpg", "pydantic", "faststream", "granian")
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def show(rows: Sequence[Row]) -> None:
    """The rows as a table."""
    for row in rows:
        spread = f" ({min(row.runs):.4g} to {max(row.runs):.4g})" if row.runs else ""
        against = f"  {row.ratio}x of {row.reference}: {row.reference_value:.4g}" if row.reference_value else ""
        print(f"{row.name:<48} {row.value:>12.4g} {row.unit}{spread}{against}")  # noqa: T201 - a program's output


def write(rows: Sequence[Row], file: Path) -> None:
    """The rows as JSON, with what they were measured on."""
    content = {"machine": machine(), "rows": [asdict(row) | {"ratio": row.ratio} for row in rows]}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
