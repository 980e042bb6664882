"""Pictures of every page, for people to look at: written to docs/screenshots where SWITCHBOARD_SCREENSHOTS=1 says so."""

import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from switchboard_cli.demo import practice
from tests.browser.desk import Desk, front_doors, newcomer, picture, run_elsewhere
from tests.e2e.conftest import System

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

ASKED = "Could somebody look into my refill? It has not arrived at the pharmacy yet."
TEXTS = (
    "Can I move my appointment to the afternoon?",
    "Is the clinic open on Friday?",
    "Do I have to fast before the blood test?",
    "Thank you, that helped!",
)
TEMPLATES = {
    "Opening hours": "We are open Monday to Friday, 8 AM to 5 PM.",
    "Refill sent": "Your refill is at the pharmacy. Please allow one working day.",
}
LOOKS = {
    "light": {"viewport": {"width": 1360, "height": 850}, "color_scheme": "light", "locale": "en-US"},
    "dark": {"viewport": {"width": 1360, "height": 850}, "color_scheme": "dark", "locale": "en-US"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light", "locale": "es-MX"},
}
ROUTING = ("coverage", "try", "history", "templates")
LOADING = re.compile("^(Loading|Cargando)…$")
NOTIFICATIONS = ("mine", "duty", "ladder", "webhooks")


@pytest.fixture(scope="module", autouse=True)
def morning(system: System) -> None:
    """Texts, a number that nobody knows, a voicemail, and a patient who picked a reason; templates; and a change that was
    taken back.
    """
    run_elsewhere(_morning(system))
    headers = {"Authorization": f"Bearer {system.token('ada-admin')}"}
    with httpx.Client(base_url=system.base_url, headers=headers, timeout=20) as http:
        for title, body in TEMPLATES.items():
            http.post("/v1/reply-templates", json={"title": title, "body": body}).raise_for_status()
        path = f"/v1/practices/{system.told['practice_id']}/routing-settings"
        before = http.get(path).json()
        for limit in ("PT36H", before["freshness_limit"]):
            found = http.get(path)
            changed = found.json() | {"freshness_limit": limit}
            http.put(path, json=changed, headers={"If-Match": found.headers["etag"]}).raise_for_status()


async def _morning(system: System) -> None:
    people = practice.patients()
    async with httpx.AsyncClient(base_url=system.base_url, timeout=30) as http:
        doors = front_doors(system, http)
        for person, words in zip(people[2::3], TEXTS, strict=False):
            await doors.text(person.phone, words, provider_message_id=f"SM{uuid.uuid4().hex}")
        await doors.text(newcomer(), "Hello, this is my new number.", provider_message_id=f"SM{uuid.uuid4().hex}")
        await doors.call(people[30].phone, "1", recording_id=f"RE{uuid.uuid4().hex}")
        await doors.log_in(people[32])
        await doors.write(people[32], ASKED, reason_id="refills", client_message_id=uuid.uuid4().hex)


@pytest.mark.parametrize("look", list(LOOKS))
def test_every_page_has_its_picture_taken(chromium: "Browser", system: System, look: str) -> None:
    context = chromium.new_context(**LOOKS[look])
    page = context.new_page()

    def take(name: str) -> None:
        picture(page, f"{name}-{look}")

    page.goto(f"{system.base_url}/console/sign-in")
    take("sign-in")
    page.locator("a.primary").click()
    page.locator("button[value=ada-admin]").click()
    desk = Desk(page)
    desk.live.wait_for()
    desk.show(ASKED)
    take("inbox")
    desk.row(ASKED).first.get_by_role("button").click()
    page.locator(".message").first.wait_for()
    take("conversation")
    if look != "phone":
        _dialogs(page, look)
    page.goto(f"{system.base_url}/routing")
    page.locator(".card table").first.wait_for()
    take("routing")
    for tab in ROUTING:
        page.goto(f"{system.base_url}/routing#{tab}")
        page.locator(f".tabs a[aria-current][href='#{tab}']").wait_for()
        page.locator(".card h2").first.wait_for()
        page.get_by_text(LOADING).first.wait_for(state="detached")
        if tab == "history":
            page.locator(".versions button[aria-expanded]").first.click()
            page.locator(".diff td").first.wait_for()
        take(tab)
    page.goto(f"{system.base_url}/operations")
    page.locator(".stage", has_text="/ s").first.wait_for()
    take("operations")
    _notifications(page, system, take)
    context.close()


def _notifications(page: "Page", system: System, take: Callable[[str], None]) -> None:
    """Of a person who wants both ways, on a practice with hours, a ladder and an endpoint; nothing of it is kept."""
    practice_id = system.told["practice_id"]
    everyday = ["mon", "tue", "wed", "thu", "fri"]
    night = {"days": [*everyday, "sat", "sun"], "since": "21:00", "until": "07:00"}
    mine = {
        "push": {}, "email": {"address": "ada@example.org"}, "quiet_hours": [night], "time_zone": "America/New_York",
    }  # fmt: skip
    steps = [{"after_minutes": 600, "ring": "same_reason"}, {"after_minutes": 60, "ring": "administrators"}]
    shift = {"days": everyday, "start": "08:00", "end": "13:00"}
    endpoint = {"url": "https://example.org/switchboard", "events": ["message"], "description": "The phone system"}
    with httpx.Client(
        base_url=system.base_url, headers={"Authorization": f"Bearer {system.token('ada-admin')}"}, timeout=20
    ) as http:

        def put(path: str, body: object) -> None:
            http.put(path, json=body).raise_for_status()

        put("/v1/notification-preferences", mine)
        put("/v1/duty/max-medical", {"shifts": [shift], "substitute": "mia-medical"})
        put(f"/v1/practices/{practice_id}/escalation", {"steps": steps})
        made = http.post("/v1/webhook-endpoints", json=endpoint | {"enabled": False}).raise_for_status().json()
        for tab in NOTIFICATIONS:
            page.goto(f"{system.base_url}/console/notifications#{tab}")
            page.locator(f".tabs a[aria-current][href='#{tab}']").wait_for()
            page.locator(".card form, .connection-row").first.wait_for()
            page.get_by_text(LOADING).first.wait_for(state="detached")
            take(f"notifications-{tab}")
        put("/v1/notification-preferences", {})
        put("/v1/duty/max-medical", {})
        put(f"/v1/practices/{practice_id}/escalation", {})
        http.delete(f"/v1/webhook-endpoints/{made['id']}").raise_for_status()


def _dialogs(page: "Page", look: str) -> None:
    page.locator(".row-item", has_text="made-up words of the demo").first.get_by_role("button").click()
    page.locator(".transcript").first.wait_for()
    picture(page, f"voicemail-{look}")
    page.get_by_role("button", name="What I am told about").click()
    page.get_by_role("button", name="Add a subscription").click()
    page.get_by_role("heading", name="What this changes").wait_for()
    picture(page, f"filters-{look}")
    page.keyboard.press("Escape")
    page.locator(".row-item", has_text="Unknown sender").first.get_by_role("button").click()
    page.locator(".commands").get_by_text("More").click()
    page.get_by_role("button", name="Who is this?").click()
    page.get_by_label("Find a patient by name").fill("mcsample-04")
    page.get_by_role("dialog").get_by_role("button", name="McSample-040").wait_for()
    picture(page, f"linking-{look}")
    page.keyboard.press("Escape")
