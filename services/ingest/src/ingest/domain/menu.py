"""The reason menu by text (rule R16)."""

import re
from collections.abc import Sequence

from ingest.domain.picker import words_of
from shared_schemas.practice_settings import Reason

_NUMBER = re.compile(r"\s*([0-9]{1,2})\s*[.)]?\s*")
_LANGUAGE = "en"


def menu_text(reasons: Sequence[Reason]) -> str:
    """The numbered list that a patient is texted. At least one reason."""
    lines = (f"{number} {words_of(reason, _LANGUAGE)}" for number, reason in enumerate(reasons, start=1))
    return "\n".join(("What is your message about? Answer with a number:", *lines))


def is_number(body: str) -> bool:
    """Whether a text is nothing but a number."""
    return _NUMBER.fullmatch(body) is not None


def chosen_reason(body: str, reason_ids: Sequence[str]) -> str | None:
    """The reason that a text chooses: the whole of it is one of the menu's numbers. None for any other text."""
    found = _NUMBER.fullmatch(body)
    number = int(found[1]) if found else 0
    return reason_ids[number - 1] if 1 <= number <= len(reason_ids) else None
