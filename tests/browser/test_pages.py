"""Every page in every language, light and dark, on a phone and on a desk: usable by everybody, and with nothing cut off."""

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Judge
from tests.browser.desk import Desk, newcomer, sign_in, text_from, words
from tests.e2e.conftest import System

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

KEY = re.compile(r"\b(?:[a-z_]+\.)+[a-z_]{3,}\b")
"""A word that is missing shows its key."""
READY = {"/inbox": ".row-item", "/routing": ".card h2", "/operations": ".stage", "/console/notifications": "form"}


@pytest.fixture(scope="module", autouse=True)
def something_to_see(system: System) -> None:
    text_from(system, newcomer(), words())


@pytest.mark.parametrize("path", list(READY))
@pytest.mark.parametrize(("language", "scheme"), [("en-US", "light"), ("es-MX", "dark")])
def test_a_page_is_usable_by_everybody(  # noqa: PLR0913 - the ways to look at a page
    chromium: "Browser", system: System, accessible: Judge, path: str, language: str, scheme: str
) -> None:
    context = chromium.new_context(locale=language, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(f"{system.base_url}/console/sign-in?next={path}")
    accessible(page)
    page.locator("a.primary").click()
    page.locator("button[value=ada-admin]").click()
    page.locator(READY[path]).first.wait_for()

    accessible(page)
    assert page.locator("html").get_attribute("lang") == language[:2]
    assert [key for key in KEY.findall(page.locator("main").inner_text()) if not key.endswith(".com")] == []
    context.close()


@pytest.mark.parametrize("tab", ["settings", "coverage", "try", "history", "exchange"])
def test_every_part_of_routing_is_usable_by_everybody(
    page: "Page", system: System, accessible: Judge, tab: str
) -> None:
    sign_in(page, system, "ada-admin", "/routing")
    page.goto(f"{system.base_url}/routing#{tab}")
    page.locator(".card h2").first.wait_for()

    accessible(page)


@pytest.mark.parametrize("tab", ["mine", "duty", "ladder", "webhooks"])
def test_every_part_of_notifications_is_usable_by_everybody(
    page: "Page", system: System, accessible: Judge, tab: str
) -> None:
    sign_in(page, system, "ada-admin", "/console/notifications")
    page.goto(f"{system.base_url}/console/notifications#{tab}")
    page.locator(f".tabs a[aria-current][href='#{tab}']").wait_for()
    page.locator(".card h2").first.wait_for()
    page.get_by_text("Loading…").first.wait_for(state="detached")

    accessible(page)


def test_every_state_of_the_inbox_is_usable_by_everybody(page: "Page", system: System, accessible: Judge) -> None:
    said = words()
    text_from(system, newcomer(), said)
    sign_in(page, system, "fay-front")
    desk = Desk(page)
    desk.open(said)
    accessible(page)
    page.get_by_role("button", name="Assign…").click()
    accessible(page)


def test_every_dialog_of_the_inbox_is_usable_by_everybody(page: "Page", system: System, accessible: Judge) -> None:
    sign_in(page, system, "fay-front")
    Desk(page).live.wait_for()
    page.get_by_role("button", name="What I am told about").click()
    page.get_by_role("button", name="Add a subscription").click()
    page.get_by_role("heading", name="What this changes").wait_for()
    accessible(page)
    page.keyboard.press("Escape")
    page.locator("body").press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    accessible(page)


@pytest.mark.parametrize("path", list(READY))
@pytest.mark.parametrize(("width", "height"), [(320, 640), (640, 400)])
def test_nothing_is_cut_off_however_far_one_zooms(
    page: "Page", system: System, path: str, width: int, height: int
) -> None:
    """WCAG 2.1, 1.4.10 and 1.4.4: what 1280 × 800 pixels look like at 400 % and at 200 %."""
    page.set_viewport_size({"width": width, "height": height})
    sign_in(page, system, "ada-admin", path)
    page.locator(READY[path]).first.wait_for()

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_javascript_a_page_says_what_it_needs(chromium: "Browser", system: System) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, system, "fay-front")

    expect(page.locator("noscript p")).to_be_visible()
    context.close()
