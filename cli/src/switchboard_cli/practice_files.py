"""A practice's routing settings as a YAML file: read strictly, written so that reading it gives the same again."""

import difflib
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from router.validation import mistakes_in
from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from switchboard_cli.failures import Failed

MAX_FILE_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column of a file, from 1."""

    line: int
    column: int


def read_settings(path: Path) -> RoutingSettingsPublishedV1:
    """Read a file; `-` is the standard input.

    Raises `Failed` that names file, line and column of every mistake, unknown keys and unknown ids among them.
    """
    try:
        text = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise Failed(message) from error
    if len(text) > MAX_FILE_BYTES:
        message = f"{path} is larger than {MAX_FILE_BYTES // 1_000_000} MB: that is no settings file"
        raise Failed(message)
    try:
        content = YAML(typ="rt").load(text)
    except (MarkedYAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is not UTF-8 text"
        message = f"{path}{where}: this is not YAML: {problem}"
        raise Failed(message) from error
    try:
        settings = RoutingSettingsPublishedV1.model_validate(content, extra="forbid")
    except ValidationError as error:
        lines = [
            _in_words(path, content, problem["loc"], problem["type"], problem["msg"]) for problem in error.errors()
        ]
        raise Failed("\n".join(sorted(set(lines)))) from None
    if mistakes := mistakes_in(settings):
        raise Failed("\n".join(_in_words(path, content, one.location, "", one.detail) for one in mistakes))
    return settings


def as_yaml(settings: RoutingSettingsPublishedV1) -> str:
    """The file's text: every setting, in the order of the reference."""
    text = io.StringIO()
    writer = YAML()
    writer.width = 100_000
    writer.allow_unicode = True
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump(settings.model_dump(mode="json", exclude_none=True), text)
    return text.getvalue()


def difference(before: RoutingSettingsPublishedV1, after: RoutingSettingsPublishedV1) -> list[str]:
    """What an import would change, as a unified diff; empty when nothing. The version is not part of it."""
    old, new = (as_yaml(settings.model_copy(update={"version": 0})).splitlines() for settings in (before, after))
    return list(difflib.unified_diff(old, new, "as it is", "as the file says", lineterm="", n=2))


def _in_words(path: Path, content: object, location: Sequence[int | str], kind: str, message: str) -> str:
    place = _place(content, location)
    name = ".".join(str(part) for part in location)
    problem = "unknown key" if kind == "extra_forbidden" else message[0].lower() + message[1:]
    return f"{path}:{place.line}:{place.column}: {name or 'the file'}: {problem}"


def _place(content: object, location: Sequence[int | str]) -> Place:
    """Where the part of the file is that `location` names, or the nearest part around it."""
    place = Place(1, 1)
    for part in location:
        if not isinstance(content, CommentedMap | CommentedSeq):
            break
        try:
            line, column = _mark(content, part)
            content = content[part]
        except (KeyError, IndexError, TypeError):
            break
        place = Place(line + 1, column + 1)
    return place


def _mark(content: CommentedBase, part: int | str) -> tuple[int, int]:
    mark: Any = content.lc.key(part) if isinstance(part, str) else content.lc.item(part)
    return int(mark[0]), int(mark[1])
