"""Words that carriers reserve. They count only as the whole text: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out"""

from typing import Literal

_OPT_OUT = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit"})
_OPT_IN = frozenset({"start", "unstop"})
_HELP = frozenset({"help", "info"})
_YES = "yes"

Keyword = Literal["opt_out", "opt_in", "help"]


def keyword_in(text: str, *, is_opted_out: bool) -> Keyword | None:
    """The reserved word that a text is, whatever its case and the space around it.

    YES asks for texts again only from a phone that said STOP: from everybody else it answers a question.
    """
    word = text.strip().lower()
    if word in _OPT_OUT:
        return "opt_out"
    if word in _OPT_IN or (word == _YES and is_opted_out):
        return "opt_in"
    return "help" if word in _HELP else None
