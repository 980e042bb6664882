"""Changes to conversations, between the wire's form and the rules'."""

from router.domain.actions import (
    Action,
    Amend,
    Applied,
    Assign,
    Close,
    CompareLabels,
    CorrectLabel,
    MoveToSharedInbox,
    MoveToUnassigned,
    Note,
    Read,
    Rejected,
    Reply,
    Reroute,
    StartTopic,
)
from router.domain.facts import Conversation, Directory, PlaceId, ReasonId, StaffId
from router.domain.policy import Policy
from router.presenting import carried_labels, destination, recipients, written
from shared_schemas import ids
from shared_schemas.conversation_changes import (
    AppointmentChangedV1,
    ContactLinkedV1,
    ConversationAssignedV1,
    ConversationChange,
    ConversationClosedV1,
    ConversationMovedV1,
    LabelCorrectedV1,
    MessageAmendedV1,
    NewTopicStartedV1,
    PracticeMessageReadV1,
    RerouteRequestedV1,
    StaffRepliedV1,
    TranscriptAddedV1,
)
from shared_schemas.routed_messages import (
    ConversationActionRejectedV1,
    ConversationChangeKind,
    ConversationUpdatedV1,
    MessageUpdatedV1,
    RejectionReason,
    StaffReply,
    Transcript,
)

Told = ConversationUpdatedV1 | MessageUpdatedV1 | ConversationActionRejectedV1

_SHARED_INBOX = "shared_inbox:"

_WORDS: dict[RejectionReason, str] = {
    "version_conflict": "Somebody else changed this conversation first.",
    "unknown_member": "There is no such person on the staff.",
    "inactive_member": "This person is deactivated.",
    "unknown_inbox": "There is no such inbox.",
    "unknown_reason": "The practice has no such reason.",
    "unknown_location": "The practice has no such location.",
    "not_open": "The conversation is closed already.",
    "not_allowed": "The practice does not allow labels to be corrected by hand.",
}
"""What to tell the person who tried."""


def action_of(event: ConversationChange) -> Action:
    """What is wanted."""
    match event:
        case ConversationAssignedV1():
            return Assign(StaffId(event.to) if event.to else None, event.expected_version)
        case ConversationMovedV1() if event.to.startswith(_SHARED_INBOX):
            return MoveToSharedInbox(event.to.removeprefix(_SHARED_INBOX))
        case ConversationMovedV1():
            return MoveToUnassigned()
        case ConversationClosedV1():
            return Close()
        case StaffRepliedV1():
            return Reply(event.message_id)
        case PracticeMessageReadV1():
            return Read(event.message_id)
        case LabelCorrectedV1():
            return CorrectLabel(
                ReasonId(event.reason_id) if event.reason_id else None,
                PlaceId(event.location_id) if event.location_id else None,
            )
        case NewTopicStartedV1():
            return StartTopic()
        case RerouteRequestedV1():
            return Reroute()
        case AppointmentChangedV1():
            return CompareLabels(
                event.appointment_id,
                PlaceId(event.location_id) if event.location_id else None,
                PlaceId(event.provider_id) if event.provider_id else None,
            )
        case MessageAmendedV1():
            return Amend()
        case _:
            return Note()


def answer(
    event: ConversationChange, outcome: Applied | Rejected, before: Conversation, policy: Policy, directory: Directory
) -> Told:
    """What everybody is told of it."""
    conversation_id = ids.conversation_id(event.practice_id, event.patient_id)
    if isinstance(outcome, Rejected):
        return ConversationActionRejectedV1(
            practice_id=event.practice_id,
            patient_id=event.patient_id,
            change_id=event.change_id,
            action=type(event).__name__.removesuffix("V1"),
            conversation_id=conversation_id,
            conversation_version=before.version,
            actor=event.actor,
            occurred_at=event.occurred_at,
            rejection=outcome.rejection,
            detail=_WORDS[outcome.rejection],
            destination=destination(before.destination),
        )
    now = outcome.conversation
    if isinstance(event, MessageAmendedV1):
        return _amended(event, outcome)
    reason, location, provider = carried_labels(now, directory, policy)
    return ConversationUpdatedV1(
        practice_id=event.practice_id,
        patient_id=event.patient_id,
        change_id=event.change_id,
        change=_kind(event),
        conversation_id=conversation_id,
        conversation_version=now.version,
        actor=event.actor,
        occurred_at=event.occurred_at,
        status="open" if now.is_open else "closed",
        destination=destination(now.destination),
        reason=reason,
        location=location,
        provider=provider,
        audience=recipients(outcome.audience),
        reply=StaffReply.model_validate(event.model_dump()) if isinstance(event, StaffRepliedV1) else None,
        transcript=Transcript(message_id=event.message_id, text=event.text)
        if isinstance(event, TranscriptAddedV1)
        else None,
        read_message_id=event.message_id if isinstance(event, PracticeMessageReadV1) else None,
        to_patient_id=event.to_patient_id if isinstance(event, ContactLinkedV1) else None,
        settings_version=policy.version,
    )


def _amended(event: MessageAmendedV1, outcome: Applied) -> MessageUpdatedV1:
    now = outcome.conversation
    return MessageUpdatedV1(
        practice_id=event.practice_id,
        patient_id=event.patient_id,
        change_id=event.change_id,
        conversation_id=ids.conversation_id(event.practice_id, event.patient_id),
        conversation_version=now.version,
        actor=event.actor,
        occurred_at=event.occurred_at,
        status="open" if now.is_open else "closed",
        destination=destination(now.destination),
        audience=recipients(outcome.audience),
        message_id=event.message_id,
        attachment=event.attachment,
        delivery=event.delivery,
    )


def change_record(event: ConversationChange, before: Conversation, told: Told) -> str:
    """What is kept of a change (V4): who, when, how the conversation was, what came of it. Without anybody's words."""
    return written(
        {
            "action": type(event).__name__.removesuffix("V1"),
            **event.model_dump(include={"patient_id", "actor", "occurred_at"}),
            "before": before,
            "after": told.model_dump(include={"status", "destination", "reason", "location", "rejection"}),
        }
    ).decode()


def _kind(event: ConversationChange) -> ConversationChangeKind:
    match event:
        case ConversationAssignedV1():
            return "assigned"
        case ConversationMovedV1():
            return "moved"
        case ConversationClosedV1():
            return "closed"
        case StaffRepliedV1():
            return "replied"
        case PracticeMessageReadV1():
            return "read"
        case LabelCorrectedV1() | NewTopicStartedV1():
            return "label_corrected"
        case RerouteRequestedV1() | AppointmentChangedV1():
            return "rerouted"
        case ContactLinkedV1():
            return "contact_linked"
        case TranscriptAddedV1():
            return "transcript_added"
        case _:
            return "consent_changed"
