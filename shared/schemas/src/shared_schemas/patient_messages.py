"""Topic `patient-messages`: what patients wrote, as the channels received it."""

from typing import ClassVar

from shared_schemas.values import Attachment, Channel, Id, Identity, Instant, PatientEvent, Text


class MessageReceivedV1(PatientEvent):
    """A patient wrote. Published by ingest, and by other people's channel adapters."""

    ce_type: ClassVar[str] = "switchboard.MessageReceived.v1"

    message_id: Id
    """uuid5 of channel, practice and `provider_message_id`: see `shared_schemas.ids.message_id`."""
    channel: Channel
    provider_message_id: str
    received_at: Instant
    """When the channel received it: the clock of every routing rule."""
    body: Text
    attachments: tuple[Attachment, ...] = ()
    requested_reason_id: Id | None = None
    """The reason that the patient picked (web, rule R1)."""
    extension: Text | None = None
    """The digits that the caller chose (voicemail, rule R6)."""
    identity: Identity
    from_address_id: Id | None = None
    urgent: bool = False
    """It has one of the practice's emergency words in it."""

    @property
    def ce_id(self) -> str:
        """The message's own id."""
        return self.message_id
