"""Using the console as a front desk does, and being the patients who write to it."""

import asyncio
import itertools
import os
import time
import uuid
from base64 import b64decode
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twilio.request_validator import RequestValidator

from switchboard_cli.demo.front_doors import FrontDoors
from tests.e2e.conftest import System

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ARRIVES_MS = 60_000
"""How long a message may take to the screen: one that waits for a killed process' partitions comes after its session."""
ACCEPTED_SECONDS = 60
_NUMBERS = (f"+1{area}5550{last}" for area, last in itertools.product(range(203, 210), range(100, 200)))


PICTURES = Path(__file__).resolve().parents[2] / "docs" / "screenshots"


def picture(page: "Page", name: str) -> None:
    """Keep what a page looks like in docs/screenshots, where SWITCHBOARD_SCREENSHOTS=1 says so."""
    if os.environ.get("SWITCHBOARD_SCREENSHOTS") == "1":
        page.screenshot(path=PICTURES / f"{name}.png")


def newcomer() -> str:
    """The phone of somebody who has not written before: a conversation that no other test has moved or answered."""
    return next(_NUMBERS)


def sign_in(page: "Page", system: System, staff_id: str, path: str = "/inbox") -> None:
    """Open a page of the console as somebody of the made-up staff."""
    page.goto(system.base_url + path)
    page.get_by_role("link", name="Sign in").click()
    page.locator(f"button[value={staff_id}]").click()
    page.wait_for_url(lambda url: url.startswith(system.base_url + path))


@dataclass(frozen=True, slots=True)
class Desk:
    """The inbox as one person has it open."""

    page: "Page"

    def open_inbox(self, name: str) -> None:
        self.page.get_by_role("navigation", name="Inboxes").get_by_role("button", name=name).click()
        self.page.get_by_role("heading", level=2, name=name).wait_for()

    @property
    def live(self) -> "Locator":
        return self.page.locator(".connection.live")

    def settle(self) -> None:
        """Wait until the page is live and has read its list: from then on it reads nothing that nobody asks for."""
        self.live.wait_for()
        self.page.locator(".list-body[aria-busy=false]").wait_for()

    def row(self, words: str) -> "Locator":
        """The conversation in the list that has these words."""
        return self.page.locator(".row-item", has_text=words)

    def place_of(self, words: str) -> int:
        """Where in the list the conversation with these words is: 1 at its top."""
        listed = self.page.locator(".row-item").all_inner_texts()
        return 1 + next(number for number, text in enumerate(listed) if words in text)

    def open(self, words: str) -> None:
        """Open the conversation that has these words, once it is listed."""
        self.show(words)
        self.row(words).get_by_role("button").click()
        self.message(words).wait_for()

    def show(self, words: str) -> None:
        """Have the conversation with these words in the list: where it is not, it waits behind "1 new"."""
        row, waiting = self.row(words), self.page.locator(".arrived.has-some")
        row.or_(waiting).first.wait_for(timeout=ARRIVES_MS)
        while row.count() == 0:
            self.page.locator(".arrived").click()  # what waited may be listed by now
            row.or_(waiting).first.wait_for(timeout=ARRIVES_MS)

    def message(self, words: str) -> "Locator":
        return self.page.get_by_role("log").get_by_text(words)


OpenDesk = Callable[[str], Desk]
"""Opens somebody's inbox in a browser of their own, by the id of the person."""


def text_from(system: System, phone: str, words: str) -> None:
    """Somebody sends a text through the provider's webhook, which tries again until it is taken."""
    channel = system.told["channels"]["twilio_sms"]
    form = {
        "MessageSid": "SM" + uuid.uuid4().hex,
        "AccountSid": "AC" + "0" * 32,
        "From": phone,
        "To": channel["number"],
        "Body": words,
        "NumMedia": "0",
    }
    path = f"/hooks/twilio/sms/{channel['id']}"
    signature = RequestValidator(channel["auth_token"]).compute_signature(channel["public_url"] + path, form)
    deadline = time.monotonic() + ACCEPTED_SECONDS
    while not _is_taken(system.base_url + path, form, {"X-Twilio-Signature": signature}):
        assert time.monotonic() < deadline, "the webhook was not taken"


def _is_taken(url: str, form: dict[str, str], headers: dict[str, str]) -> bool:
    try:
        return httpx.post(url, data=form, headers=headers, timeout=20).is_success
    except httpx.TransportError:
        return False


def front_doors(system: System, http: httpx.AsyncClient) -> FrontDoors:
    """How patients reach the practice, through each of its channels."""
    told = system.told
    return FrontDoors(
        http,
        system.base_url,
        auth_token=told["channels"]["twilio_sms"]["auth_token"],
        telnyx_key=Ed25519PrivateKey.from_private_bytes(b64decode(told["channels"]["telnyx_sms"]["private_key"])),
        adapter_token=told["adapter"]["token"],
        outbox_url=told["provider"]["outbox_url"],
    )


def call_from(system: System, phone: str, extension: str) -> None:
    """Somebody leaves a voicemail, and the provider sends its recording and its words."""

    async def call() -> None:
        async with httpx.AsyncClient(base_url=system.base_url, timeout=30) as http:
            await front_doors(system, http).call(phone, extension, recording_id=f"RE{uuid.uuid4().hex}")

    run_elsewhere(call())


def words() -> str:
    """A message that nobody else has sent."""
    return f"A made-up question {uuid.uuid4().hex[:8]}"


def run_elsewhere(work: Coroutine[Any, Any, None]) -> None:
    """Run asynchronous work to its end in a thread of its own: Playwright keeps an event loop in the tests' thread."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
