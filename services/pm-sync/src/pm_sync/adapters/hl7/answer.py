"""Acknowledgements: HL7 v2.5.1 section 2.9, in the original mode."""

from datetime import datetime
from typing import Literal

from pm_sync.adapters.hl7.message import Message

Code = Literal["AA", "AE", "AR"]
"""Taken; kept in quarantine because of its content; not taken, and worth sending again."""


def acknowledgement(message: Message | None, code: Code, reason: str, now: datetime, number: int) -> bytes:
    """The answer to a message; to what was none at all with message None. `reason` is one of our own sentences."""
    stamp = now.strftime("%Y%m%d%H%M%S%z")
    sender = [message.get("MSH", place) if message is not None else "" for place in (5, 6, 3, 4)]
    event = message.get("MSH", 9, 2) if message is not None else ""
    control_id = message.get("MSH", 10) if message is not None else ""
    version = (message.get("MSH", 12) if message is not None else "") or "2.5.1"
    kind = f"ACK^{event}^ACK" if event else "ACK"
    lines = [
        f"MSH|^~\\&|{'|'.join(map(_escaped, sender))}|{stamp}||{kind}|SB{number}|P|{_escaped(version)}",
        f"MSA|{code}|{_escaped(control_id)}",
    ]
    if code != "AA":
        lines.append(f"ERR|||207^Application error^HL70357|E||||{_escaped(reason)}")
    return ("\r".join(lines) + "\r").encode()


def _escaped(text: str) -> str:
    for letter, character in (("E", "\\"), ("F", "|"), ("S", "^"), ("T", "&"), ("R", "~")):
        text = text.replace(character, f"\\{letter}\\")
    return text.replace("\r", " ").replace("\n", " ")
