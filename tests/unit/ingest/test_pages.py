"""The messenger's pages: words, colours, cookies."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import web
from ingest.login import Cookies
from ingest.web.words import WORDS

TEMPLATES = sorted((Path(web.__file__).parent / "templates").glob("*.html"))


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_words_on_a_practices_colour_can_be_read_whatever_it_is(colour: str) -> None:
    style = web.band_colours(colour)
    ink = re.findall(r"--on-practice: (#[0-9a-f]{6})", style)[0]
    darker, lighter = sorted((luminance(colour), luminance(ink)))

    assert f"--practice: {colour}" in style
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_every_language_says_everything() -> None:
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}
    assert all(words.strip() for language in WORDS.values() for words in language.values())


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_say_nothing_that_is_not_among_the_words(template: Path) -> None:
    text = template.read_text("utf-8")
    used = set(re.findall(r"\bt\.([a-z_]+)", text))

    assert used <= set(WORDS["en"])
    assert "|safe" not in text.replace(" ", "")
    assert not re.search(r"<(?:script|style)>|\son[a-z]+=|\sstyle=", text)


def test_where_we_are_reached_by_tls_no_other_host_can_set_our_cookies() -> None:
    assert Cookies.under("https://switchboard.example").name("session") == "__Host-switchboard_session"
    assert Cookies.under("http://127.0.0.1:8080").name("session") == "switchboard_session"
