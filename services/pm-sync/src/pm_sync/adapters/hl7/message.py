"""An HL7 v2 message in its segments, fields and components: HL7 v2.5.1 chapter 2.

What is absent is empty: senders leave out whatever they like.
"""

import re
from dataclasses import dataclass
from typing import Self

_HEADER = b"MSH"
_SHORTEST = 8
_CHARACTER_SET = 17
"""Where MSH-18 is among the header's parts."""
_ENCODINGS = {
    "": None,
    "ASCII": "cp1252",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "8859/1": "iso8859-1",
    "8859/2": "iso8859-2",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
}
"""Of MSH-18, table 0211. A sender that says ASCII and means Windows is understood too."""
_ESCAPE = re.compile(r"\\([^\\\r]*)\\")


class NoMessage(ValueError):  # noqa: N818 - it says what it is
    """It does not begin with a message header, or is not of the character set that it names."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was taken apart as far as its fields."""

    segments: tuple[list[str], ...]
    separators: str
    """Field, component, repetition, escape, subcomponent: MSH-1 and MSH-2."""

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Raises `NoMessage`."""
        if not raw.startswith(_HEADER) or len(raw) < _SHORTEST:
            raise NoMessage("no MSH segment")
        text = _decoded(raw)
        field = text[3]
        segments = tuple(line.split(field) for line in re.split(r"[\r\n]+", text) if line)
        return cls(segments, (field + segments[0][1] + "^~\\&"[len(segments[0][1]) :])[:5])

    def get(self, name: str, number: int, component: int = 1, *, segment: int = 0) -> str:
        """One component of the first repetition of a field, all counted from 1 as in the standard; "" where absent."""
        found = self.all(name)
        return "" if segment >= len(found) else self.part(found[segment], number, component)

    def all(self, name: str) -> list[list[str]]:
        """The segments of a name, in order."""
        return [one for one in self.segments if one[0] == name]

    def part(self, segment: list[str], number: int, component: int = 1) -> str:
        """As `get`, of a given segment."""
        index = number - 1 if segment[0] == "MSH" else number
        if index >= len(segment):
            return ""
        return self._component(segment[index].split(self.separators[2])[0], component)

    def repetitions(self, name: str, number: int, component: int = 1) -> list[str]:
        """One component of each repetition of a field."""
        found = self.all(name)
        if not found or number >= len(found[0]):
            return []
        return [self._component(one, component) for one in found[0][number].split(self.separators[2])]

    def _component(self, text: str, component: int) -> str:
        parts = text.split(self.separators[1])
        if component > len(parts):
            return ""
        first = parts[component - 1].split(self.separators[4])[0]
        return _ESCAPE.sub(self._unescaped, first).strip() if self.separators[3] in first else first.strip()

    def _unescaped(self, escape: re.Match[str]) -> str:
        """Section 2.7: separators by their letters, characters by their codes; formatting is left out."""
        code = escape[1]
        if code in {"F", "S", "R", "E", "T"}:
            return self.separators["FSRET".index(code)]
        if code.startswith("X"):
            try:
                return bytes.fromhex(code[1:]).decode("cp1252", "replace")
            except ValueError:
                return ""
        return " " if code == ".br" else ""


def _decoded(raw: bytes) -> str:
    header = raw.split(b"\r", 1)[0].split(b"\n", 1)[0].split(raw[3:4])
    named = b"".join(header[_CHARACTER_SET : _CHARACTER_SET + 1]).split(b"~")[0].decode("ascii", "replace")
    encoding = _ENCODINGS.get(named.strip().upper())
    if encoding is not None:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            raise NoMessage("not in the character set that MSH-18 names") from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
