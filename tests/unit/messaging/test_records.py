"""What comes twice counts once, where it came first."""

from hypothesis import given
from hypothesis import strategies as st

from shared_messaging import first_of_each


@given(st.lists(st.integers(0, 5)))
def test_repetitions_change_neither_the_order_of_the_first_ones_nor_which_they_are(keys: list[int]) -> None:
    things = list(enumerate(keys))
    kept = [thing for thing in things if thing[1] not in keys[: thing[0]]]
    assert first_of_each(things, lambda thing: thing[1]) == kept
