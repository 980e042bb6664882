"""What a practice sets up can be stored."""

import pytest
from pydantic import ValidationError

from ingest.configuration import TwilioVoice

LINE = {"kind": "twilio-voice", "number": "+12125550101", "account_sid": "AC1", "auth_token": "made-up"}


@pytest.mark.parametrize("changed", [{"account_sid": "a\0b"}, {"greeting": "\\\0"}])
def test_a_nul_is_refused_because_nothing_would_keep_it(changed: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="NUL"):
        TwilioVoice.model_validate(LINE | changed)


def test_words_about_a_nul_are_words() -> None:
    assert TwilioVoice.model_validate(LINE | {"greeting": r"a \u0000 b"}).greeting == r"a \u0000 b"
