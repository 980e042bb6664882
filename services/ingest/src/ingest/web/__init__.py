"""The messenger's pages: templates, words, and the files that go with them."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from ingest.web.words import WORDS
from shared_web.assets import Assets

ASSETS = Assets("/m/_", "ingest.web")
"""No practice's address begins with an underscore."""


def page(name: str, language: str, context: dict[str, object]) -> str:
    """A page of a template, in a language that `WORDS` has."""
    return _environment().get_template(name).render(t=WORDS[language], language=language, asset=ASSETS.url, **context)


def band_colours(colour: str) -> str:
    """The style sheet of a practice: its colour, and black or white on it, whichever can be read.

    One of the two has at least 4.5:1 on any colour (https://www.w3.org/TR/WCAG21/#contrast-minimum).
    """
    luminance = _luminance(colour)
    ink = "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"
    return f":root {{ --practice: {colour}; --on-practice: {ink}; }}\n"


def _luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-relative-luminance"""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]  # noqa: PLR2004
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
