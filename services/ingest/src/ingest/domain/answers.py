"""What a practice texts by itself: to reserved words, and to words of an emergency."""

import re
from collections.abc import Collection

from ingest.domain.keywords import Keyword

EMERGENCY_TEXT = "If this is an emergency, call 911 now. Nobody may read this text in time."
_HELP = "{name}: this number takes texts for the practice. In an emergency call 911. Text STOP to get no more texts."


def answer_to(keyword: Keyword, practice_name: str, help_text: str | None) -> str:
    """What a phone is texted back. CTIA Messaging Principles, 5.1: who we are, what was done, and how to undo it."""
    match keyword:
        case "opt_out":
            return f"{practice_name}: you will get no more texts from us. Text START to get them again."
        case "opt_in":
            return f"{practice_name}: you will get texts from us again. Text HELP for help, STOP to get no more."
        case "help":
            return help_text or _HELP.format(name=practice_name)


def is_emergency(body: str, words: Collection[str]) -> bool:
    """Whether one of the practice's emergency words is in a message, as whole words, whatever its case and spacing."""
    if not words:
        return False
    said = f" {_plain(body)} "
    return any(f" {_plain(one)} " in said for one in words)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.casefold().replace("'", "").replace("\u2019", "")))
