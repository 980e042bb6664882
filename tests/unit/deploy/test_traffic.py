"""The ledger that says what an installation lost while it was changed."""

from pathlib import Path

from tests.deploy.traffic import Traffic
from tests.e2e.conftest import System


def test_what_was_accepted_and_never_seen_is_lost_and_what_came_again_was_seen_twice() -> None:
    traffic = Traffic(System({}, Path()), accepted=["one", "two", "three"], messages=["one", "three", "one"])

    assert traffic.lost() == ["two"]
    assert traffic.seen_twice() == ["one"]
