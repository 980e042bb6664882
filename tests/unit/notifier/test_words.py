"""The console's words: complete in every language, and every key that the pages ask for is there."""

import hashlib
import json
import re
from importlib.resources import files

from notifier.web.words import LANGUAGES, WORDS
from shared_web.assets import Assets

ASSETS = files("notifier.web") / "assets"
ASKED = re.compile(r"""\b(t|many)\((?:is\w+ \? )?"([\w.\-/?]+)\"""")


def test_every_language_has_the_same_words_with_the_same_blanks() -> None:
    blanks = {
        language: {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in WORDS[language].items()}
        for language in LANGUAGES
    }

    assert blanks["es"] == blanks["en"]


def test_every_word_that_a_page_asks_for_is_there() -> None:
    asked = {
        key + (".other" if kind == "many" else "")
        for entry in ASSETS.iterdir()
        if entry.name.endswith(".js") and entry.name != "preact.js"
        for kind, key in ASKED.findall(entry.read_text("utf-8"))
    }

    assert len(asked) > 150
    assert asked - WORDS["en"].keys() == set()


def test_what_is_vendored_is_what_its_authors_published() -> None:
    vendored = json.loads((files("notifier.web") / "vendored.json").read_text("utf-8"))
    found = {name: hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() for name in vendored}

    assert found == {name: one["sha256"] for name, one in vendored.items()}


def test_all_that_a_browser_loads_is_below_150_kilobytes() -> None:
    assert Assets("/console/assets", "notifier.web").compressed_bytes < 150_000


def test_a_page_names_every_module_that_it_needs_once() -> None:
    named = Assets("/console/assets", "notifier.web").modules("inbox.js")
    imported = {
        name
        for address in named
        for name in re.findall(r'from "\./(.+?)"', (ASSETS / address.rsplit("/", 1)[1]).read_text("utf-8"))
    }

    assert len(named) == len(set(named))
    assert {address.rsplit("/", 1)[1] for address in named} == {"inbox.js", *imported}
