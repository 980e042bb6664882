"""What staff apps read: the forms of the API's answers."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from notifier.domain.duty import DutyTimes, PracticeHours
from notifier.domain.webhooks import PayloadKind
from shared_schemas.conversation_changes import Delivery
from shared_schemas.practice_management import Location, Provider
from shared_schemas.practice_settings import Reason
from shared_schemas.routed_messages import (
    ConversationActionRejectedV1,
    ConversationUpdatedV1,
    Destination,
    MessageUpdatedV1,
    PlaceLabel,
    ReasonLabel,
    RoutedMessageV1,
)
from shared_schemas.staff_notifications import Escalation, Notification, PatientName, StreamEvent
from shared_schemas.values import Attachment, Channel


class Inbox(BaseModel):
    """An inbox that the caller sees, with its counts."""

    inbox: str
    """`unassigned`, `mine`, `assigned`, `shared:<id>`: what `GET /v1/conversations?inbox=` takes."""
    label: str | None = None
    """The practice's words for a custom shared inbox."""
    open: int
    """How many conversations are in it."""
    unread: int
    """In how many of them a patient has written since staff last read, answered or closed."""
    unseen: int | None = None
    """Of My Inbox: how many of the caller's own notifications the caller has not seen."""


class LastMessage(BaseModel):
    """The newest message of a conversation, shortened."""

    message_id: str
    sender: Literal["patient", "staff"]
    channel: Channel
    body: str
    """At most 200 characters; of a voicemail its transcript, once there is one."""
    sent_at: datetime


class ConversationSummary(BaseModel):
    """A conversation as inboxes list it."""

    conversation_id: str
    patient_id: str
    patient: PatientName | None
    """Null for a contact that nobody is known by."""
    version: int
    """Counts what happened to the conversation."""
    status: Literal["open", "closed"]
    destination: Destination
    audience: list[str]
    """The members who look after it now."""
    reason: ReasonLabel | None
    """Labels are null in a custom shared inbox (rule V1)."""
    location: PlaceLabel | None
    provider: PlaceLabel | None
    updated_at: datetime
    message_version: int
    """The version that the patient's newest message gave it."""
    read_version: int
    """Up to which version somebody on the staff has read it."""
    unread: bool
    """Open, and `message_version` is above `read_version`."""
    urgent: bool
    """Unread, and one of the practice's emergency words is in a message that came since staff last answered."""
    unseen: list[str]
    """The caller's own notifications of this conversation that the caller has not seen."""
    last_message: LastMessage | None


class ThreadMessage(BaseModel):
    """One message of a conversation, of a patient or of staff."""

    message_id: str
    conversation_id: str
    """Of a message of a linked contact: the contact's."""
    sender: Literal["patient", "staff"]
    staff_id: str | None
    channel: Channel
    body: str
    attachments: list[Attachment]
    transcript: str | None
    urgent: bool
    """It has one of the practice's emergency words in it."""
    delivery: Delivery | None
    """How far a text of staff has come."""
    reason: ReasonLabel | None
    """What a patient's message was routed by: the history always shows it (rule V1)."""
    sent_at: datetime


class Conversation(ConversationSummary):
    """A conversation with its whole thread, the oldest message first. What contacts wrote that were linked to its patient,
    and patients whose records were merged into theirs, is part of it.
    """

    messages: list[ThreadMessage]
    linked_to: str | None
    """The conversation that a linked contact's goes on in."""


class ConversationPage(BaseModel):
    """Conversations, the newest first."""

    conversations: list[ConversationSummary]
    cursor: str | None
    """Asks for the page after this one; null on the last."""


class FoundConversation(ConversationSummary):
    """A conversation that a search found."""

    found: LastMessage | None
    """The newest message that has the words; null when it was found by the patient's name."""


class FoundPage(BaseModel):
    """What a search found, the newest conversations first."""

    conversations: list[FoundConversation]
    cursor: str | None


class Colleague(BaseModel):
    """A member of the practice's staff."""

    staff_id: str
    name: str
    role: Literal["member", "administrator"]
    active: bool


class SharedInboxView(BaseModel):
    """A custom shared inbox and who looks after it."""

    id: str
    label: str
    members: list[str]


class DutyState(BaseModel):
    """`duty`, and who is on duty now: whom a message rings."""

    on_duty: list[str]
    """Nobody, where it is empty."""
    as_of: datetime


class PracticeView(BaseModel):
    """What a staff app needs to know of the practice: names, words, and who the caller is."""

    practice_id: str
    staff_id: str
    """The caller."""
    role: Literal["member", "administrator"]
    settings_version: int
    reason_routing: bool
    location_routing: bool
    provider_routing: bool
    label_correction: bool
    members: list[Colleague]
    shared_inboxes: list[SharedInboxView]
    reasons: list[Reason]
    locations: list[Location]
    providers: list[Provider]
    duty: DutyState | None
    """Null while the practice has no duty times: everybody is on duty."""


class DutyView(BaseModel):
    """Everybody's duty times."""

    hours: PracticeHours
    people: dict[str, DutyTimes]
    """By staff id. Who is not in it is on duty whenever the practice is open."""
    now: DutyState | None
    """Null until it has been looked at for the first time, seconds after the first duty times are saved."""


class KnownPatient(PatientName):
    """A patient of the practice, as the practice-management system names them."""

    patient_id: str


class ReplyTemplate(BaseModel):
    """Words that a practice answers with often."""

    template_id: str
    title: str
    body: str
    changed_by: str
    changed_at: datetime


class WebhookEndpoint(BaseModel):
    """Where a practice's events are sent to. Its secret is shown once, when it is made."""

    id: str
    url: str
    events: list[StreamEvent]
    payload: PayloadKind
    description: str
    created_at: datetime
    enabled: bool
    disabled_at: datetime | None
    disabled_because: Literal["asked", "gone", "failing"] | None
    """An administrator did it; the endpoint answered 410; it failed for too long."""
    failing_since: datetime | None
    """Since when nothing has been taken; null while all is well."""
    earlier_secret_until: datetime | None
    """Until when the secret before the last rotation signs, too."""


class NewWebhookEndpoint(WebhookEndpoint):
    """An endpoint that was just made."""

    secret: str
    """For the receiver's library: it is not shown again."""


class RotatedSecret(BaseModel):
    """A new secret; the earlier one signs beside it for a while."""

    secret: str
    earlier_secret_until: datetime


class WebhookDelivery(BaseModel):
    """One event on its way to one endpoint, or there."""

    serial: int
    """The log is in its order."""
    event_id: str
    """The `webhook-id` header of every attempt."""
    event: str
    happened_at: datetime
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    attempted_at: datetime | None
    """Of the last attempt, as are status, error and milliseconds."""
    status: int | None
    """Of the endpoint's answer; null when there was none."""
    error: str | None
    """`answered_<status>`, `timeout`, `no_answer`, `forbidden_address`, `secret_lost`, `data_lost`."""
    milliseconds: int | None
    next_attempt_at: datetime | None


class WebhookDeliveryPage(BaseModel):
    """Deliveries, the newest first."""

    deliveries: list[WebhookDelivery]
    cursor: int | None
    """Asks for the page after this one; null on the last."""


class TestCall(BaseModel):
    """How a test call went."""

    ok: bool
    status: int | None
    error: str | None
    milliseconds: int


class Replayed(BaseModel):
    """How many deliveries were queued again."""

    queued: int


class Counts(BaseModel):
    """How many conversations are in an inbox, and in how many of them something is unread."""

    open: int = 0
    unread: int = 0


class PersonCounts(BaseModel):
    """One person's counts: the data of the stream's `counts` event."""

    unseen: int = 0
    """The person's own notifications that the person has not seen."""
    inboxes: dict[str, Counts]
    """By the inbox as the person names it."""


class StreamEventRow(BaseModel):
    """One event of the staff stream's log."""

    event: str
    id: str
    data: dict[str, object]


class EventPage(BaseModel):
    """A page of the staff stream's log."""

    events: list[StreamEventRow]
    cursor: str
    """Asks for what comes after this page."""


class SeenResult(BaseModel):
    """How many notifications were unseen until now."""

    marked: int


class SnapshotData(BaseModel):
    """`snapshot`: the first event of a new stream. What is read from the API from now on is at least as new."""

    cursor: str


class ResetData(BaseModel):
    """`reset`: something may have been missed, or the caller sees other inboxes now: read the inboxes again."""

    reason: Literal["unknown_cursor", "too_old", "expired_cursor", "permissions_changed"]


class MessageData(RoutedMessageV1):
    """`message`: a patient wrote. Everything that was decided about it, and the patient's name."""

    patient: PatientName | None


class ConversationData(ConversationUpdatedV1):
    """`conversation`: something else happened to a conversation; this is how it is now."""

    patient: PatientName | None


class NotificationData(Notification):
    """`notification`: the caller is told of a message."""

    message_id: str
    conversation_id: str
    conversation_version: int | None
    patient_id: str
    received_at: datetime
    urgent: bool


class SeenData(BaseModel):
    """`seen`: somebody has read a conversation; on the person's own streams, which notifications that was."""

    practice_id: str
    staff_id: str
    conversation_id: str | None
    read_version: int | None
    notification_ids: list[str]
    """Empty on the streams of others."""
    seen_at: datetime


class PatientData(BaseModel):
    """`patient`: a patient is called something else now."""

    practice_id: str
    conversation_id: str
    patient_id: str
    patient: PatientName
    as_of: datetime


class WebhookDisabledData(BaseModel):
    """`webhook-disabled`: a webhook endpoint gets nothing any more, because of how it behaves. For administrators."""

    practice_id: str
    endpoint_id: str
    because: Literal["gone", "failing"]
    disabled_at: datetime


class SettingsData(BaseModel):
    """`settings`: the practice's routing settings have a new version."""

    practice_id: str
    version: int


STREAM: dict[str, tuple[type[BaseModel], ...]] = {
    "snapshot": (SnapshotData,),
    "reset": (ResetData,),
    "message": (MessageData,),
    "conversation": (ConversationData, MessageUpdatedV1),
    "notification": (NotificationData,),
    "action-rejected": (ConversationActionRejectedV1,),
    "seen": (SeenData,),
    "patient": (PatientData,),
    "settings": (SettingsData,),
    "escalation": (Escalation,),
    "duty": (DutyState,),
    "webhook-disabled": (WebhookDisabledData,),
    "counts": (PersonCounts,),
}
"""The forms that the data of each event of `GET /v1/stream` may have."""
