"""The judge of the other tests: planted mistakes are found, and a sound page passes."""

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Judge

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SOUND = '<html lang="en"><title>Sound</title><main><h1>Sound</h1><label>Name <input></label></main></html>'


@pytest.mark.parametrize(
    ("mistake", "rule"),
    [
        ("<input>", "label"),
        ('<p style="color: #999; background: #fff">Faint</p>', "color-contrast"),
        ("<button></button>", "button-name"),
    ],
)
def test_a_planted_mistake_is_found(page: "Page", accessible: Judge, mistake: str, rule: str) -> None:
    page.set_content(SOUND.replace("</main>", f"{mistake}</main>"))

    with pytest.raises(AssertionError, match=rule):
        accessible(page)


def test_a_sound_page_passes(page: "Page", accessible: Judge) -> None:
    page.set_content(SOUND)

    accessible(page)
