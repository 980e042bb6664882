"""Secrets at rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_database.sealing import Sealer, Unopenable, new_key

KEY = new_key()


@given(st.binary(max_size=200))
def test_what_is_sealed_is_opened_where_it_belongs_and_nowhere_else(content: bytes) -> None:
    sealer = Sealer.of(KEY)
    sealed = sealer.seal(content, "practice", "connection")

    assert sealer.open(sealed, "practice", "connection") == content
    assert sealed != sealer.seal(content, "practice", "connection")
    for place in (("practice", "other"), ("practice",), ("practiceconnection", "")):
        with pytest.raises(Unopenable):
            sealer.open(sealed, *place)


@given(st.integers(0, 40), st.integers(1, 255))
def test_a_changed_byte_is_found(at: int, difference: int) -> None:
    sealer = Sealer.of(KEY)
    sealed = bytearray(sealer.seal(b"a made-up secret", "practice"))
    sealed[at] ^= difference

    with pytest.raises(Unopenable):
        sealer.open(bytes(sealed), "practice")


def test_keys_can_be_changed_without_a_pause() -> None:
    old, new = Sealer.of(KEY), Sealer.of(f"{new_key()}, {KEY}")
    sealed = old.seal(b"x", "practice")

    assert new.open(sealed, "practice") == b"x"
    with pytest.raises(Unopenable):
        old.open(new.seal(b"x", "practice"), "practice")


@pytest.mark.parametrize("setting", ["", "c2hvcnQ=", "no base64!"])
def test_a_bad_key_stops_the_start(setting: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the settings' own
        Sealer.of(setting)
