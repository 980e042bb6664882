"""What staff do to a conversation, from the request's form to the event that router decides about."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from notifier.domain.visibility import Practice
from notifier.views import Conversation
from shared_messaging import Outgoing, current_trace
from shared_schemas import topics
from shared_schemas.conversation_changes import (
    Actor,
    ContactLinkedV1,
    ConversationAssignedV1,
    ConversationChange,
    ConversationClosedV1,
    ConversationMovedV1,
    LabelCorrectedV1,
    NewTopicStartedV1,
    StaffRepliedV1,
)
from shared_schemas.ids import content_id, is_contact
from shared_schemas.places import names_of, pointer
from shared_schemas.values import Attachment, Channel, Id
from shared_web import Principal, Problem

SOURCE = "/switchboard/notifier"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class AssignBody(_Body):
    """Into whose inbox; null: back to Unassigned. With the version as the person saw it, the first of two wins."""

    to: Id | None
    expected_version: int | None = None


class TakeBody(_Body):
    """Into the caller's own inbox. Refused when somebody has it already, unless it is the caller."""

    expected_version: int | None = None


class ReopenBody(_Body):
    """A closed conversation goes back to Unassigned."""


class MoveBody(_Body):
    """`unassigned` or `shared_inbox:<id>`."""

    to: str


class ReplyBody(_Body):
    """What to write to the patient: words of one's own, or those of a template."""

    body: Annotated[str, StringConstraints(max_length=5_000)] | None = None
    attachments: tuple[Attachment, ...] = ()
    template_id: Id | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.body or "").strip() and not self.attachments and self.template_id is None:
            raise ValueError("a reply has a body, an attachment or a template")
        return self


class CloseBody(_Body):
    """Nothing more to say."""


class LabelBody(_Body):
    """The right labels (rule V4)."""

    reason_id: Id | None = None
    location_id: Id | None = None


class NewTopicBody(_Body):
    """The talk is about something new: its reason is taken off (rule V4)."""


class LinkBody(_Body):
    """Which patient a contact is: their later messages go to the patient's conversation."""

    to_patient_id: Id


Body = AssignBody | TakeBody | MoveBody | ReplyBody | CloseBody | ReopenBody | LabelBody | NewTopicBody | LinkBody
ACTIONS: Mapping[str, type[Body]] = {
    "assign": AssignBody,
    "take": TakeBody,
    "reopen": ReopenBody,
    "move": MoveBody,
    "reply": ReplyBody,
    "close": CloseBody,
    "label": LabelBody,
    "new-topic": NewTopicBody,
    "link": LinkBody,
}


@dataclass(frozen=True, slots=True)
class ActionBody:
    """A request's body, read."""

    content: Body

    @classmethod
    def read(cls, action: str, raw: bytes) -> "ActionBody":
        """Raises a 422 problem that names the fields that are wrong."""
        try:
            return cls(ACTIONS[action].model_validate_json(raw or b"{}"))
        except ValidationError as error:
            names = names_of(ACTIONS[action])
            errors = [{"pointer": pointer(one["loc"], names), "detail": one["type"]} for one in error.errors()]
            title = "The action does not have the expected form"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, title, extensions={"errors": errors}) from None

    def with_template(self, words: str) -> "ActionBody":
        """A reply without words of its own gets those of its template."""
        content = self.content
        if not isinstance(content, ReplyBody) or (content.body or "").strip():
            return self
        return ActionBody(content.model_copy(update={"body": words}))


def change_for(  # noqa: PLR0913 - what a change depends on
    body: ActionBody,
    caller: Principal,
    conversation: Conversation,
    practice: Practice | None,
    change_id: str,
    now: datetime,
) -> Outgoing:
    """The event for `conversation-changes`. The same idempotency key gives the same change.

    Raises a 403 problem for what this caller may not do, a 409 problem for what makes no sense as things are.
    """
    if isinstance(body.content, LabelBody) and caller.role != "administrator":
        raise Problem(HTTPStatus.FORBIDDEN, "Only administrators correct labels")
    if isinstance(body.content, LinkBody) and not is_contact(conversation.patient_id):
        raise Problem(HTTPStatus.CONFLICT, "This conversation is a patient's already: only contacts are linked")
    common = {
        "change_id": change_id,
        "practice_id": caller.practice_id,
        "patient_id": conversation.patient_id,
        "conversation_id": conversation.conversation_id,
        "actor": Actor(kind="staff", id=caller.staff_id),
        "occurred_at": now,
    }
    match body.content:
        case TakeBody(expected_version=expected):
            _check_free(conversation, caller, practice)
            version = conversation.version if expected is None else expected
            change: ConversationChange = ConversationAssignedV1.model_validate(
                common | {"to": caller.staff_id, "expected_version": version}
            )
        case ReopenBody():
            if conversation.status == "open":
                raise _refused("not_closed", "The conversation is open already.", conversation)
            change = ConversationAssignedV1.model_validate(
                common | {"to": None, "expected_version": conversation.version}
            )
        case content:
            change = _plain_change(content, common, conversation)
    return Outgoing.of(topics.CONVERSATION_CHANGES.name, change, source=SOURCE, time=now, trace=current_trace())


def _plain_change(  # noqa: PLR0911 - one event for each action
    body: AssignBody | MoveBody | CloseBody | LabelBody | NewTopicBody | LinkBody | ReplyBody,
    common: dict[str, Any],
    conversation: Conversation,
) -> ConversationChange:
    match body:
        case AssignBody():
            return ConversationAssignedV1(**common, to=body.to, expected_version=body.expected_version)
        case MoveBody():
            return ConversationMovedV1(**common, to=body.to)
        case CloseBody():
            return ConversationClosedV1(**common)
        case LabelBody():
            return LabelCorrectedV1(**common, reason_id=body.reason_id, location_id=body.location_id)
        case NewTopicBody():
            return NewTopicStartedV1(**common)
        case LinkBody():
            return ContactLinkedV1(**common, to_patient_id=body.to_patient_id)
        case ReplyBody():
            channels: list[Channel] = [
                message.channel for message in conversation.messages if message.sender == "patient"
            ]
            return StaffRepliedV1(
                **common,
                message_id=content_id("reply", common["change_id"]),
                body=body.body or "",
                attachments=body.attachments,
                channel=channels[-1] if channels else "web",
            )


def _check_free(conversation: Conversation, caller: Principal, practice: Practice | None) -> None:
    """Taking is for what nobody has: to take a conversation from a colleague, assign it."""
    owner = conversation.destination.id if conversation.destination.kind == "member" else None
    if conversation.status == "open" and owner is not None and owner != caller.staff_id:
        member = practice.by_id.get(owner) if practice is not None else None
        name = member.name if member is not None else "Somebody else"
        raise _refused("already_assigned", f"{name} has this conversation already.", conversation)


def _refused(rejection: str, detail: str, conversation: Conversation) -> Problem:
    more = {
        "rejection": rejection,
        "conversation_version": conversation.version,
        "destination": conversation.destination.model_dump(mode="json"),
    }
    return Problem(HTTPStatus.CONFLICT, "The action was refused", detail=detail, extensions=more)
