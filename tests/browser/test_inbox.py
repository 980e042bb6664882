"""A day at the front desk: what arrives, who takes it, what is answered, and what happens when something fails."""

import os
import signal
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Judge
from tests.browser.desk import ARRIVES_MS, OpenDesk, newcomer, text_from, words
from tests.e2e.conftest import System
from tests.e2e.test_crash import services_process

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Browser, Route

pytestmark = pytest.mark.browser


def test_a_new_message_waits_behind_a_button_and_moves_nothing(open_desk: OpenDesk, system: System) -> None:
    before, after = words(), words()
    text_from(system, newcomer(), before)
    desk = open_desk("fay-front")
    desk.open(before)
    top = desk.row(before).bounding_box()

    text_from(system, newcomer(), after)
    desk.page.locator(".arrived.has-some").wait_for()

    assert desk.row(after).count() == 0
    assert desk.row(before).bounding_box() == top
    desk.page.locator(".arrived").click()
    desk.row(after).wait_for()


def test_a_message_that_comes_while_the_list_is_read_is_not_missed(open_desk: OpenDesk, system: System) -> None:
    desk, said = open_desk("fay-front"), words()
    page = desk.page
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/v1/conversations?inbox=*", lambda route: held.append((route, route.fetch())))
    page.locator(".arrived").click()
    while not held:
        page.evaluate("1")  # lets the browser's events come
    text_from(system, newcomer(), said)
    page.locator(".arrived.has-some").wait_for(timeout=ARRIVES_MS)

    ((route, answer),) = held
    route.fulfill(response=answer)  # made before the message came
    page.wait_for_function("() => document.querySelector('.list-end').textContent === ''")

    expect(page.locator(".arrived.has-some")).to_have_count(1)


def test_what_is_typed_on_while_a_reply_is_sent_is_the_next_draft(open_desk: OpenDesk, system: System) -> None:
    desk, said = open_desk("fay-front"), words()
    text_from(system, newcomer(), said)
    desk.open(said)
    held: list[Route] = []

    def hold(route: "Route") -> None:
        held.append(route)

    desk.page.route("**/reply", hold)
    desk.page.locator("#reply").fill("The first half.")
    desk.page.keyboard.press("Control+Enter")
    while not held:
        desk.page.evaluate("1")  # lets the browser's events come
    desk.page.locator("#reply").press_sequentially(" And the second.")
    held[0].continue_()
    desk.message("The first half.").wait_for()
    desk.page.wait_for_function("() => document.getElementById('reply').value === 'And the second.'")
    desk.page.reload()
    desk.message("The first half.").wait_for()

    expect(desk.page.locator("#reply")).to_have_value("And the second.")


def test_what_happens_while_somebody_types_a_search_takes_no_letter_away(open_desk: OpenDesk) -> None:
    """Any event of the stream may come between two letters: each changes what the page is drawn from."""
    page = open_desk("fay-front").page

    typed = page.evaluate(
        "async () => {"
        " const preloaded = [...document.querySelectorAll('link[rel=modulepreload]')].map((one) => one.href);"
        " const { desk } = await import(preloaded.find((one) => one.endsWith('/desk-state.js')));"
        " const input = document.getElementById('search');"
        " for (const letter of 'abc') {"
        "  input.value += letter; input.dispatchEvent(new Event('input', { bubbles: true }));"
        "  desk.set((state) => ({ inboxes: [...state.inboxes] }));"
        "  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"
        " } return input.value; }"
    )

    assert typed == "abc"


def test_a_message_of_the_open_conversation_appears_in_it_and_steals_no_focus(
    open_desk: OpenDesk, system: System, accessible: Judge
) -> None:
    first, second, phone = words(), words(), newcomer()
    text_from(system, phone, first)
    desk = open_desk("fay-front")
    desk.open(first)
    desk.page.locator("#reply").fill("A reply that is being written")

    text_from(system, phone, second)
    desk.message(second).wait_for()

    assert desk.page.evaluate("document.activeElement.id") == "reply"
    accessible(desk.page)


def test_looking_marks_nothing_as_read(open_desk: OpenDesk, system: System) -> None:
    said = words()
    text_from(system, newcomer(), said)
    desk = open_desk("fay-front")
    desk.open(said)
    desk.page.reload()
    desk.row(said).wait_for()

    assert "is-unread" in str(desk.row(said).get_attribute("class"))
    desk.row(said).get_by_role("button").click()
    desk.page.get_by_role("button", name="Mark as read").click()
    desk.page.locator(".row-item:not(.is-unread)", has_text=said).wait_for()


def test_a_reply_is_on_the_colleagues_screen_at_once(open_desk: OpenDesk, system: System) -> None:
    said, answer = words(), words()
    text_from(system, newcomer(), said)
    ada, fay = open_desk("ada-admin"), open_desk("fay-front")
    ada.open(said)
    fay.open(said)

    fay.page.locator("#reply").fill(answer)
    fay.page.get_by_role("button", name="Send", exact=True).click()

    ada.message(answer).wait_for()
    expect(fay.page.locator("#reply")).to_have_value("")


def test_of_two_who_take_the_same_conversation_the_second_is_told_who_has_it(
    open_desk: OpenDesk, system: System
) -> None:
    said = words()
    text_from(system, newcomer(), said)
    fay = open_desk("fay-front")
    fay.page.route("**/v1/stream*", lambda route: route.abort())  # she does not see it happen
    fay.page.reload()
    fay.page.locator(".connection.away").wait_for()
    ada = open_desk("ada-admin")
    fay.open(said)
    ada.open(said)

    ada.page.get_by_role("button", name="Take").click()
    ada.page.get_by_text("Assigned to you").first.wait_for()
    fay.page.get_by_role("button", name="Take").click()

    expect(fay.page.locator(".thread .notice.bad")).to_contain_text("Ada Madeup")


def test_a_conversation_is_handed_on_moved_closed_and_reopened(open_desk: OpenDesk, system: System) -> None:
    said = words()
    text_from(system, newcomer(), said)
    desk = open_desk("fay-front")
    page = desk.page
    desk.open(said)
    row = desk.row(said)

    def assign(button: str) -> None:
        page.keyboard.press("a")
        page.get_by_role("dialog").get_by_role("button", name=button).click()

    desk.message(said).click()
    assign("Nia Madeup")
    row.get_by_text("Assigned to Nia Madeup").wait_for()
    assign("Nurse line")
    row.get_by_text("In Nurse line").wait_for()
    expect(page.locator(".profile .label")).to_have_count(0)  # rule V1
    page.get_by_role("button", name="Close", exact=True).click()
    row.get_by_text("Closed").wait_for()
    page.get_by_role("button", name="Reopen").click()
    page.locator(".profile", has_text="Unassigned").wait_for()
    page.locator(".row-item:not(.has-left)", has_text=said).wait_for()


def test_what_was_typed_survives_a_reload_and_a_send_that_fails(open_desk: OpenDesk, system: System) -> None:
    said, answer = words(), words()
    text_from(system, newcomer(), said)
    desk = open_desk("fay-front")
    desk.open(said)
    desk.page.locator("#reply").fill(answer)
    desk.page.reload()
    desk.message(said).wait_for()
    expect(desk.page.locator("#reply")).to_have_value(answer)

    def lose(route: "Route") -> None:
        route.abort()

    desk.page.route("**/reply", lose)
    desk.page.get_by_role("button", name="Send", exact=True).click()
    desk.page.get_by_text("There was no answer").wait_for()
    expect(desk.page.locator("#reply")).to_have_value(answer)

    desk.page.unroute("**/reply", lose)
    desk.page.get_by_role("button", name="Send", exact=True).click()
    desk.message(answer).wait_for()
    expect(desk.message(answer)).to_have_count(1)


def test_a_conversation_is_answered_and_closed_with_the_keyboard_alone(open_desk: OpenDesk, system: System) -> None:
    said, answer = words(), words()
    text_from(system, newcomer(), said)
    desk = open_desk("fay-front")
    keyboard = desk.page.keyboard
    desk.show(said)

    for _ in range(desk.place_of(said)):  # an answer to somebody else that has just been written is above it
        keyboard.press("j")
    desk.message(said).wait_for()
    keyboard.press("r")
    keyboard.type(answer)
    keyboard.press("Control+Enter")
    desk.message(answer).wait_for()
    desk.page.wait_for_function("() => document.getElementById('reply').value === ''")
    keyboard.press("Escape")
    keyboard.press("e")

    desk.page.get_by_role("button", name="Reopen").wait_for()
    expect(desk.row(said).or_(desk.row(answer))).to_contain_text("Closed")


def test_a_changed_filter_says_what_it_does_and_is_undone(open_desk: OpenDesk, system: System) -> None:
    desk = open_desk("fay-front")
    page = desk.page
    page.get_by_role("button", name="What I am told about").click()
    page.get_by_role("checkbox", name="Elm Street").uncheck()
    page.get_by_text("You will no longer be told about Appointments at Elm Street.").wait_for()
    page.get_by_role("button", name="Change what I am told about").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("It is as it was before.").wait_for()

    path = f"/v1/practices/{system.told['practice_id']}/members/fay-front/subscriptions"
    headers = {"Authorization": f"Bearer {system.token('fay-front')}"}
    now = httpx.get(system.base_url + path, headers=headers, timeout=20).json()
    assert now["subscriptions"][0]["locations"] == ["elm", "unknown"]


def test_a_changed_filter_is_told_in_the_language_of_the_page(chromium: "Browser", system: System) -> None:
    context = chromium.new_context(locale="es-MX")
    page = context.new_page()
    page.goto(f"{system.base_url}/console/sign-in?next=/inbox")
    page.locator("a.primary").click()
    page.locator("button[value=fay-front]").click()
    page.get_by_role("button", name="De qué me avisan").click()
    page.get_by_role("checkbox", name="Elm Street").uncheck()

    page.get_by_text("Ya no le avisarán de Citas en Elm Street.").wait_for()
    context.close()


def test_a_search_finds_words_and_names(open_desk: OpenDesk, system: System) -> None:
    said = words()
    text_from(system, newcomer(), said)
    desk = open_desk("fay-front")
    desk.page.get_by_role("searchbox").fill(said.rsplit(" ", 1)[1])
    desk.page.get_by_role("heading", name="Found").wait_for()
    desk.row(said).wait_for()

    desk.page.get_by_role("button", name="Back to the inbox").click()
    desk.page.get_by_role("heading", name="Unassigned").wait_for()


def test_when_the_notifier_is_killed_the_page_says_so_and_misses_nothing(open_desk: OpenDesk, system: System) -> None:
    desk = open_desk("fay-front")
    said = words()
    os.kill(services_process(system).pid, signal.SIGKILL)
    desk.page.locator(".connection.away").wait_for(timeout=ARRIVES_MS)

    desk.live.wait_for(timeout=ARRIVES_MS)
    desk.page.get_by_text("You were away").wait_for()
    text_from(system, newcomer(), said)
    desk.open(said)


def test_somebody_who_is_deactivated_loses_the_page_while_it_is_open(open_desk: OpenDesk, system: System) -> None:
    desk = open_desk("max-medical")
    path = f"{system.base_url}/v1/practices/{system.told['practice_id']}/routing-settings"
    headers = {"Authorization": f"Bearer {system.token('ada-admin')}"}

    def set_active(*, is_active: bool) -> None:
        found = httpx.get(path, headers=headers, timeout=20)
        settings = found.json()
        for member in settings["members"]:
            if member["staff_id"] == "max-medical":
                member["active"] = is_active
        saved = httpx.put(path, json=settings, headers=headers | {"If-Match": found.headers["etag"]}, timeout=20)
        saved.raise_for_status()

    set_active(is_active=False)
    try:
        desk.page.locator(".connection.away").wait_for()
        desk.page.locator(".arrived").click()
        desk.page.get_by_text("You are deactivated").first.wait_for()
    finally:
        set_active(is_active=True)
