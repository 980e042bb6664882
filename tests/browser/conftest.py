"""Pages in a real Chromium (Debian's), with axe-core to judge how they can be used.

`.ci/run` installs what is needed. Where Playwright or Chromium is missing, these tests are skipped and say so.
"""

import importlib.util
import shutil
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import pytest

from tests.browser.desk import Desk, OpenDesk, sign_in
from tests.e2e.conftest import System, collector, outside, system

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["collector", "outside", "system"]

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",  # in containers and as root there is none
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WAIT_MS = 30_000
"""How long a condition on a page may take: a bound, not a pause."""
AXE_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")

if importlib.util.find_spec("playwright") is None:
    collect_ignore_glob = ["test_*"]

Judge = Callable[["Page"], None]


@pytest.fixture(scope="session")
def chromium() -> "Generator[Browser]":
    """One browser for all tests; each test opens contexts of its own."""
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415 - only where the browser group is installed

    if not shutil.which(CHROMIUM):
        pytest.skip("there is no chromium: apt-get install chromium")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: "Browser") -> "Generator[Page]":
    """A page of a fresh context, 1280 × 800. What the page logs as an error fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
    context.set_default_timeout(WAIT_MS)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


@pytest.fixture
def open_desk(chromium: "Browser", system: System) -> "Generator[OpenDesk]":
    """Somebody's inbox in a browser of their own, live, with Unassigned or else their first inbox open."""
    contexts = []

    def opened(staff_id: str) -> Desk:
        context = chromium.new_context(viewport={"width": 1360, "height": 850}, locale="en-US")
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        sign_in(page, system, staff_id)
        desk = Desk(page)
        desk.settle()
        return desk

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def accessible() -> Judge:
    """Fails with every rule of WCAG 2.1 AA that axe-core finds broken on a page as it is now, and where."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - as above

    axe = Axe()

    def judge(page: "Page") -> None:
        options = {
            "runOnly": {"type": "tag", "values": list(AXE_TAGS)},
            "resultTypes": ["violations"],
            "preload": False,
        }
        found = axe.run(page, options=options).response["violations"]
        broken = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]
        assert broken == []

    return judge
