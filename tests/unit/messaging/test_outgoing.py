"""What is stored with a batch is what is sent, however often."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_messaging import Outgoing
from shared_messaging.outgoing import pack, unpack
from shared_messaging.publisher import partition_of
from shared_schemas.patient_messages import MessageReceivedV1

headers = st.lists(st.tuples(st.text(), st.binary()), max_size=5).map(tuple)
messages = st.builds(Outgoing, st.text(), st.none() | st.binary(), st.none() | st.binary(), headers)


@given(st.lists(messages, max_size=10))
def test_unpacking_gives_back_what_was_packed(outgoing: list[Outgoing]) -> None:
    assert unpack(pack(outgoing)) == outgoing


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="another version"):
        unpack(b"\x01" + pack([])[1:])


def test_the_same_event_always_becomes_the_same_bytes() -> None:
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    event = MessageReceivedV1(
        practice_id="p1",
        patient_id="c1",
        message_id="m1",
        channel="sms",
        provider_message_id="SM1",
        received_at=at,
        body="A refill, please",
        identity="matched",
    )
    first, again = (Outgoing.of("patient-messages", event, source="/test", time=at) for _ in range(2))
    assert first == again
    assert first.key == b"p1/c1"
    assert dict(first.headers)["ce_id"] == b"m1"


def test_a_key_stays_in_its_partition_and_no_key_goes_to_the_first() -> None:
    assert partition_of(b"practice-1", 12) == partition_of(b"practice-1", 12)
    assert partition_of(None, 12) == 0
    assert len({partition_of(b"practice-%d" % n, 12) for n in range(200)}) == 12
