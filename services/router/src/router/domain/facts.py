"""What a decision is made from: the message, the conversation as it is, the next appointments, what the PM system has."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NewType

from msgspec import Struct

PracticeId = NewType("PracticeId", str)
PatientId = NewType("PatientId", str)
StaffId = NewType("StaffId", str)
ReasonId = NewType("ReasonId", str)
PlaceId = NewType("PlaceId", str)
"""A location's or a provider's id."""

OTHER = ReasonId("other")
"""The reserved reason, and the bucket of conversations without one (R8)."""
UNKNOWN = PlaceId("unknown")
"""The bucket of conversations whose location (or provider) is not known (L2)."""

Channel = Literal["sms", "web", "voicemail"]


class Message(Struct, frozen=True):
    """A patient message, as far as routing looks at it."""

    message_id: str
    channel: Channel
    received_at: datetime
    requested_reason_id: ReasonId | None = None
    extension: str | None = None


class Unassigned(Struct, frozen=True):
    """Everybody's inbox."""

    def __str__(self) -> str:
        """As in a change's `to`."""
        return "unassigned"


class AssignedTo(Struct, frozen=True):
    """One staff member's inbox."""

    staff_id: StaffId

    def __str__(self) -> str:
        """As in a change's `to`."""
        return f"member:{self.staff_id}"


class InSharedInbox(Struct, frozen=True):
    """A custom shared inbox."""

    inbox_id: str

    def __str__(self) -> str:
        """As in a change's `to`."""
        return f"shared_inbox:{self.inbox_id}"


Destination = Unassigned | AssignedTo | InSharedInbox


class CarriedPlace(Struct, frozen=True):
    """A location or provider label, with the appointment that it came from and the age of that knowledge (L9)."""

    id: PlaceId
    appointment_id: str | None = None
    as_of: datetime | None = None
    is_outdated: bool = False
    """The appointment has moved or is gone since; the label stays until the next message (L3)."""


class Conversation(Struct, frozen=True):
    """A conversation between a practice and a patient. A new one is closed and carries nothing."""

    is_open: bool = False
    destination: Destination = Unassigned()
    reason_id: ReasonId | None = None
    location: CarriedPlace | None = None
    provider: CarriedPlace | None = None
    last_message_at: datetime | None = None
    """The newest `received_at` of the patient's messages, by any channel."""
    unread_practice_message_id: str | None = None
    """The practice's last message, while the patient has not read it (R2)."""
    menu_offered_at: datetime | None = None
    """When the patient was last to be texted the reason menu (R16)."""
    version: int = 0


class Appointment(Struct, frozen=True):
    """An appointment with a routable status (L5)."""

    appointment_id: str
    start: datetime
    location_id: PlaceId | None
    provider_id: PlaceId | None
    as_of: datetime


class Place(Struct, frozen=True):
    """A location or a provider in the practice's directory."""

    name: str
    is_retired: bool


class Directory(Struct, frozen=True):
    """The practice's locations and providers, and when the PM system was last asked successfully."""

    locations: Mapping[PlaceId, Place] = {}
    providers: Mapping[PlaceId, Place] = {}
    as_of: datetime | None = None


class Facts(Struct, frozen=True):
    """Everything that is known when a message is decided, apart from the practice's settings."""

    conversation: Conversation
    appointments: Sequence[Appointment] = ()
    """Appointments to come, in any order; those that have started are ignored."""
    directory: Directory = Directory()
