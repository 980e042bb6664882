"""The forms of the staff API and of its stream. Generated from the contracts: `just contracts`."""

from typing import Any, Literal, TypedDict


class Actor(TypedDict):
    """Who acted."""

    kind: Literal["staff", "patient", "system"]
    id: str | None


class Attachment(TypedDict):
    """A file that came with a message. `url` is a path of this installation, never the provider's own."""

    id: str
    content_type: str
    size: int
    url: str
    state: Literal["pending", "ready", "failed"]


class Colleague(TypedDict):
    """A member of the practice's staff."""

    staff_id: str
    name: str
    role: Literal["member", "administrator"]
    active: bool


class Destination(TypedDict):
    """The inbox that the conversation is in."""

    kind: Literal["unassigned", "member", "shared_inbox"]
    id: str | None


class LastMessage(TypedDict):
    """The newest message of a conversation, shortened."""

    message_id: str
    sender: Literal["patient", "staff"]
    channel: Literal["sms", "web", "voicemail"]
    body: str
    sent_at: str


class PatientName(TypedDict):
    """What the practice calls a patient."""

    given_name: str
    family_name: str


class PlaceLabel(TypedDict):
    """The location or the provider that the message carries, and why."""

    id: str | None
    label: str | None
    source: Literal["appointment", "carried", "none"]
    appointment_id: str | None
    as_of: str | None
    stale: bool
    retired: bool
    outdated: bool


class ReasonLabel(TypedDict):
    """The reason that the message carries, and why."""

    id: str | None
    label: str | None
    source: Literal["picked", "sticky", "extension", "menu", "carried", "none"]


class Delivery(TypedDict):
    """How far a text to the patient has come."""

    status: Literal["sent", "delivered", "failed"]
    failure: Literal["opted_out", "invalid_number", "not_reachable", "not_allowed", "refused", "no_channel", "given_up"] | None
    provider_code: str | None
    detail: str | None


class ThreadMessage(TypedDict):
    """One message of a conversation, of a patient or of staff."""

    message_id: str
    conversation_id: str
    sender: Literal["patient", "staff"]
    staff_id: str | None
    channel: Literal["sms", "web", "voicemail"]
    body: str
    attachments: list[Attachment]
    transcript: str | None
    urgent: bool
    delivery: Delivery | None
    reason: ReasonLabel | None
    sent_at: str


class Conversation(TypedDict):
    """A conversation with its whole thread, the oldest message first. What contacts wrote that were linked to its patient, and patients whose records were merged into theirs, is part of it."""

    conversation_id: str
    patient_id: str
    patient: PatientName | None
    version: int
    status: Literal["open", "closed"]
    destination: Destination
    audience: list[str]
    reason: ReasonLabel | None
    location: PlaceLabel | None
    provider: PlaceLabel | None
    updated_at: str
    message_version: int
    read_version: int
    unread: bool
    urgent: bool
    unseen: list[str]
    last_message: LastMessage | None
    messages: list[ThreadMessage]
    linked_to: str | None


class ConversationActionRejectedV1(TypedDict):
    """A change to a conversation was refused; the conversation is as it was."""

    practice_id: str
    patient_id: str
    change_id: str
    action: str
    conversation_id: str
    conversation_version: int
    actor: Actor
    occurred_at: str
    rejection: Literal["version_conflict", "already_assigned", "unknown_member", "inactive_member", "unknown_inbox", "unknown_reason", "unknown_location", "not_open", "not_allowed", "unknown_conversation"]
    detail: str
    destination: Destination


class Recipient(TypedDict):
    """One person who is told, and why."""

    staff_id: str
    because: Literal["subscription", "default_subscriber", "assignee", "inbox_member", "unassigned_subscriber"]
    subscription_id: str | None


class StaffReply(TypedDict):
    """What a staff member wrote to the patient."""

    message_id: str
    body: str
    attachments: list[Attachment]
    channel: Literal["sms", "web", "voicemail"]


class Transcript(TypedDict):
    """The words of a voicemail."""

    message_id: str
    text: str


class ConversationData(TypedDict):
    """`conversation`: something else happened to a conversation; this is how it is now."""

    practice_id: str
    patient_id: str
    change_id: str
    change: Literal["assigned", "moved", "closed", "replied", "read", "label_corrected", "contact_linked", "transcript_added", "consent_changed", "rerouted"]
    conversation_id: str
    conversation_version: int
    actor: Actor
    occurred_at: str
    status: Literal["open", "closed"]
    destination: Destination
    reason: ReasonLabel
    location: PlaceLabel
    provider: PlaceLabel
    audience: list[Recipient]
    reply: StaffReply | None
    transcript: Transcript | None
    read_message_id: str | None
    to_patient_id: str | None
    settings_version: int
    patient: PatientName | None


class ConversationSummary(TypedDict):
    """A conversation as inboxes list it."""

    conversation_id: str
    patient_id: str
    patient: PatientName | None
    version: int
    status: Literal["open", "closed"]
    destination: Destination
    audience: list[str]
    reason: ReasonLabel | None
    location: PlaceLabel | None
    provider: PlaceLabel | None
    updated_at: str
    message_version: int
    read_version: int
    unread: bool
    urgent: bool
    unseen: list[str]
    last_message: LastMessage | None


class ConversationPage(TypedDict):
    """Conversations, the newest first."""

    conversations: list[ConversationSummary]
    cursor: str | None


class Counts(TypedDict):
    """How many conversations are in an inbox, and in how many of them something is unread."""

    open: int
    unread: int


class DutyState(TypedDict):
    """`duty`, and who is on duty now: whom a message rings."""

    on_duty: list[str]
    as_of: str


class EscalationStep(TypedDict):
    """Further people were rung for a message that nobody had seen."""

    ring: Literal["substitutes", "same_reason", "default_subscribers", "administrators"]
    staff_ids: list[str]
    at: str


class Escalation(TypedDict):
    """Ringing wider for a conversation. It takes the conversation out of no inbox."""

    escalation_id: str
    conversation_id: str
    since: str
    steps: list[EscalationStep]
    ended: Literal["seen", "answered", "closed"] | None
    ended_at: str | None


class StreamEventRow(TypedDict):
    """One event of the staff stream's log."""

    event: str
    id: str
    data: dict[str, Any]


class EventPage(TypedDict):
    """A page of the staff stream's log."""

    events: list[StreamEventRow]
    cursor: str


class FoundConversation(TypedDict):
    """A conversation that a search found."""

    conversation_id: str
    patient_id: str
    patient: PatientName | None
    version: int
    status: Literal["open", "closed"]
    destination: Destination
    audience: list[str]
    reason: ReasonLabel | None
    location: PlaceLabel | None
    provider: PlaceLabel | None
    updated_at: str
    message_version: int
    read_version: int
    unread: bool
    urgent: bool
    unseen: list[str]
    last_message: LastMessage | None
    found: LastMessage | None


class FoundPage(TypedDict):
    """What a search found, the newest conversations first."""

    conversations: list[FoundConversation]
    cursor: str | None


class Inbox(TypedDict):
    """An inbox that the caller sees, with its counts."""

    inbox: str
    label: str | None
    open: int
    unread: int
    unseen: int | None


class Location(TypedDict):
    """A place where the practice sees patients."""

    id: str
    name: str
    retired: bool


class MessageData(TypedDict):
    """`message`: a patient wrote. Everything that was decided about it, and the patient's name."""

    practice_id: str
    patient_id: str
    message_id: str
    conversation_id: str
    conversation_version: int
    channel: Literal["sms", "web", "voicemail"]
    received_at: str
    body: str
    attachments: list[Attachment]
    reason: ReasonLabel
    location: PlaceLabel
    provider: PlaceLabel
    destination: Destination
    audience: list[Recipient]
    unrouted: bool
    late: bool
    urgent: bool
    reason_menu: bool
    rules: list[str]
    settings_version: int
    decided_at: str
    patient: PatientName | None


class MessageUpdatedV1(TypedDict):
    """More is known of a message in the history. The conversation is as it was, its version too."""

    practice_id: str
    patient_id: str
    change_id: str
    change: Literal["message_updated"]
    conversation_id: str
    conversation_version: int
    actor: Actor
    occurred_at: str
    status: Literal["open", "closed"]
    destination: Destination
    audience: list[Recipient]
    message_id: str
    attachment: Attachment | None
    delivery: Delivery | None


class NotificationData(TypedDict):
    """`notification`: the caller is told of a message."""

    notification_id: str
    staff_id: str
    because: Literal["subscription", "default_subscriber", "assignee", "inbox_member", "unassigned_subscriber"]
    subscription_id: str | None
    rings: bool
    message_id: str
    conversation_id: str
    conversation_version: int | None
    patient_id: str
    received_at: str
    urgent: bool


class PatientData(TypedDict):
    """`patient`: a patient is called something else now."""

    practice_id: str
    conversation_id: str
    patient_id: str
    patient: PatientName
    as_of: str


class PersonCounts(TypedDict):
    """One person's counts: the data of the stream's `counts` event."""

    unseen: int
    inboxes: dict[str, Counts]


class Provider(TypedDict):
    """A person whom patients have appointments with."""

    id: str
    name: str
    retired: bool


class Reason(TypedDict):
    """Why a patient writes, in the practice's words."""

    id: str
    label: dict[str, str]
    retired: bool


class SharedInboxView(TypedDict):
    """A custom shared inbox and who looks after it."""

    id: str
    label: str
    members: list[str]


class PracticeView(TypedDict):
    """What a staff app needs to know of the practice: names, words, and who the caller is."""

    practice_id: str
    staff_id: str
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


class ReplyTemplate(TypedDict):
    """Words that a practice answers with often."""

    template_id: str
    title: str
    body: str
    changed_by: str
    changed_at: str


class ResetData(TypedDict):
    """`reset`: something may have been missed, or the caller sees other inboxes now: read the inboxes again."""

    reason: Literal["unknown_cursor", "too_old", "expired_cursor", "permissions_changed"]


class SeenData(TypedDict):
    """`seen`: somebody has read a conversation; on the person's own streams, which notifications that was."""

    practice_id: str
    staff_id: str
    conversation_id: str | None
    read_version: int | None
    notification_ids: list[str]
    seen_at: str


class SeenResult(TypedDict):
    """How many notifications were unseen until now."""

    marked: int


class SettingsData(TypedDict):
    """`settings`: the practice's routing settings have a new version."""

    practice_id: str
    version: int


class SnapshotData(TypedDict):
    """`snapshot`: the first event of a new stream. What is read from the API from now on is at least as new."""

    cursor: str


class WebhookDisabledData(TypedDict):
    """`webhook-disabled`: a webhook endpoint gets nothing any more, because of how it behaves. For administrators."""

    practice_id: str
    endpoint_id: str
    because: Literal["gone", "failing"]
    disabled_at: str
