"""The topic catalogue, as data: what each topic carries, who writes and reads it, and how Kafka keeps it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from shared_schemas import (
    conversation_changes,
    patient_messages,
    practice_management,
    practice_settings,
    routed_messages,
    staff_notifications,
)
from shared_schemas.values import Event

DEAD_LETTER_SUFFIX = "-dlq"
DEAD_LETTER_RETENTION = timedelta(days=30)
COMPACTION_LAG = timedelta(days=14)
"""How long a compacted topic keeps every record all the same. A patient's appointments share one key: compaction would
take an older appointment away from a consumer that was down, so it must not touch what a consumer may not have read."""

ServiceName = Literal["ingest", "router", "notifier", "pm-sync", "adapters"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic. `retention` None means compacted: the newest record of each key is kept for ever, and
    every record for `COMPACTION_LAG`.
    """

    name: str
    key: Literal["practice/patient", "practice"]
    events: tuple[type[Event], ...]
    producers: tuple[ServiceName, ...]
    consumers: tuple[ServiceName, ...]
    retention: timedelta | None

    @property
    def dead_letters(self) -> str:
        """The topic that takes what could not be processed."""
        return self.name + DEAD_LETTER_SUFFIX

    @property
    def configuration(self) -> dict[str, str]:
        """Kafka's topic configuration."""
        if self.retention is None:
            return {"cleanup.policy": "compact", "min.compaction.lag.ms": milliseconds(COMPACTION_LAG)}
        return {"cleanup.policy": "delete", "retention.ms": milliseconds(self.retention)}


def milliseconds(duration: timedelta) -> str:
    """A duration the way Kafka's configuration wants it."""
    return str(duration // timedelta(milliseconds=1))


PATIENT_MESSAGES = Topic(
    name="patient-messages",
    key="practice/patient",
    events=(patient_messages.MessageReceivedV1,),
    producers=("ingest", "adapters"),
    consumers=("router",),
    retention=timedelta(days=14),
)
CONVERSATION_CHANGES = Topic(
    name="conversation-changes",
    key="practice/patient",
    events=(
        conversation_changes.StaffRepliedV1,
        conversation_changes.ConversationAssignedV1,
        conversation_changes.ConversationMovedV1,
        conversation_changes.ConversationClosedV1,
        conversation_changes.PracticeMessageReadV1,
        conversation_changes.TranscriptAddedV1,
        conversation_changes.MessageAmendedV1,
        conversation_changes.ConsentChangedV1,
        conversation_changes.LabelCorrectedV1,
        conversation_changes.NewTopicStartedV1,
        conversation_changes.RerouteRequestedV1,
        conversation_changes.ContactLinkedV1,
        conversation_changes.AppointmentChangedV1,
    ),
    producers=("ingest", "notifier", "router"),
    consumers=("router",),
    retention=timedelta(days=14),
)
APPOINTMENTS = Topic(
    name="appointments",
    key="practice/patient",
    events=(practice_management.AppointmentSyncedV1,),
    producers=("pm-sync",),
    consumers=("router",),
    retention=None,
)
PATIENTS = Topic(
    name="patients",
    key="practice/patient",
    events=(practice_management.PatientSyncedV1,),
    producers=("pm-sync",),
    consumers=("ingest", "notifier"),
    retention=None,
)
PRACTICE_DIRECTORY = Topic(
    name="practice-directory",
    key="practice",
    events=(practice_management.DirectorySyncedV1,),
    producers=("pm-sync",),
    consumers=("router", "notifier"),
    retention=None,
)
PRACTICE_SETTINGS = Topic(
    name="practice-settings",
    key="practice",
    events=(practice_settings.RoutingSettingsPublishedV1,),
    producers=("router",),
    consumers=("ingest", "notifier"),
    retention=None,
)
ROUTED_MESSAGES = Topic(
    name="routed-messages",
    key="practice",
    events=(
        routed_messages.RoutedMessageV1,
        routed_messages.ConversationUpdatedV1,
        routed_messages.MessageUpdatedV1,
        routed_messages.ConversationActionRejectedV1,
    ),
    producers=("router",),
    consumers=("notifier", "ingest"),
    retention=timedelta(days=14),
)
STAFF_NOTIFICATIONS = Topic(
    name="staff-notifications",
    key="practice",
    events=(
        staff_notifications.MessageAnnouncedV1,
        staff_notifications.StaffNotifiedV1,
        staff_notifications.ConversationAnnouncedV1,
        staff_notifications.MessageUpdateAnnouncedV1,
        staff_notifications.ActionRejectionAnnouncedV1,
        staff_notifications.SettingsAnnouncedV1,
        staff_notifications.SeenAnnouncedV1,
        staff_notifications.PatientAnnouncedV1,
        staff_notifications.EscalationAnnouncedV1,
        staff_notifications.DutyAnnouncedV1,
        staff_notifications.WebhookDisabledV1,
    ),
    producers=("notifier",),
    consumers=("notifier",),
    retention=timedelta(days=7),
)

CATALOGUE: tuple[Topic, ...] = (
    PATIENT_MESSAGES,
    CONVERSATION_CHANGES,
    APPOINTMENTS,
    PATIENTS,
    PRACTICE_DIRECTORY,
    PRACTICE_SETTINGS,
    ROUTED_MESSAGES,
    STAFF_NOTIFICATIONS,
)
"""Every topic of the system; each also has a dead-letter topic."""

EVENT_TYPES: dict[str, type[Event]] = {event.ce_type: event for topic in CATALOGUE for event in topic.events}
"""Every event by its `ce_type`."""
