"""A hook of the documentation site: puts the endpoints and topics of the generated contracts into docs/reference.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared_schemas.topics import CATALOGUE

CONTRACTS = Path(__file__).resolve().parents[1] / "docs/contracts"
METHODS = ("get", "put", "post", "patch", "delete")


def on_page_markdown(markdown: str, **_: object) -> str:
    """Called by mkdocs for each page."""
    if "<!-- endpoints -->" not in markdown:
        return markdown
    return markdown.replace("<!-- endpoints -->", endpoints()).replace("<!-- topics -->", topics())


def endpoints() -> str:
    """A table for each service."""
    parts: list[str] = []
    for file in sorted(CONTRACTS.glob("openapi-*.json")):
        document = json.loads(file.read_text("utf-8"))
        rows = "\n".join(_endpoints(document))
        parts.append(f"## {document['info']['title']}\n\n| | address | what |\n|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _endpoints(document: dict[str, Any]) -> Iterator[str]:
    for path, operations in sorted(document["paths"].items()):
        for method in METHODS:
            if method in operations:
                yield f"| {method.upper()} | `{path}` | {operations[method].get('summary', '')} |"


def topics() -> str:
    """One table: who writes and reads what, and how long it is kept."""
    rows = (
        f"| `{topic.name}` | {topic.key} | {', '.join(event.__name__ for event in topic.events)} | "
        f"{', '.join(topic.producers)} | {', '.join(topic.consumers)} | "
        f"{f'{topic.retention.days} days' if topic.retention else 'compacted'} |"
        for topic in CATALOGUE
    )
    return (
        "## Topics\n\n| topic | key | events | written by | read by | kept |\n|---|---|---|---|---|---|\n"
        + "\n".join(rows)
    )
