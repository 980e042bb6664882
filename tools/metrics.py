"""docs/metrics.md, from the metrics that the code declares; and the names that Prometheus gives them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import prometheus_client

import switchboard_cli.origin  # noqa: F401 - its services declare them

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "switchboard_"
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
_HEAD = """# Metrics

Every service answers `/metrics` on its port 8000, for Prometheus; the gateway does not pass it on. Labels hold names of our
own making (topics, channels, error classes): never a practice, never a person. Written by `just contracts` from the code.

| metric | kind | labels | meaning |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """As the code declares it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def series(self) -> frozenset[str]:
        """The names that queries use."""
        return frozenset(self.name + suffix for suffix in _SUFFIXES[self.kind])


def declared() -> list[Metric]:
    """Every metric of ours, by name."""
    return sorted(_declared())


def _declared() -> Iterator[Metric]:
    for collector in {*prometheus_client.REGISTRY._collector_to_names}:  # noqa: SLF001 - it has no public list
        name = getattr(collector, "_name", "")
        if name.startswith(PREFIX):
            kind, labels = getattr(collector, "_type", ""), getattr(collector, "_labelnames", ())
            yield Metric(name, kind, tuple(labels), getattr(collector, "_documentation", ""))


def documented() -> dict[Path, str]:
    """The page."""
    rows = (
        f"| `{one.name}{'_total' if one.kind == 'counter' else ''}` | {one.kind} | "
        f"{', '.join(f'`{label}`' for label in one.labels)} | {one.meaning} |\n"
        for one in declared()
    )
    return {ROOT / "docs/metrics.md": _HEAD + "".join(rows)}


def used_in(text: str) -> set[str]:
    """The names of ours that a query, a rule or a dashboard uses; names of recording rules have colons."""
    return set(re.findall(rf"(?<![\w:]){PREFIX}\w+(?![\w:])", text))
