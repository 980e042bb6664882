"""Who sees a conversation, and where a stream goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.cursors import Cursor
from notifier.domain.visibility import Member, Practice, who_sees

PRACTICE = Practice(
    version=1,
    members=(
        Member("ada", is_active=True, is_administrator=True, sees_unassigned=False),
        Member("fay", is_active=True, is_administrator=False, sees_unassigned=True),
        Member("gone", is_active=False, is_administrator=True, sees_unassigned=True),
        Member("nia", is_active=True, is_administrator=False, sees_unassigned=False),
    ),
    shared_inboxes={"nurses": ("nia", "gone")},
)


@pytest.mark.rule("M3")
def test_unassigned_is_seen_by_the_audience_and_by_those_who_watch_it() -> None:
    assert who_sees(PRACTICE, "unassigned", None, ["nia"]) == ("fay", "nia")


@pytest.mark.rule("D2")
def test_an_assigned_conversation_is_seen_by_the_assignee() -> None:
    assert who_sees(PRACTICE, "member", "nia", ["nia"]) == ("nia",)


@pytest.mark.rule("D3", "D4")
def test_a_shared_inbox_is_seen_by_its_active_members() -> None:
    assert who_sees(PRACTICE, "shared_inbox", "nurses", []) == ("nia",)


@pytest.mark.rule("M4")
def test_what_is_unrouted_is_seen_by_administrators_too() -> None:
    assert who_sees(PRACTICE, "unassigned", None, [], is_unrouted=True) == ("ada", "fay")


@given(st.integers(0, 500), st.integers(-1, 2**62), st.text(max_size=40))
def test_a_cursor_comes_back_as_it_was(partition: int, offset: int, ce_id: str) -> None:
    cursor = Cursor.after(partition, offset, ce_id)
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text(max_size=60))
def test_anything_else_is_no_cursor_and_no_error(text: str) -> None:
    assert Cursor.parse(text) is None or isinstance(Cursor.parse(text), Cursor)
