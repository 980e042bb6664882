"""Signing in to the console and out of it, by hand and by being away."""

from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Judge
from tests.browser.desk import Desk, sign_in
from tests.e2e.conftest import System

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_whoever_is_not_signed_in_comes_back_to_the_page_that_was_asked_for(page: "Page", system: System) -> None:
    sign_in(page, system, "ada-admin", "/routing")

    expect(page.get_by_role("heading", level=1, name="Routing")).to_be_visible()


def test_the_session_is_no_business_of_scripts_and_leaves_with_the_person(page: "Page", system: System) -> None:
    sign_in(page, system, "fay-front")
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "switchboard"]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert "switchboard=" not in str(page.evaluate("document.cookie"))

    page.locator("summary", has_text="Fay Madeup").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("link", name="Sign in").wait_for()

    assert [one for one in page.context.cookies() if one["name"] == "switchboard"] == []


def test_a_member_is_told_that_routing_is_for_administrators(page: "Page", system: System, accessible: Judge) -> None:
    sign_in(page, system, "fay-front")

    answer = page.goto(system.base_url + "/routing")

    assert answer is not None
    assert answer.status == HTTPStatus.FORBIDDEN
    expect(page.get_by_text("Only administrators change how messages are routed.")).to_be_visible()
    accessible(page)


def test_somebody_away_is_warned_and_signed_off_and_what_was_typed_is_kept(page: "Page", system: System) -> None:
    page.clock.install()
    sign_in(page, system, "fay-front")
    desk = Desk(page)
    desk.live.wait_for()

    page.clock.run_for(14 * 60_000 + 5_000)
    page.get_by_role("dialog", name="Are you still there?").wait_for()
    page.get_by_role("button", name="Stay signed in").click()
    page.clock.run_for(60_000)
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.clock.run_for(15 * 60_000)
    page.get_by_text("nobody was at this desk").wait_for()


@pytest.mark.parametrize("path", ["/inbox", "/routing", "/operations", "/console/sign-in"])
def test_every_page_comes_with_a_policy_that_allows_nothing_from_elsewhere(system: System, path: str) -> None:
    headers = {"Authorization": f"Bearer {system.token('ada-admin')}"}

    answer = httpx.get(system.base_url + path, headers=headers, timeout=20)

    assert answer.status_code == HTTPStatus.OK
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert "style=" not in answer.text


@pytest.mark.parametrize("target", ["//elsewhere.test", "https://elsewhere.test", "/inbox/../evil", "javascript:1"])
def test_a_sign_in_leads_to_our_own_pages_only(page: "Page", system: System, target: str) -> None:
    page.goto(f"{system.base_url}/console/sign-in?next={target}")

    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/console/sign-in/start?next=/inbox")
