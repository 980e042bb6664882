"""Files of messages: what they are, and which part of them is asked for."""

import pytest

from ingest.domain.files import is_shown, refusal, type_of
from ingest.domain.ranges import ByteRange, Unsatisfiable, wanted_range

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (PNG, "image/png"),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"ID3\x03" + b"\0" * 16, "audio/mpeg"),
        (b"<html><script>alert(1)</script>", "application/octet-stream"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_a_file_is_what_its_first_bytes_say(content: bytes, content_type: str) -> None:
    assert type_of(content) == content_type


def test_a_browser_is_shown_nothing_that_could_run() -> None:
    assert is_shown("image/png")
    assert is_shown("audio/mpeg")
    assert not is_shown("text/html")
    assert not is_shown("application/octet-stream")


def test_a_file_that_is_too_large_or_of_another_kind_is_refused_with_the_reason() -> None:
    assert refusal(PNG, most_bytes=len(PNG), allowed={"image/png"}) is None
    assert refusal(PNG, most_bytes=len(PNG) - 1) == "too_large"
    assert refusal(b"MZ", most_bytes=9, allowed={"image/png"}) == "type_not_allowed"


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-3", ByteRange(0, 4)),
        ("bytes=2-", ByteRange(2, 8)),
        ("bytes=-3", ByteRange(7, 3)),
        ("bytes=-99", ByteRange(0, 10)),
        ("bytes=8-99", ByteRange(8, 2)),
        (None, None),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-3", None),
    ],
)
def test_a_range_is_a_part_of_the_file_and_what_is_no_single_range_is_ignored(
    header: str | None, part: ByteRange | None
) -> None:
    assert wanted_range(header, 10) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_given(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        wanted_range(header, 10)
