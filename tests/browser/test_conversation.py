"""What is done in an open conversation, and how it behaves while messages arrive one by one."""

from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Judge
from tests.browser.desk import ARRIVES_MS, Desk, OpenDesk, call_from, newcomer, sign_in, text_from, words
from tests.e2e.conftest import System

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser

MANY = 12
"""Messages that no screen holds."""


def opened(desk: Desk, system: System, phone: str) -> str:
    """Somebody's first message, in the open conversation."""
    said = words()
    text_from(system, phone, said)
    desk.open(said)
    return said


def test_messages_that_arrive_one_by_one_are_logged_in_order_and_move_nothing(
    open_desk: OpenDesk, system: System, accessible: Judge
) -> None:
    desk, phone = open_desk("fay-front"), newcomer()
    said = [opened(desk, system, phone)]
    for _ in range(MANY):
        said.append(words())
        text_from(system, phone, said[-1])
        desk.message(said[-1]).wait_for(timeout=ARRIVES_MS)
    log = desk.page.get_by_role("log", name="Messages")
    assert [one for one in log.inner_text().splitlines() if one in said] == said
    is_at_end = (
        "() => { const e = document.querySelector('.log'); return e.scrollHeight - e.scrollTop - e.clientHeight < 2; }"
    )
    desk.page.wait_for_function(is_at_end)

    log.evaluate("(e) => e.scrollTo(0, 0)")
    log.focus()
    text_from(system, phone, words())
    below = desk.page.get_by_role("button", name="1 new message below")
    below.wait_for(timeout=ARRIVES_MS)

    assert log.evaluate("(e) => e.scrollTop") == 0
    assert desk.page.evaluate("document.activeElement.getAttribute('role')") == "log"
    accessible(desk.page)
    below.click()
    desk.page.wait_for_function(is_at_end)


def test_a_template_is_written_by_an_administrator_and_sent_by_a_colleague(
    open_desk: OpenDesk, page: "Page", system: System, accessible: Judge
) -> None:
    title, body = words(), words()
    sign_in(page, system, "ada-admin", "/routing")
    page.get_by_role("link", name="Reply templates").click()
    page.get_by_label("Title").fill(title)
    page.get_by_label("Words").fill(body)
    page.get_by_role("button", name="Add a template").click()
    page.get_by_role("heading", name=title).wait_for()
    accessible(page)

    desk = open_desk("fay-front")
    opened(desk, system, newcomer())
    reply = desk.page.locator("#reply")
    reply.fill("Hello. Goodbye.")
    reply.evaluate("(e) => e.setSelectionRange(6, 6)")
    desk.page.get_by_role("button", name="Templates").click()
    desk.page.get_by_label("Find by words of the template").fill(title.upper())
    accessible(desk.page)
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_function("() => document.activeElement.id === 'reply'")
    desk.page.keyboard.type(".")
    expect(reply).to_have_value(f"Hello. {body}. Goodbye.")
    desk.page.keyboard.press("Control+Enter")
    desk.message(f"{body}. Goodbye.").wait_for()

    page.get_by_role("button", name=f"Remove {title}").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("heading", name=title).wait_for()


def test_what_is_typed_before_the_templates_are_listed_stays(page: "Page", system: System) -> None:
    held: list[Route] = []

    def hold(route: "Route") -> None:
        held.append(route)

    page.route("**/v1/reply-templates", hold)
    sign_in(page, system, "ada-admin", "/routing")
    page.get_by_role("link", name="Reply templates").click()
    page.get_by_label("Title").fill("Typed at once")
    while not held:
        page.evaluate("1")  # lets the browser's events come
    held[0].continue_()
    page.get_by_text("Loading…").wait_for(state="detached")

    expect(page.get_by_label("Title").last).to_have_value("Typed at once")


def test_a_voicemail_is_heard_from_any_place_of_it_and_read(open_desk: OpenDesk, system: System) -> None:
    caller = system.patient("pt-036")
    call_from(system, caller["phone"], "1")
    desk = open_desk("fay-front")
    parts: list[tuple[int, str]] = []
    desk.page.on(
        "response",
        lambda one: "/v1/attachments/" in one.url and parts.append((one.status, one.headers.get("content-range", ""))),
    )
    desk.row("McSample-036").get_by_role("button").click()
    desk.page.get_by_text("These are made-up words of the demo.").last.wait_for(timeout=ARRIVES_MS)
    desk.page.wait_for_function("() => document.querySelector('audio')?.duration > 0.5", timeout=ARRIVES_MS)
    desk.page.evaluate("() => { document.querySelector('audio').currentTime = 0.5; }")
    desk.page.wait_for_function("() => !document.querySelector('audio').seeking")

    assert desk.page.locator("audio").evaluate("(e) => e.currentTime") == 0.5
    assert parts
    assert {status for status, _ in parts} == {HTTPStatus.PARTIAL_CONTENT}
    assert all(part.startswith("bytes 0-") for _, part in parts[:1])


def test_a_number_that_is_nobodys_is_linked_to_a_patient_whose_name_is_found(
    open_desk: OpenDesk, system: System, accessible: Judge
) -> None:
    desk, phone = open_desk("fay-front"), newcomer()
    opened(desk, system, phone)
    page = desk.page
    page.locator(".commands").get_by_text("More").click()
    page.get_by_role("button", name="Who is this?").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(phone).wait_for()
    page.get_by_label("Find a patient by name").fill("mcsample-049")
    dialog.get_by_role("button", name="Testy McSample-049").wait_for()
    accessible(page)
    dialog.get_by_role("button", name="Testy McSample-049").click()
    page.get_by_text("Later messages from this number go to Testy McSample-049.").wait_for()

    def lands_with_the_patient() -> bool:
        later = words()
        text_from(system, phone, later)
        desk.show(later)
        return "McSample-049" in desk.row(later).inner_text()

    # What was on its way when the link was made is the contact's still.
    assert any(lands_with_the_patient() for _ in range(5))


def test_an_administrator_corrects_a_label_where_the_practice_allows_it(open_desk: OpenDesk, system: System) -> None:
    path = f"{system.base_url}/v1/practices/{system.told['practice_id']}/routing-settings"
    headers = {"Authorization": f"Bearer {system.token('ada-admin')}"}
    found = httpx.get(path, headers=headers, timeout=20)
    changed = found.json() | {"label_correction": True}
    httpx.put(path, json=changed, headers=headers | {"If-Match": found.headers["etag"]}, timeout=20).raise_for_status()
    desk = open_desk("ada-admin")
    desk.open_inbox("Unassigned")
    opened(desk, system, newcomer())
    page = desk.page

    page.locator(".commands").get_by_text("More").click()
    page.get_by_role("button", name="Correct the labels…").click()
    page.get_by_label("Reason").select_option(label="Billing")
    page.get_by_label("Location").select_option(label="River Road")
    page.get_by_role("button", name="Save").click()

    page.locator(".profile .label", has_text="Billing").wait_for()
    page.locator(".profile .label", has_text="River Road").wait_for()
    page.locator(".commands").get_by_text("More").click()
    page.get_by_role("button", name="This is about something new").click()
    page.locator(".profile .label", has_text="No reason").wait_for()


def test_a_desktop_notification_is_asked_for_and_names_nobody(chromium: "Browser", system: System) -> None:
    context = chromium.new_context(locale="en-US", permissions=["notifications"])
    page = context.new_page()
    page.add_init_script(
        """
        window.raised = [];
        Object.defineProperty(document, "hidden", { get: () => true });  // as behind another window
        window.Notification = class extends Notification {
          constructor(title, options) { super(title, options); window.raised.push(`${title} ${options.body}`); }
        };
        """
    )
    sign_in(page, system, "fay-front")
    desk = Desk(page)
    desk.live.wait_for()
    page.get_by_role("button", name="Alerts").click()
    page.get_by_label("Desktop notifications").check()
    page.get_by_label("A short sound").check()
    page.keyboard.press("Escape")

    said = words()
    text_from(system, newcomer(), said)
    page.wait_for_function("() => window.raised.length > 0", timeout=ARRIVES_MS)

    assert said not in str(page.evaluate("window.raised"))
    assert page.evaluate("window.raised[0]").startswith("A new message")
    context.close()


def test_a_conversation_is_read_and_answered_at_200_percent_zoom(page: "Page", system: System) -> None:
    page.set_viewport_size({"width": 640, "height": 400})  # 1280 × 800
    sign_in(page, system, "fay-front")
    desk, answer = Desk(page), words()
    opened(desk, system, newcomer())
    log = page.get_by_role("log", name="Messages").bounding_box()
    assert log is not None
    assert log["height"] > 150

    page.locator("#reply").fill(answer)
    page.get_by_role("button", name="Send", exact=True).click()
    desk.message(answer).wait_for()
    page.get_by_role("button", name="Back to the list").click()
    expect(desk.row(answer)).to_be_visible()


def test_nothing_moves_by_itself_for_whoever_wants_no_motion(chromium: "Browser", system: System) -> None:
    context = chromium.new_context(locale="en-US", reduced_motion="reduce")
    page = context.new_page()
    sign_in(page, system, "fay-front")
    desk, phone = Desk(page), newcomer()
    opened(desk, system, phone)
    later = words()
    text_from(system, phone, later)
    desk.message(later).wait_for(timeout=ARRIVES_MS)

    assert page.evaluate("document.getAnimations().length") == 0
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every((e) => getComputedStyle(e).animationName === 'none')"
    )
    context.close()
