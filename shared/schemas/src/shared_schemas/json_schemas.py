"""Writes the JSON Schema of every event version: `python -m shared_schemas.json_schemas DIRECTORY`."""

import json
import sys
from pathlib import Path

from shared_schemas.topics import EVENT_TYPES
from shared_schemas.values import Event


def file_name(event: type[Event]) -> str:
    """`switchboard.MessageReceived.v1` is in `MessageReceived.v1.json`."""
    return event.ce_type.removeprefix("switchboard.") + ".json"


def schema_text(event: type[Event]) -> str:
    """The JSON Schema (2020-12) of an event's data, as the file has it."""
    schema = event.model_json_schema(mode="serialization")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{event.ce_type}", **schema}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def write_all(directory: Path) -> None:
    """Make `directory` hold exactly the schemas of the catalogue."""
    directory.mkdir(parents=True, exist_ok=True)
    expected = {file_name(event): schema_text(event) for event in EVENT_TYPES.values()}
    for stray in {path.name for path in directory.glob("*.json")} - expected.keys():
        (directory / stray).unlink()
    for name, text in expected.items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
