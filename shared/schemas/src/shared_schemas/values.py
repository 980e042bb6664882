"""The small types that every event is made of: ids, instants, labels, the event itself."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

from shared_schemas.ids import content_id

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""An opaque id: 1 to 64 characters of `[A-Za-z0-9_-]`. Never a phone, a name or a date of birth."""


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC; without a zone it is of this machine's.

    Raises ValueError where that is before the year 1 or after 9999: some systems write the last minute of 9999 for "never".
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("this is beyond the years 1 to 9999") from None


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A moment with its zone, kept and written in UTC (RFC 3339)."""


def _without_nul(text: str) -> str:
    return text.replace("\0", "\ufffd")


Text = Annotated[str, AfterValidator(_without_nul)]
"""What somebody wrote. PostgreSQL keeps no NUL, and nobody means one: it becomes U+FFFD, and the rest is kept."""

Channel = Literal["sms", "web", "voicemail"]
"""How a patient wrote."""

Identity = Literal["verified", "matched", "ambiguous", "unknown"]
"""How sure ingest is of who wrote: logged in, one match by address, several, none."""


class Value(BaseModel):
    """A part of an event. Frozen; readers ignore fields they do not know; errors never repeat the input."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Event(Value):
    """The data of one CloudEvent. The class says its type; the data says its key and its id."""

    ce_type: ClassVar[str]
    """`switchboard.<EventName>.v<N>`: what the header `ce_type` carries."""

    practice_id: Id

    @property
    def key(self) -> str:
        """The Kafka key: events with the same key keep their order."""
        return self.practice_id

    @property
    def ce_id(self) -> str:
        """The id of this event: the same content always has the same id, so a repetition is recognised."""
        return content_id(self.ce_type, self.model_dump_json())


class PatientEvent(Event):
    """An event about one patient (or one contact not yet known as a patient) of a practice."""

    patient_id: Id

    @property
    def key(self) -> str:
        """`<practice_id>/<patient_id>`: everything about one patient is in one partition, in order."""
        return f"{self.practice_id}/{self.patient_id}"


class Attachment(Value):
    """A file that came with a message. `url` is a path of this installation, never the provider's own."""

    id: Id
    content_type: str
    """Told from the content once that is there; until then what the sender says."""
    size: int
    """In bytes; 0 while the content is not there."""
    url: str
    state: Literal["pending", "ready", "failed"] = "ready"
    """Whether the content can be read: it is still being copied from the provider, it is there, it will never be."""
