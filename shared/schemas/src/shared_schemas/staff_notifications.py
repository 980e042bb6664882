"""Topic `staff-notifications`: what staff streams carry. One record gives each client at most one stream event.

Every event says who may get it. `stream_event` is the name of the server-sent event (see `GET /v1/stream`).
"""

from typing import ClassVar, Literal

from shared_schemas.ids import content_id
from shared_schemas.routed_messages import Because, ConversationActionRejectedV1, ConversationUpdatedV1, RoutedMessageV1
from shared_schemas.values import Event, Id, Instant, Value

StreamEvent = Literal["message", "notification", "conversation", "action-rejected", "settings"]


class StaffEvent(Event):
    """What all events of a staff stream have in common."""

    stream_event: ClassVar[StreamEvent]


class MessageAnnouncedV1(StaffEvent):
    """A patient message is in an inbox that these people see."""

    ce_type: ClassVar[str] = "switchboard.MessageAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "message"

    visible_to: tuple[Id, ...]
    """The audience and everybody else who sees the inbox that the conversation is in."""
    message: RoutedMessageV1

    @property
    def ce_id(self) -> str:
        """One per message."""
        return content_id(self.ce_type, self.message.message_id)


class Notification(Value):
    """One person is told of one message."""

    notification_id: Id
    staff_id: Id
    because: Because
    subscription_id: Id | None = None


class StaffNotifiedV1(StaffEvent):
    """The audience of one message is told of it, each person once. Carries no words of the patient."""

    ce_type: ClassVar[str] = "switchboard.StaffNotified.v1"
    stream_event: ClassVar[StreamEvent] = "notification"

    message_id: Id
    conversation_id: Id
    patient_id: Id
    received_at: Instant
    notifications: tuple[Notification, ...]

    @property
    def ce_id(self) -> str:
        """One per message."""
        return content_id(self.ce_type, self.message_id)


class ConversationAnnouncedV1(StaffEvent):
    """A conversation changed; these people see it, or saw it until now."""

    ce_type: ClassVar[str] = "switchboard.ConversationAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "conversation"

    visible_to: tuple[Id, ...]
    conversation: ConversationUpdatedV1

    @property
    def ce_id(self) -> str:
        """One per change."""
        return content_id(self.ce_type, self.conversation.change_id)


class ActionRejectionAnnouncedV1(StaffEvent):
    """A staff member's action was refused; only that person is told."""

    ce_type: ClassVar[str] = "switchboard.ActionRejectionAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "action-rejected"

    visible_to: tuple[Id, ...]
    rejection: ConversationActionRejectedV1

    @property
    def ce_id(self) -> str:
        """One per change."""
        return content_id(self.ce_type, self.rejection.change_id)


class SettingsAnnouncedV1(StaffEvent):
    """The practice's routing settings have a new version: re-read what depends on them."""

    ce_type: ClassVar[str] = "switchboard.SettingsAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "settings"

    version: int
    deactivated: tuple[Id, ...] = ()
    """The members who may see nothing any more: their streams end."""

    @property
    def ce_id(self) -> str:
        """One per practice and version."""
        return content_id(self.ce_type, self.practice_id, str(self.version))
