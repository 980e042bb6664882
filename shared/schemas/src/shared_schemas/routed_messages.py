"""Topic `routed-messages`: per practice, one history made by one authority (the router)."""

from typing import ClassVar, Literal

from shared_schemas.conversation_changes import Actor, Delivery
from shared_schemas.ids import content_id
from shared_schemas.values import Attachment, Channel, Id, Instant, PatientEvent, Value

ReasonSource = Literal["picked", "sticky", "extension", "menu", "carried", "none"]
PlaceSource = Literal["appointment", "carried", "none"]
Because = Literal["subscription", "default_subscriber", "assignee", "inbox_member", "unassigned_subscriber"]


class ReasonLabel(Value):
    """The reason that the message carries, and why."""

    id: Id | None = None
    """Null: no reason; it matches as `other` (rule R8)."""
    label: str | None = None
    """The practice's words for it."""
    source: ReasonSource


class PlaceLabel(Value):
    """The location or the provider that the message carries, and why."""

    id: Id | None = None
    """Null: none known; it matches as `unknown` (rule L2)."""
    label: str | None = None
    source: PlaceSource
    appointment_id: Id | None = None
    as_of: Instant | None = None
    """How old the knowledge is that the label came from (rule L9)."""
    stale: bool = False
    retired: bool = False
    outdated: bool = False
    """The appointment that it came from has moved or is gone since: the label may be out of date."""


class Destination(Value):
    """The inbox that the conversation is in."""

    kind: Literal["unassigned", "member", "shared_inbox"]
    id: Id | None = None


class Recipient(Value):
    """One person who is told, and why."""

    staff_id: Id
    because: Because
    subscription_id: Id | None = None


class HistoryEvent(PatientEvent):
    """An event of a practice's history: one order for everybody, so one key for the whole practice."""

    @property
    def key(self) -> str:
        """`<practice_id>`."""
        return self.practice_id


class RoutedMessageV1(HistoryEvent):
    """A patient message with everything that was decided about it."""

    ce_type: ClassVar[str] = "switchboard.RoutedMessage.v1"

    message_id: Id
    conversation_id: Id
    conversation_version: int
    channel: Channel
    received_at: Instant
    body: str
    attachments: tuple[Attachment, ...] = ()
    reason: ReasonLabel
    location: PlaceLabel
    provider: PlaceLabel
    destination: Destination
    audience: tuple[Recipient, ...]
    unrouted: bool
    """Nobody could be told (rule M4)."""
    late: bool
    """Older than a message that was already routed (rule R13)."""
    urgent: bool = False
    """It has one of the practice's emergency words in it."""
    reason_menu: bool = False
    """The patient is to be texted the reason menu (rule R16)."""
    rules: tuple[str, ...]
    """The ids of the rules that fired, in order."""
    settings_version: int
    decided_at: Instant

    @property
    def ce_id(self) -> str:
        """One per message, whatever was decided: the same message is never routed twice."""
        return self.id_of(self.message_id)

    @classmethod
    def id_of(cls, message_id: str) -> str:
        """The id of the event about this message."""
        return content_id(cls.ce_type, message_id)


ConversationChangeKind = Literal[
    "assigned",
    "moved",
    "closed",
    "replied",
    "read",
    "label_corrected",
    "contact_linked",
    "transcript_added",
    "consent_changed",
    "rerouted",
]


class StaffReply(Value):
    """What a staff member wrote to the patient."""

    message_id: Id
    body: str
    attachments: tuple[Attachment, ...] = ()
    channel: Channel


class Transcript(Value):
    """The words of a voicemail."""

    message_id: Id
    text: str


class ConversationUpdatedV1(HistoryEvent):
    """A change to a conversation was applied; this is how the conversation is now."""

    ce_type: ClassVar[str] = "switchboard.ConversationUpdated.v1"

    change_id: Id
    change: ConversationChangeKind
    conversation_id: Id
    conversation_version: int
    actor: Actor
    occurred_at: Instant
    status: Literal["open", "closed"]
    destination: Destination
    reason: ReasonLabel
    location: PlaceLabel
    provider: PlaceLabel
    audience: tuple[Recipient, ...] = ()
    """Who looks after the conversation now (rules D2 to D4)."""
    reply: StaffReply | None = None
    transcript: Transcript | None = None
    read_message_id: Id | None = None
    to_patient_id: Id | None = None
    settings_version: int

    @property
    def ce_id(self) -> str:
        """One per change."""
        return content_id(self.ce_type, self.change_id)


class MessageUpdatedV1(HistoryEvent):
    """More is known of a message in the history. The conversation is as it was, its version too."""

    ce_type: ClassVar[str] = "switchboard.MessageUpdated.v1"

    change_id: Id
    change: Literal["message_updated"] = "message_updated"
    conversation_id: Id
    conversation_version: int
    actor: Actor
    occurred_at: Instant
    status: Literal["open", "closed"]
    destination: Destination
    audience: tuple[Recipient, ...] = ()
    message_id: Id
    attachment: Attachment | None = None
    """The file of the message with this id is like this now."""
    delivery: Delivery | None = None
    """The reply has come so far."""

    @property
    def ce_id(self) -> str:
        """One per change."""
        return content_id(self.ce_type, self.change_id)


RejectionReason = Literal[
    "version_conflict",
    "already_assigned",
    "unknown_member",
    "inactive_member",
    "unknown_inbox",
    "unknown_reason",
    "unknown_location",
    "not_open",
    "not_allowed",
    "unknown_conversation",
]


class ConversationActionRejectedV1(HistoryEvent):
    """A change to a conversation was refused; the conversation is as it was."""

    ce_type: ClassVar[str] = "switchboard.ConversationActionRejected.v1"

    change_id: Id
    action: str
    """The event name of the refused change, e.g. `ConversationAssigned`."""
    conversation_id: Id
    conversation_version: int
    actor: Actor
    occurred_at: Instant
    rejection: RejectionReason
    detail: str
    """What to tell the person who tried, without patient data."""
    destination: Destination

    @property
    def ce_id(self) -> str:
        """One per change."""
        return content_id(self.ce_type, self.change_id)
