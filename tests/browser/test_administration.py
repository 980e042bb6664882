"""What administrators do in the browser: change routing with warnings, try it, bring it back; and see how all goes."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from playwright.sync_api import expect

from tests.browser.desk import ARRIVES_MS, newcomer, run_elsewhere, sign_in, text_from, words
from tests.e2e.conftest import System

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def listed_id(system: System, said: str) -> str:
    """The id of a patient's message, once Fay's inbox lists it."""
    headers = {"Authorization": f"Bearer {system.token('fay-front')}"}
    deadline = time.monotonic() + ARRIVES_MS / 1000
    while time.monotonic() < deadline:
        page = httpx.get(f"{system.base_url}/v1/conversations?inbox=unassigned", headers=headers, timeout=20).json()
        for one in page["conversations"]:
            if one["last_message"]["body"] == said:
                return str(one["last_message"]["message_id"])
    pytest.fail("the message is not listed")


def version_of(system: System) -> int:
    headers = {"Authorization": f"Bearer {system.token('ada-admin')}"}
    path = f"/v1/practices/{system.told['practice_id']}/routing-settings"
    return int(httpx.get(system.base_url + path, headers=headers, timeout=20).json()["version"])


def test_a_change_that_leaves_nobody_is_warned_of_tried_saved_and_brought_back(page: "Page", system: System) -> None:
    text_from(system, newcomer(), words())
    before = version_of(system)
    sign_in(page, system, "ada-admin", "/routing")
    page.get_by_role("checkbox", name="Fay Madeup is active").uncheck()
    page.get_by_text("Nobody would be told about Appointments at Elm Street.").wait_for()

    page.get_by_role("link", name="Try").click()
    page.get_by_text("By your unsaved draft.").wait_for()
    page.get_by_role("button", name="Start").click()
    page.get_by_text("decided again.").wait_for()

    page.get_by_role("button", name="Save all the same").click()
    page.get_by_text(f"Saved as version {before + 1}.").wait_for()
    page.get_by_role("link", name="History").click()
    page.get_by_role("button", name=f"Bring back {before}", exact=True).click()
    page.get_by_text("members/fay-front/active").wait_for()
    page.get_by_role("dialog").get_by_role("button", name="Bring back").click()
    page.get_by_text(f"Version {before} is back.").wait_for()

    assert version_of(system) == before + 2


def test_somebody_elses_save_is_never_overwritten(page: "Page", system: System) -> None:
    sign_in(page, system, "ada-admin", "/routing")
    page.get_by_role("checkbox", name="By the provider of the next appointment").wait_for()
    path = f"{system.base_url}/v1/practices/{system.told['practice_id']}/routing-settings"
    headers = {"Authorization": f"Bearer {system.token('ada-admin')}"}
    found = httpx.get(path, headers=headers, timeout=20)
    httpx.put(path, json=found.json(), headers=headers | {"If-Match": found.headers["etag"]}, timeout=20)

    page.get_by_role("checkbox", name="Text a menu of reasons").check()

    page.get_by_text("Somebody else saved a new version meanwhile.").wait_for()


def test_a_try_says_who_would_be_told_and_why(page: "Page", system: System) -> None:
    sign_in(page, system, "ada-admin", "/routing")
    page.get_by_role("link", name="Try").click()
    page.get_by_label("Picked reason").select_option("billing")
    page.get_by_role("button", name="Try it").click()

    page.get_by_text("Bo Madeup would be told.").wait_for()


def test_the_coverage_shows_holes_and_single_points(page: "Page", system: System) -> None:
    sign_in(page, system, "ada-admin", "/routing")
    page.get_by_role("link", name="Coverage").click()
    page.get_by_role("heading", name="Who is told about what").wait_for()  # the settings have such a row, too

    row = page.get_by_role("row", name="Medical records")
    row.wait_for()
    expect(row.get_by_text("Nobody")).to_have_count(4)


async def put_dead_letters(system: System) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=system.told["kafka_bootstrap_servers"])
    await producer.start()
    try:
        headers = [("ce_specversion", b"1.0"), ("ce_type", b"switchboard.MessageReceived.v1")]
        for practice_id in (system.told["practice_id"], "somebody-elses"):
            await producer.send_and_wait("patient-messages", b"\xff", key=f"{practice_id}/p".encode(), headers=headers)
    finally:
        await producer.stop()


def test_dead_letters_are_listed_to_their_own_practice_and_replayed(system: System) -> None:
    run_elsewhere(put_dead_letters(system))
    letters: list[dict[str, str]] = []
    with httpx.Client(base_url=system.base_url, timeout=30) as http:

        def ask(method: str, path: str, token: str, body: object = None) -> httpx.Response:
            return http.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

        ada, (stranger,) = system.token("ada-admin"), system.told["other_practice"]["staff"]
        for _ in range(100):
            letters = ask("GET", "/v1/operations/dead-letters", ada).json()
            if letters:
                break
        wanted = {"positions": [letters[0]["position"]]}
        replayed = ask("POST", "/v1/operations/dead-letters/replay", ada, wanted)
        refused = ask("POST", "/v1/operations/dead-letters/replay", stranger["token"], wanted)
        member = ask("GET", "/v1/operations/dead-letters", system.token("fay-front"))

    assert {letter["topic"] for letter in letters} == {"patient-messages"}
    assert replayed.json() == {"replayed": 1}
    assert refused.status_code == httpx.codes.NOT_FOUND
    assert member.status_code == httpx.codes.FORBIDDEN


def test_a_dead_letter_is_replayed_by_a_button(page: "Page", system: System) -> None:
    run_elsewhere(put_dead_letters(system))
    headers = {"Authorization": f"Bearer {system.token('ada-admin')}"}
    deadline = time.monotonic() + ARRIVES_MS / 1000
    while not httpx.get(f"{system.base_url}/v1/operations/dead-letters", headers=headers, timeout=20).json():
        assert time.monotonic() < deadline, "there are no dead letters"
    sign_in(page, system, "ada-admin", "/operations")
    page.get_by_role("button", name="Replay").first.click()

    page.get_by_text("1 dead letter is on its way again.").wait_for()


def test_settings_leave_as_a_file_and_come_back_as_a_draft(page: "Page", system: System, tmp_path: Path) -> None:
    before = version_of(system)
    sign_in(page, system, "ada-admin", "/routing")
    page.get_by_role("link", name="Import and export").click()
    with page.expect_download() as leaving:
        page.get_by_role("button", name=f"Export version {before}").click()
    settings = json.loads(leaving.value.path().read_text())
    settings["reasons"][0]["label"]["en"] = "Visits"
    changed = tmp_path / "draft.json"
    changed.write_text(json.dumps(settings))
    page.get_by_label("Import a file").set_input_files(changed)

    page.get_by_text("You have changes that are not saved.").wait_for()
    expect(page.get_by_label("English").first).to_have_value("Visits")
    page.get_by_role("button", name="Discard").click()
    page.wait_for_function("() => document.querySelector('.save-bar') === null")
    expect(page.get_by_label("English").first).to_have_value("Appointments")
    assert version_of(system) == before


def test_the_flow_is_shown_and_a_message_is_explained(page: "Page", system: System) -> None:
    said = words()
    text_from(system, newcomer(), said)
    message_id = listed_id(system, said)
    sign_in(page, system, "ada-admin", "/operations")
    page.locator(".stage").nth(2).wait_for()

    page.get_by_label("Message id").fill(message_id)
    page.get_by_role("button", name="Explain").click()

    page.locator(".steps li").first.wait_for()
    page.get_by_label("Why was this person not told?").select_option(label="Bo Madeup")
    page.get_by_text("does not match in reason").wait_for()
    expect(page.locator(".connection-row", has_text="maple-pm")).to_be_visible()
