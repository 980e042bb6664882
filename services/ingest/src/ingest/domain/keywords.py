"""Words that carriers reserve. They count only as the whole text: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out"""

from typing import Literal

_OPT_OUT = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit"})
_OPT_IN = frozenset({"start", "yes", "unstop"})
_HELP = frozenset({"help", "info"})

Keyword = Literal["opt_out", "opt_in", "help"]


def keyword_in(text: str) -> Keyword | None:
    """The reserved word that a text is, whatever its case and the space around it."""
    word = text.strip().lower()
    if word in _OPT_OUT:
        return "opt_out"
    if word in _OPT_IN:
        return "opt_in"
    return "help" if word in _HELP else None
