"""Twilio's calls: instructions (TwiML) for the caller, and what Twilio tells of a recording.

https://www.twilio.com/docs/voice/twiml/gather, https://www.twilio.com/docs/voice/twiml/record
"""

from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405  # written, never read

_GATHER_SECONDS = 6
_LONGEST_RECORDING_SECONDS = 300
_SILENCE_SECONDS = 8
"""Of silence end a recording."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Twilio asks how a call goes on."""

    base: str
    """The webhook of the call, public, without a slash at the end."""

    def gather(self, attempt: int) -> str:
        """Where the digits go."""
        return f"{self.base}/gather?attempt={attempt}"

    @property
    def recording(self) -> str:
        """Where it is told that a recording is there."""
        return f"{self.base}/recording"

    @property
    def transcription(self) -> str:
        """Where its words go."""
        return f"{self.base}/transcription"


@dataclass(frozen=True, slots=True)
class Recording:
    """What a callback tells of a recording that has something in it."""

    sid: str
    url: str


def ask_for_extension(words: str, to: Addresses, *, attempt: int) -> bytes:
    """Say this, take digits; without any, record at once."""
    response = Element("Response")
    how = {"input": "dtmf", "method": "POST", "timeout": str(_GATHER_SECONDS), "finishOnKey": "#"}
    gather = SubElement(response, "Gather", {**how, "action": to.gather(attempt)})
    SubElement(gather, "Say").text = words
    _record(response, to)
    return _xml(response)


def record_message(words: str, to: Addresses) -> bytes:
    """Say this, and record."""
    response = Element("Response")
    SubElement(response, "Say").text = words
    _record(response, to)
    return _xml(response)


def hang_up(words: str) -> bytes:
    """Say this, and end the call."""
    response = Element("Response")
    SubElement(response, "Say").text = words
    SubElement(response, "Hangup")
    return _xml(response)


def recording_in(form: Mapping[str, str]) -> Recording | None:
    """The recording that a callback is about, whichever of the three it is; None for an empty one, or none yet.

    The end of a `Record` gives no RecordingSid in its documented parameters, but its URL ends in it.
    """
    url = form.get("RecordingUrl", "")
    sid = form.get("RecordingSid") or url.rpartition("/")[2].partition(".")[0]
    is_there = form.get("RecordingStatus", "completed") == "completed" and form.get("RecordingDuration", "1") != "0"
    return Recording(sid, url) if is_there and sid else None


def _record(response: Element, to: Addresses) -> None:
    """With `action`, or Twilio would ask the greeting's address again. An empty recording goes on with what follows."""
    SubElement(
        response,
        "Record",
        {
            "action": to.recording,
            "method": "POST",
            "maxLength": str(_LONGEST_RECORDING_SECONDS),
            "timeout": str(_SILENCE_SECONDS),
            "finishOnKey": "#",
            "recordingStatusCallback": to.recording,
            "recordingStatusCallbackMethod": "POST",
            "transcribe": "true",
            "transcribeCallback": to.transcription,
        },
    )
    SubElement(response, "Say").text = "We did not hear a message. Goodbye."


def _xml(response: Element) -> bytes:
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(response)
