"""Ids are version 5 UUIDs, as everybody's libraries make them."""

from uuid import uuid5

from hypothesis import given
from hypothesis import strategies as st

from shared_schemas.ids import NAMESPACE, content_id


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_an_id_is_the_uuid5_of_its_parts(parts: list[str]) -> None:
    assert content_id(*parts) == str(uuid5(NAMESPACE, "\x1f".join(parts)))
