"""Files and messages that were made to be too much: they are refused as what they are, soon, and nothing falls over."""

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic_core import from_json

from pm_sync.adapters.csv_file import COLUMNS, MOST_MISTAKES, BadFile, CsvFormat, read_csv
from pm_sync.adapters.hl7.framing import LARGEST, BadFraming, read_block
from pm_sync.adapters.hl7.message import Message, NoMessage

pytestmark = pytest.mark.timeout(60)

HEADER = ",".join(COLUMNS).encode() + b"\n"
FORM = CsvFormat(ZoneInfo("America/New_York"), "US", {}, datetime(2026, 11, 25, tzinfo=UTC))
CSV_BOMBS = {
    "a field without end": HEADER + b'ap-1,"' + b"a" * 2_000_000,
    "a large field": HEADER + b"ap-1," + b"a" * 2_000_000 + b",,,,,,,,,,,\n",
    "nothing but quotes": b'"' * 1_000_001,
    "nothing but commas": HEADER + b"," * 1_000_000,
    "zeroes": b"\0" * 1_000_000,
    "an archive": b"PK\x03\x04" + bytes(range(256)) * 1_000,
    "another encoding": HEADER.decode().encode("utf-16"),
    "only mistakes": HEADER + b"ap,pt,,,tomorrow,nobody,perhaps,never,never,,,,\n" * 20_000,
}


@pytest.mark.parametrize("bomb", CSV_BOMBS)
def test_a_file_that_is_a_bomb_is_refused_with_a_few_reasons(bomb: str) -> None:
    with pytest.raises(BadFile) as refused:
        read_csv(CSV_BOMBS[bomb], FORM)

    assert 1 <= len(refused.value.mistakes) <= MOST_MISTAKES


async def test_an_hl7_message_without_end_is_given_up() -> None:
    reader = asyncio.StreamReader(limit=LARGEST)
    reader.feed_data(b"\x0bMSH|^~\\&|" + b"A" * (2 * LARGEST))

    with pytest.raises(BadFraming):
        await read_block(reader, idle_seconds=5)


@pytest.mark.parametrize("separator", [b"|", b"^", b"~", b"&", b"\r", b"\\", b"\\H", b"\\X"])
def test_an_hl7_message_of_nothing_but_separators_is_read_or_refused(separator: bytes) -> None:
    raw = b"MSH|^~\\&|A|B|C|D|20261125||SIU^S12|1|P|2.5\rPID|1||" + separator * 200_000
    try:
        message = Message.of(raw)
    except NoMessage:
        return

    assert message.get("MSH", 9) == "SIU"
    assert len(message.repetitions("PID", 3)) <= 200_001


@pytest.mark.parametrize(
    "bomb", [b"[" * 1_000_000, b'{"a":' * 1_000_000, b"9" * 1_000_000, b'"' + b"\\ud83d" * 100_000 + b'"']
)
def test_json_that_is_too_deep_or_too_long_is_no_json_of_a_server(bomb: bytes) -> None:
    try:
        content = from_json(bomb)
    except ValueError:
        return

    assert not isinstance(content, dict)
