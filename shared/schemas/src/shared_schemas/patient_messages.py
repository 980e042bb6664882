"""Topic `patient-messages`: what patients wrote, as the channels received it."""

from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator

from shared_schemas.values import Attachment, Channel, Id, Identity, Instant, PatientEvent, Text

_FIRST_YEAR, _LAST_YEAR = 1970, 9998


def _credible(at: datetime) -> datetime:
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError("no message is from this year")
    return at


ReceivedAt = Annotated[Instant, AfterValidator(_credible)]
"""A moment that can be counted from, into each zone, without leaving the years that there are."""


class MessageReceivedV1(PatientEvent):
    """A patient wrote. Published by ingest, and by other people's channel adapters."""

    ce_type: ClassVar[str] = "switchboard.MessageReceived.v1"

    message_id: Id
    """uuid5 of channel, practice and `provider_message_id`: see `shared_schemas.ids.message_id`."""
    channel: Channel
    provider_message_id: str
    received_at: ReceivedAt
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
