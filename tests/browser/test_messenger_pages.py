"""The patient messenger as a patient uses it: in a real Chromium, with and without its script, in both languages."""

import re
import time
from base64 import b64decode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WAIT_MS, Judge
from tests.browser.desk import picture, run_elsewhere
from tests.e2e.conftest import System
from tests.e2e.test_messenger import know

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

PHONE_WIDE = {"width": 360, "height": 740}
PHOTO = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")
"""One pixel."""
Open = Callable[..., "Page"]


@pytest.fixture
def open_messenger(chromium: "Browser", system: System) -> "Generator[Open]":
    """Opens the demo's messenger in a browser of its own."""
    contexts: list[BrowserContext] = []

    def open_page(**options: Any) -> "Page":  # noqa: ANN401 - Playwright's options
        chosen = {"viewport": PHONE_WIDE, "locale": "en-US", "base_url": system.base_url} | options
        context = chromium.new_context(**chosen)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.goto(f"/m/{system.told['practice_slug']}")
        return page

    yield open_page
    for context in contexts:
        context.close()


def codes(system: System, phone: str) -> list[str]:
    sent = httpx.get(system.told["provider"]["outbox_url"]).raise_for_status().json()
    return [one["body"][:6] for one in sent if one["to"] == phone and re.match(r"[0-9]{6} is", one["body"])]


def new_code(system: System, phone: str, before: int) -> str:
    """The code that was texted since there were `before`."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while len(found := codes(system, phone)) <= before:
        assert time.monotonic() < deadline, "no code was texted"
        time.sleep(0.1)
    return found[-1]


def log_in(page: "Page", system: System, patient_id: str, *, wrong_first: bool = False) -> None:
    patient = system.patient(patient_id)
    log_in_with(page, system, patient["phone"], patient["date_of_birth"], wrong_first=wrong_first)


def log_in_with(page: "Page", system: System, phone: str, birth_date: str, *, wrong_first: bool = False) -> None:
    before = len(codes(system, phone))
    page.fill("#phone", phone.removeprefix("+1"))
    page.click("main button")
    code = new_code(system, phone, before)
    if wrong_first:
        page.fill("#code", "12")
        page.click("main button")
        expect(page.locator("#code")).to_have_attribute("aria-invalid", "true")
    page.fill("#code", f"{code[:3]} {code[3:]}")
    page.click("main button")
    year, month, day = birth_date.split("-")
    for name, value in (("month", month), ("day", day), ("year", year)):
        page.fill(f"#{name}", value)
    page.click("main button")


def answer(system: System, staff_id: str, body: str, text: str, *, closes: bool = False) -> None:
    """A member of the staff answers the conversation in which somebody wrote `text`, and closes it if that is said."""
    with httpx.Client(
        base_url=system.base_url, headers={"Authorization": f"Bearer {system.token(staff_id)}"}, timeout=20
    ) as http:
        deadline = time.monotonic() + WAIT_MS / 1000
        while time.monotonic() < deadline:
            page = http.get("/v1/conversations", params={"inbox": "mine"}).raise_for_status().json()
            for one in page["conversations"]:
                path = f"/v1/conversations/{one['conversation_id']}"
                if any(said["body"] == text for said in http.get(path).json()["messages"]):
                    http.post(f"{path}/reply", json={"body": body}).raise_for_status()
                    if closes:
                        http.post(f"{path}/close", json={}).raise_for_status()
                    return
            time.sleep(0.2)
    pytest.fail("the message did not arrive")


@pytest.mark.rule("R1", "R2")
def test_a_question_is_asked_and_answered_without_any_script(system: System, open_messenger: Open) -> None:
    page = open_messenger(java_script_enabled=False)
    log_in(page, system, "pt-020", wrong_first=True)
    page.click("main button.main")
    chosen_nothing = page.inner_text("#errors")
    page.check("text=Billing")
    page.click("main button.main")
    page.click("#composer button")
    wrote_nothing = page.inner_text("#errors")
    page.fill("#body", "A made-up question without a script")
    page.click("#composer button")
    expect(page.locator("#thread")).to_contain_text("A made-up question without a script")
    answer(system, "bo-billing", "A made-up answer without a script", "A made-up question without a script")
    deadline = time.monotonic() + WAIT_MS / 1000
    while "made-up answer" not in page.inner_text("#thread") and time.monotonic() < deadline:
        page.reload()
    answered = page.inner_text("#thread")
    page.click("#logout button")

    assert "Choose what your message is about" in chosen_nothing
    assert "Write a message, or choose a file" in wrote_nothing
    assert "A made-up answer without a script" in answered
    expect(page.locator("#phone")).to_be_visible()


def test_a_reply_arrives_by_itself_and_takes_no_focus(system: System, open_messenger: Open, accessible: Judge) -> None:
    page = open_messenger()
    accessible(page)
    picture(page, "messenger-phone")
    log_in(page, system, "pt-023")
    accessible(page)
    picture(page, "messenger-reason")
    page.check("text=Billing")
    page.click("main button.main")
    page.fill("#body", "A made-up question with a script")
    page.click("#composer button")
    page.wait_for_selector("[data-status=sent]")
    page.fill("#body", "Half a thought")
    answer(system, "bo-billing", "A made-up answer with a script", "A made-up question with a script")
    page.wait_for_selector("#thread li.practice")
    accessible(page)
    page.evaluate("scrollTo(0, 0)")
    picture(page, "messenger-thread")
    focused = page.evaluate("document.activeElement.id")
    page.set_viewport_size({"width": 1280, "height": 800})
    picture(page, "messenger-thread-wide")
    page.emulate_media(color_scheme="dark")
    accessible(page)
    picture(page, "messenger-thread-dark")

    assert focused == "body"
    expect(page.locator("#body")).to_have_value("Half a thought")
    expect(page.locator("#thread li")).to_have_count(2)


def test_what_is_sent_without_a_connection_is_sent_once_when_it_is_back(system: System, open_messenger: Open) -> None:
    page = open_messenger()
    log_in(page, system, "pt-026")
    page.check("text=Billing")
    page.click("main button.main")
    page.route("**/v1/messenger/messages", lambda route: route.abort("internetdisconnected"))
    page.fill("#body", "Written in a tunnel")
    page.click("#composer button")
    page.wait_for_selector("[data-status=waiting]")
    page.unroute_all()
    page.wait_for_selector("[data-status=sent]")
    page.reload()

    expect(page.locator("#thread li", has_text="Written in a tunnel")).to_have_count(1)


@pytest.mark.parametrize("has_script", [True, False])
def test_a_photo_is_sent_seen_and_nothing_else_is_taken(
    system: System, open_messenger: Open, tmp_path: Path, *, has_script: bool
) -> None:
    page = open_messenger(java_script_enabled=has_script)
    log_in(page, system, "pt-034" if has_script else "pt-035")
    page.check("text=Something else")
    page.click("main button.main")
    program = tmp_path / "tool.exe"
    program.write_bytes(b"MZ made-up")
    page.set_input_files("#files", program)
    page.fill("#body", "With a made-up photo")
    page.click("#composer button")
    refused = page.get_by_text("Choose photos or PDF files only").first
    refused.wait_for()
    expect(page.locator("#body")).to_have_value("With a made-up photo")

    photo = tmp_path / "photo.png"
    photo.write_bytes(PHOTO)
    page.set_input_files("#files", photo)
    page.click("#composer button")

    shown = page.locator("#thread img")
    expect(shown).to_have_count(1)
    expect(shown).to_have_attribute("alt", "Photo")


def test_the_picker_is_hidden_while_the_talk_goes_on(system: System, open_messenger: Open) -> None:
    page = open_messenger()
    log_in(page, system, "pt-017")
    page.check("text=Something else")
    page.click("main button.main")
    page.fill("#body", "A first made-up message")
    page.click("#composer button")
    page.wait_for_selector("[data-status=sent]")
    page.goto(f"/m/{system.told['practice_slug']}/reason")

    assert page.url.endswith("/messages")
    expect(page.locator("#composer")).to_be_visible()


@contextmanager
def sticking_for(system: System, window: str) -> Generator[None]:
    """A practice whose reasons stick for so long, and for as long as before in the end."""
    path = f"{system.base_url}/v1/practices/{system.told['practice_id']}/routing-settings"
    headers = {"Authorization": f"Bearer {system.token('ada-admin')}"}

    def save(wanted: str) -> str:
        found = httpx.get(path, headers=headers, timeout=20).raise_for_status()
        settings = found.json()
        before = str(settings["stickiness"]["window"])
        settings["stickiness"]["window"] = wanted
        httpx.put(
            path, json=settings, headers=headers | {"If-Match": found.headers["etag"]}, timeout=20
        ).raise_for_status()
        return before

    before = save(window)
    try:
        yield
    finally:
        save(before)


@pytest.mark.rule("R2", "R15")
def test_the_picker_is_back_once_the_talk_is_closed_read_and_older_than_the_window(
    system: System, open_messenger: Open
) -> None:
    page, asking = open_messenger(), f"/m/{system.told['practice_slug']}/reason"
    log_in(page, system, "pt-048")
    page.check("text=Billing")
    page.click("main button.main")
    page.fill("#body", "A made-up question that is soon settled")
    page.click("#composer button")
    page.wait_for_selector("[data-status=sent]")
    answer(
        system, "bo-billing", "A made-up answer that settles it", "A made-up question that is soon settled", closes=True
    )
    page.wait_for_selector("#thread li.practice")
    page.goto(asking)
    within = page.url
    with sticking_for(system, "PT1S"):
        deadline = time.monotonic() + WAIT_MS / 1000
        while not page.url.endswith("/reason") and time.monotonic() < deadline:
            page.goto(asking)
        page.check("text=Something else")
        page.click("main button.main")
        page.fill("#body", "A made-up question about something new")
        page.click("#composer button")
        page.wait_for_selector("[data-status=sent]")

    assert within.endswith("/messages")
    expect(page.locator("#thread li")).to_have_count(3)


def test_of_two_who_share_a_phone_each_sees_their_own_thread(system: System, open_messenger: Open) -> None:
    phone, parent, child = "+13125550194", "1979-02-03", "2011-04-05"
    run_elsewhere(know(system, phone, {"shared-parent": parent, "shared-child": child}))
    page = open_messenger()
    log_in_with(page, system, phone, child)
    page.check("text=Something else")
    page.click("main button.main")
    page.fill("#body", "A made-up question of a child")
    page.click("#composer button")
    page.wait_for_selector("[data-status=sent]")

    theirs = open_messenger()
    log_in_with(theirs, system, phone, parent)
    theirs.goto(f"/m/{system.told['practice_slug']}/messages")
    theirs.wait_for_selector("main")

    assert "question of a child" not in theirs.content()


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_step_can_be_used_by_everybody(
    system: System, open_messenger: Open, accessible: Judge, language: str, scheme: str
) -> None:
    """Each page, with its errors, in both languages and schemes, at 360 pixels: nothing is wider than the screen."""
    page = open_messenger(color_scheme=scheme, locale=f"{language}-US")
    slug, patient = system.told["practice_slug"], system.patient("pt-014")
    for path, submit in (("", "main button"), ("/code", "main button"), ("/birth-date", "main button")):
        if path:
            page.goto(f"/m/{slug}{path}")
        page.click(submit)
        page.wait_for_selector("#errors")
        accessible(page)
        if path == "/birth-date" and (language, scheme) == ("en", "light"):
            picture(page, "messenger-error")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        expect(page.locator("html")).to_have_attribute("lang", language)
        if not path:
            page.fill("#phone", patient["phone"])
            page.click(submit)


def test_a_patient_can_do_it_all_with_the_keyboard(system: System, open_messenger: Open) -> None:
    page = open_messenger()
    log_in(page, system, "pt-018")
    page.focus("input[type=radio]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#body")
    for _ in range(30):
        if page.evaluate("document.activeElement.id") == "body":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("Typed by keyboard alone")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-status=sent]")

    expect(page.locator("#thread")).to_contain_text("Typed by keyboard alone")
