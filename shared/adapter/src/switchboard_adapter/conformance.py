"""Tries an adapter out: `switchboard-adapter-conformance my_module:MyDriver`.

You write a driver: a class that puts messages into your channel, and runs your adapter until it has handled them.
The kit stands in for Switchboard, breaks what breaks in real life, and says what your adapter makes of it.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from switchboard_adapter.stand_in import StandIn, stand_in

TOKEN, PRACTICE = "made-up-token-of-the-kit", "kit-practice"
SENDER = "pat.example@example.com"
NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing answers there."""
_SKEW = timedelta(minutes=5)


class Driver(Protocol):
    """What you write. A new one is made for each check: begin with an empty channel and nothing kept."""

    channel: str
    """As which of Switchboard's channels your messages come in."""

    def deliver(self, key: str, body: bytes, sender: str, sent_at: datetime) -> None:
        """Put a message into your channel. The same key again is the same message, delivered twice."""

    def run(self, url: str, token: str, practice_id: str) -> None:
        """Run your adapter until it has handled what is there. It must come back when Switchboard cannot be reached."""


Check = Callable[[Driver, StandIn], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    name: str
    problems: Sequence[str]


def conformance(make_driver: Callable[[], Driver]) -> list[Finding]:
    """Run every check against a driver of its own."""
    findings: list[Finding] = []
    for check in CHECKS:
        with stand_in(TOKEN, PRACTICE) as switchboard:
            driver = make_driver()
            try:
                problems = [*check(driver, switchboard), *switchboard.problems]
            except Exception as error:  # noqa: BLE001 - whatever the adapter raises is a finding
                problems = [f"the adapter raised {type(error).__name__}: {error}"]
        findings.append(Finding((check.__doc__ or "").strip(), problems))
    return findings


def a_message_arrives(driver: Driver, switchboard: StandIn) -> Sequence[str]:
    """A message arrives with its words, and its sender's address is in no id."""
    _deliver(driver, "one", b"A made-up question")
    _run(driver, switchboard)
    for event in switchboard.accepted:
        told = (event.patient_id, event.from_address_id or "", event.message_id)
        if any(_letters(SENDER.partition("@")[0]) in _letters(one) for one in told):
            return ["the address of the sender is in an id"]
    return _differences(switchboard, ["A made-up question"])


def duplicates_are_one(driver: Driver, switchboard: StandIn) -> Sequence[str]:
    """A message that is delivered twice, or read again after a restart, has the same id."""
    for _ in range(2):
        _deliver(driver, "one", b"A made-up question")
        _run(driver, switchboard)
    return [] if len(_ids(switchboard)) == 1 else [f"one message has {len(_ids(switchboard))} ids"]


def order_is_kept(driver: Driver, switchboard: StandIn) -> Sequence[str]:
    """Messages keep their order while Switchboard answers 503 in between."""
    for number in range(5):
        _deliver(driver, f"message-{number}", f"Message {number}".encode())
    switchboard.failing = 2
    for _ in range(4):
        _run(driver, switchboard)
    return _differences(switchboard, [f"Message {number}" for number in range(5)])


def an_outage_loses_nothing(driver: Driver, switchboard: StandIn) -> Sequence[str]:
    """What came while Switchboard could not be reached arrives afterwards."""
    _deliver(driver, "one", b"Written during an outage")
    driver.run(NOWHERE, TOKEN, PRACTICE)
    _run(driver, switchboard)
    return _differences(switchboard, ["Written during an outage"])


def a_huge_message_holds_nothing_up(driver: Driver, switchboard: StandIn) -> Sequence[str]:
    """A message of two megabytes is cut off or refused, and the next one arrives."""
    _deliver(driver, "huge", b"long " * 400_000)
    _deliver(driver, "next", b"The next message")
    _run(driver, switchboard)
    return [] if "The next message" in _bodies(switchboard) else ["the message after a huge one did not arrive"]


def bytes_that_are_no_text_hold_nothing_up(driver: Driver, switchboard: StandIn) -> Sequence[str]:
    """Bytes that are no UTF-8, and a NUL, do no harm."""
    _deliver(driver, "broken", b"a \xe9 \xff\x00 question")
    _deliver(driver, "next", b"The next message")
    _run(driver, switchboard)
    found = [] if "The next message" in _bodies(switchboard) else ["the message after a broken one did not arrive"]
    return [*found, *(["a NUL got through"] if any("\0" in body for body in _bodies(switchboard)) else [])]


def a_wrong_clock_is_not_believed(driver: Driver, switchboard: StandIn) -> Sequence[str]:
    """A message that says it was sent tomorrow is not received tomorrow."""
    _deliver(driver, "future", b"From tomorrow", sent_at=datetime.now(UTC) + timedelta(days=1))
    _run(driver, switchboard)
    if not switchboard.accepted:
        return ["the message did not arrive"]
    is_future = switchboard.accepted[0].received_at > datetime.now(UTC) + _SKEW
    return ["received_at is in the future: an hour's stickiness would last a day"] if is_future else []


def opt_out_words_are_no_questions(driver: Driver, switchboard: StandIn) -> Sequence[str]:
    """STOP by text is the channel's business: it is no message for the practice. Elsewhere it is a word like others."""
    _deliver(driver, "stop", b" Stop ")
    _run(driver, switchboard)
    is_text = driver.channel == "sms"
    return [] if bool(switchboard.accepted) != is_text else ["STOP was published" if is_text else "STOP did not arrive"]


CHECKS: tuple[Check, ...] = (
    a_message_arrives,
    duplicates_are_one,
    order_is_kept,
    an_outage_loses_nothing,
    a_huge_message_holds_nothing_up,
    bytes_that_are_no_text_hold_nothing_up,
    a_wrong_clock_is_not_believed,
    opt_out_words_are_no_questions,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when every check passed, 1 when one did not, 2 when there is no such driver."""
    parser = argparse.ArgumentParser(prog="switchboard-adapter-conformance", description="Tries a channel adapter out.")
    parser.add_argument("driver", help="module:Class of your driver")
    module, _, name = parser.parse_args(arguments).driver.partition(":")
    sys.path.insert(0, "")
    try:
        make_driver = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        sys.stderr.write(
            f"there is no driver {module}:{name}: give module:Class of one that can be imported from here\n"
        )
        return 2
    findings = conformance(make_driver)
    for one in findings:
        sys.stdout.write(f"{'FAIL' if one.problems else 'ok  '}  {one.name}\n")
        sys.stdout.writelines(f"      {problem}\n" for problem in one.problems)
    return 1 if any(one.problems for one in findings) else 0


def _deliver(driver: Driver, key: str, body: bytes, sent_at: datetime | None = None) -> None:
    driver.deliver(key, body, SENDER, sent_at or datetime.now(UTC))


def _run(driver: Driver, switchboard: StandIn) -> None:
    driver.run(switchboard.url, TOKEN, PRACTICE)


def _bodies(switchboard: StandIn) -> list[str]:
    """Each message once, in the order in which they were first accepted."""
    first: dict[str, str] = {}
    for event in switchboard.accepted:
        first.setdefault(event.message_id, event.body.strip())
    return list(first.values())


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _ids(switchboard: StandIn) -> set[str]:
    return {event.message_id for event in switchboard.accepted}


def _differences(switchboard: StandIn, wanted: list[str]) -> list[str]:
    found = _bodies(switchboard)
    if found == wanted:
        return []
    missing = [body for body in wanted if body not in found]
    return [f"did not arrive: {', '.join(missing)}" if missing else "arrived in another order, or with other words"]


if __name__ == "__main__":
    sys.exit(main())
