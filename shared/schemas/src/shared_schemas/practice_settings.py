"""Topic `practice-settings`: each practice's routing settings, the newest version.

The same form is the body of the router's API and, as YAML, what `practice import|export` reads and writes.
"""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from shared_schemas.ids import content_id
from shared_schemas.values import Channel, Event, Id, Value

MAX_WINDOW = timedelta(hours=24)

Role = Literal["member", "administrator"]
IdsOrAll = Literal["all"] | tuple[Id, ...]
"""Either every value of a dimension, those to come too, or exactly these."""


class Stickiness(Value):
    """How long a web message keeps the reason of the one before (rules R4, R15)."""

    window: Annotated[timedelta, Field(ge=timedelta(0), le=MAX_WINDOW)] = timedelta(hours=1)
    """Zero switches stickiness off; at most 24 hours."""
    broken_by: tuple[Channel, ...] = ("sms", "voicemail")


class Reason(Value):
    """Why a patient writes, in the practice's words."""

    id: Id
    label: dict[str, str]
    """Words by language tag (BCP 47)."""
    retired: bool = False


class Extension(Value):
    """Where a voicemail goes whose caller chose `digits` (rule R6): to a reason, or to a shared inbox."""

    digits: Annotated[str, Field(pattern=r"^[0-9]{1,8}$")]
    reason_id: Id | None = None
    shared_inbox_id: Id | None = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.reason_id is None) == (self.shared_inbox_id is None):
            message = "an extension names either a reason_id or a shared_inbox_id"
            raise ValueError(message)
        return self


class SharedInbox(Value):
    """A custom shared inbox and the people who look after it (rule D3)."""

    id: Id
    label: str
    members: tuple[Id, ...] = ()


class Subscription(Value):
    """What one member wants to be told of: these reasons × these locations × these providers."""

    id: Id
    reasons: IdsOrAll = "all"
    locations: IdsOrAll = "all"
    providers: IdsOrAll = "all"


class Member(Value):
    """A person on the practice's staff."""

    staff_id: Id
    name: str
    role: Role = "member"
    active: bool = True
    unassigned: bool = False
    """Subscribed to the Unassigned inbox itself (rules M3, M5)."""
    subscriptions: tuple[Subscription, ...] = ()


Days = Annotated[int, Field(ge=30, le=36_500)]


class Retention(Value):
    """How long what has been dealt with is kept. Nothing of an open conversation goes, nor what still has to be sent.

    The laws of the practice's place say how long its records must be kept; the defaults are on the long side.
    """

    messages_days: Days = 3653
    """Messages, from when they were sent."""
    files_days: Days = 3653
    """Recordings and attachments, from when they came."""
    decisions_days: Days = 365
    """Decision records and changes to conversations; never longer than the installation keeps them."""


class RoutingSettingsPublishedV1(Event):
    """How a practice wants its messages routed, as of `version`."""

    ce_type: ClassVar[str] = "switchboard.RoutingSettingsPublished.v1"

    version: Annotated[int, Field(ge=0)] = 0
    reason_routing: bool = False
    location_routing: bool = False
    provider_routing: bool = False
    stickiness: Stickiness = Stickiness()
    reasons: tuple[Reason, ...] = ()
    """In the practice's order. `other` is implied and comes last."""
    extensions: tuple[Extension, ...] = ()
    shared_inboxes: tuple[SharedInbox, ...] = ()
    members: tuple[Member, ...] = ()
    default_subscribers: tuple[Id, ...] = ()
    freshness_limit: timedelta = timedelta(hours=24)
    sms_reason_menu: bool = False
    label_correction: bool = False
    retention: Retention = Retention()

    @property
    def ce_id(self) -> str:
        """One per practice and version."""
        return content_id(self.ce_type, self.practice_id, str(self.version))
