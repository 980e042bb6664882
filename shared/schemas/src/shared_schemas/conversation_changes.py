"""Topic `conversation-changes`: what staff, patients and the system want done to a conversation.

These are wishes: router applies or rejects each, and says so on `routed-messages`.
"""

from typing import ClassVar, Literal

from shared_schemas.values import Attachment, Channel, Id, Instant, PatientEvent, Text, Value

DeliveryFailure = Literal[
    "opted_out", "invalid_number", "not_reachable", "not_allowed", "refused", "no_channel", "given_up"
]


class Delivery(Value):
    """How far a text to the patient has come."""

    status: Literal["sent", "delivered", "failed"]
    failure: DeliveryFailure | None = None
    """Why it failed, in our words."""
    provider_code: str | None = None
    """Why it failed, in the provider's."""
    detail: str | None = None
    """What to tell staff of the failure, without patient data."""


class Actor(Value):
    """Who acted."""

    kind: Literal["staff", "patient", "system"]
    id: Id | None = None


class ConversationChange(PatientEvent):
    """What all changes have in common."""

    change_id: Id
    conversation_id: Id | None = None
    actor: Actor
    occurred_at: Instant

    @property
    def ce_id(self) -> str:
        """The change's own id: the same wish sent twice is one wish."""
        return self.change_id


class StaffRepliedV1(ConversationChange):
    """A staff member wrote to the patient."""

    ce_type: ClassVar[str] = "switchboard.StaffReplied.v1"
    message_id: Id
    body: Text
    attachments: tuple[Attachment, ...] = ()
    channel: Channel


class ConversationAssignedV1(ConversationChange):
    """Put the conversation into one staff member's inbox, or (`to` null) back to Unassigned."""

    ce_type: ClassVar[str] = "switchboard.ConversationAssigned.v1"
    to: Id | None
    expected_version: int | None = None
    """Refused when the conversation has another version by then: somebody was faster."""


class ConversationMovedV1(ConversationChange):
    """Move the conversation to Unassigned or to a custom shared inbox."""

    ce_type: ClassVar[str] = "switchboard.ConversationMoved.v1"
    to: str
    """`unassigned` or `shared_inbox:<id>`."""


class ConversationClosedV1(ConversationChange):
    """The matter is settled."""

    ce_type: ClassVar[str] = "switchboard.ConversationClosed.v1"


class PracticeMessageReadV1(ConversationChange):
    """The patient has read the practice's messages up to and including `message_id` (rule R2)."""

    ce_type: ClassVar[str] = "switchboard.PracticeMessageRead.v1"
    message_id: Id


class TranscriptAddedV1(ConversationChange):
    """The words of a voicemail arrived after the recording."""

    ce_type: ClassVar[str] = "switchboard.TranscriptAdded.v1"
    message_id: Id
    text: Text


class MessageAmendedV1(ConversationChange):
    """More is known of a message than when it was published: a file of it was copied, or a text came so far."""

    ce_type: ClassVar[str] = "switchboard.MessageAmended.v1"
    message_id: Id
    attachment: Attachment | None = None
    delivery: Delivery | None = None


class ConsentChangedV1(ConversationChange):
    """The patient allowed, or forbade, messages on a channel (STOP, START)."""

    ce_type: ClassVar[str] = "switchboard.ConsentChanged.v1"
    channel: Channel
    opted_in: bool


class LabelCorrectedV1(ConversationChange):
    """An administrator corrects a label by hand (rule V4)."""

    ce_type: ClassVar[str] = "switchboard.LabelCorrected.v1"
    reason_id: Id | None = None
    location_id: Id | None = None


class NewTopicStartedV1(ConversationChange):
    """Staff say that the talk is about something new: the conversation's reason is taken off (rule V4)."""

    ce_type: ClassVar[str] = "switchboard.NewTopicStarted.v1"


class RerouteRequestedV1(ConversationChange):
    """Routing settings changed: match a waiting conversation again (rules D4, M4). Labels stay (rule L3)."""

    ce_type: ClassVar[str] = "switchboard.RerouteRequested.v1"
    settings_version: int
    """The version that asks for it; it is matched by the version that is current then."""


class AppointmentChangedV1(ConversationChange):
    """The appointment that a waiting conversation's labels came from has moved or is gone, or is as they say again.

    The labels stay (rule L3), and say from then on whether they may be out of date.
    """

    ce_type: ClassVar[str] = "switchboard.AppointmentChanged.v1"
    appointment_id: Id
    location_id: Id | None = None
    """Where it takes place now; null where it does not, or nobody says where."""
    provider_id: Id | None = None


class ContactLinkedV1(ConversationChange):
    """Staff found out who an unknown or ambiguous contact is; `patient_id` is the contact's id. From the system: the
    practice-management system merged the record `patient_id` into another.
    """

    ce_type: ClassVar[str] = "switchboard.ContactLinked.v1"
    to_patient_id: Id
