"""The console's words, by language: one flat JSON file for each, with the same keys."""

import json
from collections.abc import Mapping
from importlib.resources import files

LANGUAGES = ("en", "es")


def _read(language: str) -> Mapping[str, str]:
    words: dict[str, str] = json.loads((files(__name__) / f"{language}.json").read_text("utf-8"))
    return words


WORDS: Mapping[str, Mapping[str, str]] = {language: _read(language) for language in LANGUAGES}
