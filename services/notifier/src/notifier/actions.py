"""What staff do to a conversation, from the request's form to the event that router decides about."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from shared_messaging import Outgoing
from shared_schemas import topics
from shared_schemas.conversation_changes import (
    Actor,
    ConversationAssignedV1,
    ConversationChange,
    ConversationClosedV1,
    ConversationMovedV1,
    LabelCorrectedV1,
    NewTopicStartedV1,
    StaffRepliedV1,
)
from shared_schemas.ids import content_id
from shared_schemas.values import Attachment, Id
from shared_web import Principal, Problem

SOURCE = "/switchboard/notifier"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class AssignBody(_Body):
    """Into whose inbox; null: back to Unassigned. With the version as the person saw it, the first of two wins."""

    to: Id | None
    expected_version: int | None = None


class MoveBody(_Body):
    """`unassigned` or `shared_inbox:<id>`."""

    to: str


class ReplyBody(_Body):
    """What to write to the patient."""

    body: str
    attachments: tuple[Attachment, ...] = ()


class CloseBody(_Body):
    """Nothing more to say."""


class LabelBody(_Body):
    """The right labels (rule V4)."""

    reason_id: Id | None = None
    location_id: Id | None = None


class NewTopicBody(_Body):
    """The talk is about something new: its reason is taken off (rule V4)."""


Body = AssignBody | MoveBody | ReplyBody | CloseBody | LabelBody | NewTopicBody
ACTIONS: dict[str, type[AssignBody | MoveBody | ReplyBody | CloseBody | LabelBody | NewTopicBody]] = {
    "assign": AssignBody,
    "move": MoveBody,
    "reply": ReplyBody,
    "close": CloseBody,
    "label": LabelBody,
    "new-topic": NewTopicBody,
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
            errors = [
                {"pointer": "/".join(("#", *map(str, one["loc"]))), "detail": one["type"]} for one in error.errors()
            ]
            title = "The action does not have the expected form"
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, title, extensions={"errors": errors}) from None


def change_for(
    body: ActionBody, caller: Principal, conversation: dict[str, Any], change_id: str, now: datetime
) -> Outgoing:
    """The event for `conversation-changes`. The same idempotency key gives the same change."""
    if isinstance(body.content, LabelBody) and caller.role != "administrator":
        raise Problem(HTTPStatus.FORBIDDEN, "Only administrators correct labels")
    change = _change(body.content, _common(caller, conversation, change_id, now), conversation, change_id)
    return Outgoing.of(topics.CONVERSATION_CHANGES.name, change, source=SOURCE, time=now)


def _common(caller: Principal, conversation: dict[str, Any], change_id: str, now: datetime) -> dict[str, Any]:
    return {
        "change_id": change_id,
        "practice_id": caller.practice_id,
        "patient_id": conversation["patient_id"],
        "conversation_id": conversation["conversation_id"],
        "actor": Actor(kind="staff", id=caller.staff_id),
        "occurred_at": now,
    }


def _change(body: Body, common: dict[str, Any], conversation: dict[str, Any], change_id: str) -> ConversationChange:
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
        case ReplyBody():
            channels = [message["channel"] for message in conversation["messages"] if message["sender"] == "patient"]
            return StaffRepliedV1(
                **common,
                message_id=content_id("reply", change_id),
                body=body.body,
                attachments=body.attachments,
                channel=channels[-1] if channels else "web",
            )
