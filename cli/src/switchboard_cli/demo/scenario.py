"""A morning at Maple Street: what patients send, and what must become of each message by the routing rules.

The expectations are written down, not computed: they are what a practice manager would say.
"""

from dataclasses import dataclass
from typing import Literal

Channel = Literal["sms", "telnyx", "web", "voicemail", "adapter"]
"""How the demo shows it: `sms` is a text through Twilio."""
STRANGER = 0
"""Stands for somebody whose number the practice does not know."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must become of a message."""

    told: frozenset[str]
    because: str
    location: str | None
    location_source: str
    reason: str | None = None
    reason_source: str = "none"
    destination: str = "unassigned"
    urgent: bool = False
    """And the patient is texted at once what to do in an emergency."""


@dataclass(frozen=True, slots=True)
class Step:
    """One patient does one thing."""

    story: str
    """What this step shows, for the reader of the screen."""
    channel: Channel
    patient: int
    expected: Expected
    reason: str | None = None
    """The reason picked in the messenger."""
    extension: str | None = None
    """The extension chosen on the phone."""
    repeats: int = 1
    """How often the provider delivers the same webhook."""
    picture: bool = False
    """A text with a picture."""
    answer: str | None = None
    """What the person who is told texts back."""
    words: str = "This is a made-up message of the demo."

    @property
    def has_file(self) -> bool:
        """Staff can look at something, or listen to it."""
        return self.picture or self.channel == "voicemail"


def _told(*people: str, because: str = "subscription") -> tuple[frozenset[str], str]:
    return frozenset(people), because


_ELM = ("elm", "appointment")
_RIVER = ("river", "appointment")
_NORTH = ("north", "appointment")
_UNKNOWN = (None, "none")

SCENARIO: tuple[Step, ...] = (
    Step("a text with a picture goes to the front desk of the next appointment's location", "sms", 3,
         Expected(*_told("fay-front"), *_ELM), picture=True),
    Step("another patient, another front desk, and its answer arrives on the phone", "sms", 4,
         Expected(*_told("finn-front"), *_RIVER), answer="This is a made-up answer of the demo."),
    Step("the web messenger asks for a reason", "web", 6,
         Expected(*_told("mia-medical"), *_ELM, "refills", "picked"), reason="refills"),
    Step("the next web message within the hour keeps it", "web", 6,
         Expected(*_told("mia-medical"), *_ELM, "refills", "sticky")),
    Step("a text removes the reason at once", "sms", 6,
         Expected(*_told("fay-front"), *_ELM)),
    Step("and it stays removed on the web", "web", 6,
         Expected(*_told("fay-front"), *_ELM)),
    Step("billing goes to billing, whatever the location", "web", 7,
         Expected(*_told("bo-billing"), *_RIVER, "billing", "picked"), reason="billing"),
    Step("a voicemail to extension 2 is about refills: recording and words follow", "voicemail", 9,
         Expected(*_told("mia-medical"), *_ELM, "refills", "extension"), extension="2"),
    Step("extension 3 goes to the nurse line's shared inbox", "voicemail", 10,
         Expected(*_told("nia-nurse", because="inbox_member"), *_RIVER, destination="shared_inbox"), extension="3"),
    Step("where the conversation stays, for a text too", "sms", 10,
         Expected(*_told("nia-nurse", because="inbox_member"), *_RIVER, destination="shared_inbox")),
    Step("a voicemail without an extension has no reason", "voicemail", 11,
         Expected(*_told("finn-front"), *_NORTH)),
    Step("extension 1 is about appointments", "voicemail", 13,
         Expected(*_told("finn-front"), *_RIVER, "appointments", "extension"), extension="1"),
    Step("no appointment: location unknown", "sms", 40,
         Expected(*_told("fay-front"), *_UNKNOWN)),
    Step("a cancelled appointment is none", "sms", 44,
         Expected(*_told("fay-front"), *_UNKNOWN)),
    Step("a past appointment is none", "sms", 47,
         Expected(*_told("fay-front"), *_UNKNOWN)),
    Step("results at the north clinic", "web", 8,
         Expected(*_told("max-medical"), *_NORTH, "results", "picked"), reason="results"),
    Step("nobody is subscribed: the default subscriber is told", "web", 12,
         Expected(*_told("ada-admin", because="default_subscriber"), *_ELM, "records", "picked"), reason="records"),
    Step("a number that nobody knows", "sms", STRANGER,
         Expected(*_told("fay-front"), *_UNKNOWN)),
    Step("the provider delivers a text three times: it is one message", "sms", 5,
         Expected(*_told("finn-front"), *_NORTH), repeats=3),
    Step("a text through another provider, and its answer by the same", "telnyx", 14,
         Expected(*_told("finn-front"), *_NORTH), answer="This is another made-up answer of the demo."),
    Step("an emergency is answered at once, and marked for everybody", "sms", 1,
         Expected(*_told("finn-front"), *_RIVER, urgent=True), words="This is made-up chest pain of the demo."),
    Step("somebody else's channel adapter", "adapter", 15,
         Expected(*_told("fay-front"), *_ELM)),
)  # fmt: skip

RUSH_MESSAGES = 100
RUSH_PER_SECOND = 25


def rush_step(index: int) -> Step:
    """Message `index` of the rush after the scenario: texts from patients with appointments everywhere.

    The patients are others than the scenario's, so what they carry depends on nothing that happened before.
    """
    number = 16 + index % 20
    location, told = (("elm", "fay-front"), ("river", "finn-front"), ("north", "finn-front"))[number % 3]
    return Step("the morning rush", "sms", number, Expected(*_told(told), location, "appointment"))
