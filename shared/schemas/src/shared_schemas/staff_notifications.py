"""Topic `staff-notifications`: what staff streams carry. One record gives each client at most one stream event.

Every event says who may get it. `stream_event` is the name of the server-sent event (see `GET /v1/stream`).
"""

from typing import ClassVar, Literal

from shared_schemas.ids import content_id
from shared_schemas.routed_messages import (
    Because,
    ConversationActionRejectedV1,
    ConversationUpdatedV1,
    Destination,
    MessageUpdatedV1,
    RoutedMessageV1,
)
from shared_schemas.values import Event, Id, Instant, Value

StreamEvent = Literal[
    "message", "notification", "conversation", "action-rejected", "settings", "seen", "patient", "escalation", "duty",
    "webhook-disabled",
]  # fmt: skip


class Listing(Value):
    """Where a conversation is listed: what the filters of a stream, and the right to see it, go by."""

    status: Literal["open", "closed"]
    destination: Destination
    reason_id: Id | None = None
    location_id: Id | None = None
    audience: tuple[Id, ...] = ()


class PatientName(Value):
    """What the practice calls a patient."""

    given_name: str
    family_name: str


class StaffEvent(Event):
    """What all events of a staff stream have in common."""

    stream_event: ClassVar[StreamEvent]


class ListedEvent(StaffEvent):
    """An event about a conversation: newer settings than those that it was made by may hide it."""

    settings_version: int = 0
    """Who gets it was found by no older version of the settings than this; 0 in events of before 2026-11-29."""


class MessageAnnouncedV1(ListedEvent):
    """A patient message is in an inbox that these people see."""

    ce_type: ClassVar[str] = "switchboard.MessageAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "message"

    visible_to: tuple[Id, ...]
    """The audience and everybody else who sees the inbox that the conversation is in."""
    message: RoutedMessageV1
    patient: PatientName | None = None
    """Null for a contact that nobody is known by."""
    was: Listing | None = None
    """Where the conversation was listed before; null for a new one."""
    left: tuple[Id, ...] = ()
    """The people who saw the conversation until now: they are told that it went, without the message."""

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
    rings: bool = True
    """False for somebody off duty: it is there for them to see, and nothing makes a noise."""


class StaffNotifiedV1(ListedEvent):
    """The audience of one message is told of it, each person once. Carries no words of the patient."""

    ce_type: ClassVar[str] = "switchboard.StaffNotified.v1"
    stream_event: ClassVar[StreamEvent] = "notification"

    message_id: Id
    conversation_id: Id
    patient_id: Id
    received_at: Instant
    urgent: bool = False
    notifications: tuple[Notification, ...]
    conversation_version: int | None = None
    """The version that the message gave the conversation; null in events of before 2026-11-25."""
    listed: Listing | None = None

    @property
    def ce_id(self) -> str:
        """One per message."""
        return content_id(self.ce_type, self.message_id)


class ConversationAnnouncedV1(ListedEvent):
    """A conversation changed; these people see it, or saw it until now."""

    ce_type: ClassVar[str] = "switchboard.ConversationAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "conversation"

    visible_to: tuple[Id, ...]
    conversation: ConversationUpdatedV1
    patient: PatientName | None = None
    was: Listing | None = None
    """Where the conversation was listed before; null for a new one."""

    @property
    def ce_id(self) -> str:
        """One per change."""
        return content_id(self.ce_type, self.conversation.change_id)


class MessageUpdateAnnouncedV1(StaffEvent):
    """More is known of a message; these people see its conversation."""

    ce_type: ClassVar[str] = "switchboard.MessageUpdateAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "conversation"

    visible_to: tuple[Id, ...]
    update: MessageUpdatedV1

    @property
    def ce_id(self) -> str:
        """One per change."""
        return content_id(self.ce_type, self.update.change_id)


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
    affected: tuple[Id, ...] = ()
    """The members whose own view changed (inboxes, role, subscriptions): they read their inboxes again."""

    @property
    def ce_id(self) -> str:
        """One per practice and version."""
        return content_id(self.ce_type, self.practice_id, str(self.version))


class SeenAnnouncedV1(StaffEvent):
    """A staff member has seen notifications, or has read a conversation up to one of its versions."""

    ce_type: ClassVar[str] = "switchboard.SeenAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "seen"

    visible_to: tuple[Id, ...]
    """Everybody who sees the conversation; only the person's own streams say which notifications."""
    staff_id: Id
    conversation_id: Id | None = None
    """Null when single notifications were seen, of whatever conversation."""
    read_version: int | None = None
    """Messages that came with this version of the conversation, or before it, are read."""
    notification_ids: tuple[Id, ...] = ()
    seen_at: Instant


class PatientAnnouncedV1(StaffEvent):
    """A patient who has a conversation is called something else now."""

    ce_type: ClassVar[str] = "switchboard.PatientAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "patient"

    visible_to: tuple[Id, ...]
    conversation_id: Id
    patient_id: Id
    patient: PatientName
    as_of: Instant

    @property
    def ce_id(self) -> str:
        """One per patient and moment."""
        return content_id(self.ce_type, self.practice_id, self.patient_id, self.as_of.isoformat())


class EscalationStep(Value):
    """Further people were rung for a message that nobody had seen."""

    ring: Literal["substitutes", "same_reason", "default_subscribers", "administrators"]
    staff_ids: tuple[Id, ...]
    """Whom no step before had rung, of those on duty; none where there was nobody."""
    at: Instant


class Escalation(Value):
    """Ringing wider for a conversation. It takes the conversation out of no inbox."""

    escalation_id: Id
    conversation_id: Id
    since: Instant
    """Since when nobody has seen what the patient wrote."""
    steps: tuple[EscalationStep, ...]
    ended: Literal["seen", "answered", "closed"] | None = None
    """Why nobody further is rung; null while it goes on."""
    ended_at: Instant | None = None


class EscalationAnnouncedV1(StaffEvent):
    """An escalation got a step further, or ended. Everybody of the practice is told, without anything of the patient."""

    ce_type: ClassVar[str] = "switchboard.EscalationAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "escalation"

    escalation: Escalation

    @property
    def ce_id(self) -> str:
        """One per step and end."""
        one = self.escalation
        return content_id(self.ce_type, one.escalation_id, str(len(one.steps)), one.ended or "")


class DutyAnnouncedV1(StaffEvent):
    """Other people of the practice are on duty now."""

    ce_type: ClassVar[str] = "switchboard.DutyAnnounced.v1"
    stream_event: ClassVar[StreamEvent] = "duty"

    on_duty: tuple[Id, ...]
    """All of them; nobody where it is empty."""
    as_of: Instant

    @property
    def ce_id(self) -> str:
        """One per practice and moment."""
        return content_id(self.ce_type, self.practice_id, self.as_of.isoformat())


class WebhookDisabledV1(StaffEvent):
    """A webhook endpoint gets nothing any more, because of how it behaves; administrators are told."""

    ce_type: ClassVar[str] = "switchboard.WebhookDisabled.v1"
    stream_event: ClassVar[StreamEvent] = "webhook-disabled"

    visible_to: tuple[Id, ...]
    endpoint_id: Id
    because: Literal["gone", "failing"]
    """It answered 410; or it took nothing for days."""
    disabled_at: Instant

    @property
    def ce_id(self) -> str:
        """One per endpoint and moment."""
        return content_id(self.ce_type, self.practice_id, self.endpoint_id, self.disabled_at.isoformat())
