"""How one is told, who is on duty, whom an unseen message rings, and webhooks: each page used as its people do."""

import base64
import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING, Any

import http_ece
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import expect
from standardwebhooks import Webhook

from tests.browser.conftest import Judge
from tests.browser.desk import newcomer, sign_in, text_from, words
from tests.e2e.conftest import System

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser

PATH = "/console/notifications"
PATIENCE_SECONDS = 60
AUTH = b"sixteen made-up."


class Receiver:
    """Somebody else's system on this machine: a webhook's, or a push service. Keeps the requests, answers as it is told."""

    def __init__(self) -> None:
        self.requests: Queue[tuple[dict[str, str], bytes]] = Queue()
        self.status = 204
        self.url = ""

    def next(self) -> tuple[dict[str, str], bytes]:
        return self.requests.get(timeout=PATIENCE_SECONDS)


@contextmanager
def receiving() -> Generator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(system: System, staff_id: str, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    headers = {"Authorization": f"Bearer {system.token(staff_id)}"}
    answer = httpx.request(method, system.base_url + path, json=body, headers=headers, timeout=20).raise_for_status()
    return answer.json() if answer.content else None


def test_a_person_says_how_to_be_told_and_finds_it_again(page: "Page", system: System) -> None:
    sign_in(page, system, "max-medical", PATH)
    page.get_by_label("Tell me by e-mail").check()
    page.get_by_label("Address").fill("max@example.org")
    page.get_by_label("Minutes that are collected into one e-mail").fill("30")
    email = page.get_by_role("group", name="E-mail")
    email.get_by_label("All, also those to come").uncheck()
    email.get_by_label("Assigned to me").uncheck()
    page.get_by_role("button", name="Add hours (Quiet hours)").click()
    page.get_by_label("Time zone").select_option("America/New_York")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    page.reload()
    page.get_by_label("Address").wait_for()
    kept = ask(system, "max-medical", "GET", "/v1/notification-preferences")

    expect(page.get_by_label("Address")).to_have_value("max@example.org")
    expect(page.get_by_label("Minutes that are collected into one e-mail")).to_have_value("30")
    expect(email.get_by_label("Assigned to me")).not_to_be_checked()
    assert kept["email"]["wait"] == "PT30M"
    assert "assigned" not in kept["email"]["inboxes"]
    assert kept["quiet_hours"] == [
        {"days": ["mon", "tue", "wed", "thu", "fri"], "since": "22:00:00", "until": "07:00:00"}
    ]
    assert kept["time_zone"] == "America/New_York"
    assert kept["push"] is None


def test_what_cannot_be_saved_says_why_and_is_kept(page: "Page", system: System) -> None:
    sign_in(page, system, "max-medical", PATH)
    page.get_by_label("Tell me by e-mail").check()
    page.get_by_label("Address").fill("max@nowhere")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("alert")).to_contain_text("email/address")
    expect(page.get_by_label("Address")).to_have_value("max@nowhere")


def test_a_browser_is_turned_on_told_and_turned_off(chromium: "Browser", system: System) -> None:
    """The push service, which is not ours, is on this machine; so the browser's own answer is made up for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    with receiving() as service:
        service.status = 201
        subscription = {
            "endpoint": service.url,
            "keys": {name: base64.urlsafe_b64encode(it).decode().rstrip("=") for name, it in
                     (("p256dh", point), ("auth", AUTH))},
        }  # fmt: skip
        context = chromium.new_context(locale="en-US", permissions=["notifications"])
        context.add_init_script(
            f"const made = {{ toJSON: () => ({json.dumps(subscription)}) }};"
            "let current = null;"
            "PushManager.prototype.subscribe = async () => { current = made; return made; };"
            "PushManager.prototype.getSubscription = async () => current;"
        )
        page = context.new_page()
        sign_in(page, system, "fay-front", PATH)
        page.get_by_label("Tell me by push messages").check()
        page.get_by_text("No browser takes them for you yet").wait_for()
        page.get_by_role("button", name="Turn on in this browser").click()
        page.get_by_text("On in this browser.").wait_for()
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Saved.").wait_for()
        text_from(system, newcomer(), words())
        headers, body = service.next()
        page.get_by_role("button", name="Turn off in this browser").click()
        page.get_by_text("Off in this browser.").wait_for()
        left = ask(system, "fay-front", "GET", "/v1/push-subscriptions")["subscription_ids"]
        ask(system, "fay-front", "PUT", "/v1/notification-preferences", {})
        context.close()

    content = http_ece.decrypt(body, private_key=key, auth_secret=AUTH, version="aes128gcm")
    said = json.loads(content)
    assert said.pop("conversations") >= 1
    assert said == {"urgent": False}
    assert headers["authorization"].startswith("vapid ")
    assert left == []


SHOWN = {"en-US": "Urgent: 2 conversations wait for you", "es-MX": "Urgente: 2 conversaciones le esperan"}


@pytest.mark.parametrize("language", list(SHOWN))
def test_a_push_message_is_shown_in_the_language_of_the_page_that_subscribed(
    chromium: "Browser", system: System, language: str
) -> None:
    context = chromium.new_context(permissions=["notifications"])
    page = context.new_page()
    page.goto(system.base_url + "/console/sign-in")
    devtools, registrations, said = context.new_cdp_session(page), list[str](), SHOWN[language]
    devtools.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registrations.extend(one["registrationId"] for one in event["registrations"]),
    )
    devtools.send("ServiceWorker.enable")
    page.evaluate(
        "async (language) => {"
        " await navigator.serviceWorker.register(`/console/push-worker.js?language=${language}`, { scope: '/console/' });"
        " await navigator.serviceWorker.ready; }",
        language[:2],
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not registrations:
        assert time.monotonic() < deadline
        page.evaluate("1")
    devtools.send(
        "ServiceWorker.deliverPushMessage",
        {
            "origin": system.base_url,
            "registrationId": registrations[-1],
            "data": json.dumps({"conversations": 2, "urgent": True}),
        },
    )
    titles = (
        "async () => { const registration = await navigator.serviceWorker.ready;"
        " return (await registration.getNotifications()).map((one) => `${one.title} ${one.body}`.trim()).join(); }"
    )
    page.wait_for_function(f"async (said) => (await ({titles})()) === said", arg=said)

    assert page.evaluate(titles) == said
    context.close()


def test_duty_times_are_set_for_the_practice_for_others_and_for_oneself(page: "Page", system: System) -> None:
    sign_in(page, system, "ada-admin", PATH)
    page.get_by_role("link", name="Duty").click()
    page.get_by_role("button", name="Change Max Madeup").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Whenever the practice is open").uncheck()
    dialog.get_by_label("Until").first.fill("12:00")
    dialog.get_by_role("button", name="Add days off").click()
    dialog.get_by_label("Who is rung instead").select_option(label="Fay Madeup")
    dialog.get_by_role("button", name="Save").click()
    page.get_by_text("otherwise Fay Madeup").wait_for()
    found = ask(system, "max-medical", "GET", "/v1/duty")["people"]["max-medical"]

    page.get_by_role("button", name="Change Fay Madeup").click()
    dialog.get_by_label("Who is rung instead").select_option(label="Max Madeup")
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("alert").wait_for()
    refused = dialog.get_by_role("alert").inner_text()
    ask(system, "ada-admin", "PUT", "/v1/duty/max-medical", {})

    assert found["shifts"][0]["end"] == "12:00:00"
    assert found["substitute"] == "fay-front"
    assert len(found["away"]) == 1
    assert "circle" in refused


def test_members_change_their_own_duty_and_nobody_elses(page: "Page", system: System) -> None:
    sign_in(page, system, "max-medical", PATH)
    page.get_by_role("link", name="Duty").click()
    page.get_by_role("button", name="Change Max Madeup").wait_for()

    expect(page.get_by_role("button", name="Change")).to_have_count(1)
    assert page.get_by_role("link", name="Webhooks").count() == 0
    assert page.get_by_role("heading", name="When the practice is open").count() == 0


def test_what_is_changed_while_the_saved_is_read_again_is_kept(page: "Page", system: System) -> None:
    path = f"/v1/practices/{system.told['practice_id']}/escalation"
    held: list[Route] = []
    sign_in(page, system, "ada-admin", PATH)
    page.get_by_role("link", name="When nobody looks").click()
    page.get_by_role("button", name="Add a step").click()

    def hold(route: "Route") -> None:
        if route.request.method == "GET" and not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**" + path, hold)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    while not held:
        page.evaluate("1")  # lets the browser's events come
    page.get_by_role("button", name="Remove step 1").click()
    with page.expect_response("**" + path):
        held[0].continue_()
    page.get_by_text("Not saved yet.").wait_for()

    page.get_by_text("There are no steps").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Not saved yet.").wait_for(state="detached")
    assert ask(system, "ada-admin", "GET", path)["steps"] == []


def test_the_ladder_is_built_and_taken_down(page: "Page", system: System) -> None:
    path = f"/v1/practices/{system.told['practice_id']}/escalation"
    sign_in(page, system, "ada-admin", PATH)
    page.get_by_role("link", name="When nobody looks").click()
    page.get_by_text("There are no steps").wait_for()
    for _ in range(2):
        page.get_by_role("button", name="Add a step").click()
    page.get_by_label("Minutes after the message").fill("600")
    page.get_by_label("Ring").nth(1).select_option("administrators")
    page.get_by_label("even in their quiet hours").check()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved.").wait_for()
    saved = ask(system, "ada-admin", "GET", path)
    page.get_by_role("button", name="Remove step 1").click()
    page.get_by_role("button", name="Remove step 1").click()
    page.get_by_text("There are no steps").wait_for()
    ask(system, "ada-admin", "PUT", path, {})

    assert saved == {
        "steps": [{"after_minutes": 600, "ring": "same_reason"}, {"after_minutes": 15, "ring": "administrators"}],
        "through_quiet_hours": True,
    }


def test_an_endpoint_is_made_tested_rotated_disabled_by_its_answer_and_replayed(page: "Page", system: System) -> None:
    with receiving() as receiver:
        sign_in(page, system, "ada-admin", PATH)
        page.get_by_role("link", name="Webhooks").click()
        page.get_by_role("button", name="Add an endpoint").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Address (https)").fill(receiver.url)
        dialog.get_by_label("Changes of conversations").uncheck()
        dialog.get_by_role("button", name="Save").click()
        secret = dialog.locator(".secret").inner_text()
        dialog.get_by_role("button", name="I have kept it").click()
        row = page.locator(".connection-row", has_text=receiver.url)

        row.get_by_role("button", name="Test").click()
        page.get_by_text("It was taken, in").wait_for()
        headers, body = receiver.next()
        tested = Webhook(secret).verify(body.decode(), headers)

        row.get_by_role("button", name="New secret").click()
        second = dialog.locator(".secret").inner_text()
        dialog.get_by_role("button", name="I have kept it").click()
        row.get_by_text("The earlier secret signs as well until").wait_for()

        receiver.status = 410
        text_from(system, newcomer(), words())
        receiver.next()
        page.reload()
        row.get_by_text("because it answered that it is gone (410)").wait_for()
        row.get_by_role("button", name="Log").click()
        row.get_by_role("cell", name="it answered 410").wait_for()

        receiver.status = 204
        row.get_by_role("button", name="Enable").click()
        row.get_by_text("Fine").wait_for()
        row.get_by_role("button", name="Send again").click()
        headers, body = receiver.next()
        told = Webhook(second).verify(body.decode(), headers)
        row.get_by_role("button", name="Refresh").click()
        row.get_by_role("button", name="Remove").click()
        dialog.get_by_role("button", name="Remove").click()
        row.wait_for(state="detached")

    assert tested["type"] == "test"
    assert told["type"] == "message"
    assert "body" not in told["data"]
    assert secret != second


def test_the_dialogs_are_usable_by_everybody_and_by_keys_alone(page: "Page", system: System, accessible: Judge) -> None:
    sign_in(page, system, "ada-admin", PATH)
    page.get_by_label("Tell me by push messages").check()
    page.get_by_label("Tell me by e-mail").check()
    page.get_by_role("button", name="Add hours (Quiet hours)").focus()
    page.keyboard.press("Enter")
    accessible(page)
    page.get_by_role("link", name="Duty").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Change Max Madeup").focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_label("Whenever the practice is open").focus()
    page.keyboard.press("Space")
    page.get_by_role("dialog").get_by_label("From").first.wait_for()
    accessible(page)
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_role("button", name="Add an endpoint").click()
    page.get_by_role("dialog").wait_for()
    accessible(page)
