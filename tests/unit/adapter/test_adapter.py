"""The package for other people's adapters: it keeps what cannot be sent, and sends it once, in order."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from switchboard_adapter import Adapter, IncomingMessage, RefusedError
from switchboard_adapter.adapter import MOST_CHARACTERS
from switchboard_adapter.conformance import NOWHERE, PRACTICE, TOKEN
from switchboard_adapter.stand_in import StandIn, stand_in

SENDER = "pat.example@example.com"


@pytest.fixture
def switchboard() -> Generator[StandIn]:
    with stand_in(TOKEN, PRACTICE) as running:
        yield running


def published(url: str, path: Path, *bodies: str, token: str = TOKEN) -> int:
    """Publish; how many wait afterwards."""
    with Adapter(url, token, PRACTICE, path) as adapter:
        for body in bodies:
            adapter.publish(IncomingMessage(body, body, SENDER))
        return adapter.waiting


def test_what_was_written_while_switchboard_was_away_is_sent_by_the_next_process_in_order(
    tmp_path: Path, switchboard: StandIn
) -> None:
    path = tmp_path / "waiting.sqlite"
    away = published(NOWHERE, path, "first", "second")
    back = published(switchboard.url, path, "third")

    assert (away, back) == (2, 0)
    assert [event.body for event in switchboard.accepted] == ["first", "second", "third"]


def test_a_token_that_is_refused_loses_nothing(tmp_path: Path, switchboard: StandIn) -> None:
    path = tmp_path / "waiting.sqlite"

    assert published(switchboard.url, path, "first", token="not-the-token") == 1  # noqa: S106 - of this test
    assert published(switchboard.url, path) == 1
    with Adapter(switchboard.url, TOKEN, PRACTICE, path) as adapter:
        adapter.flush()
        assert adapter.waiting == 0


def test_a_message_that_is_refused_for_good_says_so_and_holds_nothing_up(tmp_path: Path, switchboard: StandIn) -> None:
    with Adapter(switchboard.url, TOKEN, "another-practice", tmp_path / "waiting.sqlite") as adapter:
        for key in ("one", "two"):
            with pytest.raises(RefusedError, match="422"):
                adapter.publish(IncomingMessage(key, "A made-up question", SENDER))

        assert adapter.waiting == 0


def test_a_long_message_is_cut_and_says_so_and_a_wrong_clock_is_not_believed(
    tmp_path: Path, switchboard: StandIn
) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with Adapter(switchboard.url, TOKEN, PRACTICE, tmp_path / "waiting.sqlite") as adapter:
        adapter.publish(IncomingMessage("one", "x" * 2 * MOST_CHARACTERS, SENDER, received_at=tomorrow))

    (event,) = switchboard.accepted
    assert len(event.body) == MOST_CHARACTERS
    assert event.body.endswith("[cut off: the message was longer]")
    assert event.received_at < tomorrow - timedelta(hours=23)


def test_a_patient_who_is_known_is_named_and_a_stranger_is_a_contact(tmp_path: Path, switchboard: StandIn) -> None:
    with Adapter(switchboard.url, TOKEN, PRACTICE, tmp_path / "waiting.sqlite") as adapter:
        adapter.publish(IncomingMessage("one", "Known", SENDER, patient_id="pt-001"))
        adapter.publish(IncomingMessage("two", "Unknown", SENDER))

    known, unknown = switchboard.accepted
    assert (known.patient_id, known.identity) == ("pt-001", "matched")
    assert (unknown.patient_id, unknown.identity) == (known.from_address_id, "unknown")
    assert unknown.patient_id.startswith("contact-")
