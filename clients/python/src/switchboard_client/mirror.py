"""One's inboxes as they are now: a snapshot, and every event since."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, TypeAlias, cast

from switchboard_client.api import ApiError, StaffClient
from switchboard_client.backoff import delays
from switchboard_client.stream import EventStream, StreamEvent
from switchboard_client.types import (
    ConversationData,
    ConversationSummary,
    Counts,
    Destination,
    DutyState,
    Escalation,
    LastMessage,
    MessageData,
    NotificationData,
    PatientData,
    PersonCounts,
    PracticeView,
    Recipient,
    SeenData,
)

Said: TypeAlias = MessageData | dict[str, Any]
"""What has a message_id, a channel, a body and the instant that it was received."""

EXCERPT = 200


class Mirror:
    """Keeps the open conversations of all inboxes that the caller sees. Nothing is polled.

    `follow` yields each event after it has been applied. A snapshot may be newer than the events that follow it: a
    conversation's version says what it already has.
    """

    def __init__(self, staff: StaffClient) -> None:
        self.conversations: dict[str, ConversationSummary] = {}
        """By id."""
        self.counts: dict[str, Counts] = {}
        """By inbox, as `GET /v1/inboxes` names them."""
        self.unseen = 0
        """The caller's own notifications that the caller has not seen."""
        self.escalations: dict[str, Escalation] = {}
        """Those that go on, by id. The caller is rung where a step names the caller."""
        self.practice: PracticeView
        """Set by the first snapshot."""
        self.stream = EventStream(staff)
        self._staff = staff
        self._seen: set[str] = set()

    async def follow(self) -> AsyncIterator[StreamEvent]:
        """Read the inboxes, then keep them; for ever."""
        async for event in self.stream:
            await self._take(event)
            yield event

    def inbox(self, inbox: str) -> list[ConversationSummary]:
        """The conversations of an inbox, the newest first."""
        every = self.conversations.values()
        found = [one for one in every if self.is_in(inbox, one["conversation_id"])]
        return sorted(found, key=lambda one: (_instant(one["updated_at"]), one["conversation_id"]), reverse=True)

    def is_in(self, inbox: str, conversation_id: str) -> bool:
        """Whether an inbox lists a conversation."""
        held = self.conversations.get(conversation_id)
        return held is not None and inbox in self._listed_in(held["status"], held["destination"], held["audience"])

    async def load(self) -> None:
        """Read everything anew."""
        self.practice = await self._staff.practice()
        inboxes = await self._staff.inboxes()
        self.counts = {one["inbox"]: {"open": one["open"], "unread": one["unread"]} for one in inboxes}
        self.unseen = sum(one["unseen"] or 0 for one in inboxes)
        self.escalations = {one["escalation_id"]: one for one in await self._staff.escalations()}
        found: dict[str, ConversationSummary] = {}
        for inbox in inboxes:
            async for one in self._staff.conversations(inbox["inbox"]):
                found[one["conversation_id"]] = one
        self.conversations, self._seen = found, set()

    async def _take(self, event: StreamEvent) -> None:
        """Apply an event, however long the system is away that has to be asked for more."""
        waiting = delays()
        while True:
            try:
                await self._apply(event)
            except ApiError as error:
                if HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                await asyncio.sleep(next(waiting))
            else:
                return

    async def _apply(self, event: StreamEvent) -> None:
        match event.event:
            case "snapshot" | "reset":
                await self.load()
            case "message":
                await self._message(cast("MessageData", event.data))
            case "conversation":
                if event.data["change"] != "message_updated":
                    await self._conversation(cast("ConversationData", event.data))
            case "notification":
                self._notified(cast("NotificationData", event.data))
            case "seen":
                self._saw(cast("SeenData", event.data))
            case "patient":
                self._renamed(cast("PatientData", event.data))
            case "counts":
                counted = cast("PersonCounts", event.data)
                self.counts, self.unseen = counted["inboxes"], counted["unseen"]
            case "settings" | "duty" | "escalation":
                await self._practice(event)
            case _:
                return

    async def _message(self, data: MessageData) -> None:
        held = await self._held(data["conversation_id"], "open", data["destination"], _staff_ids(data["audience"]))
        if held is not None and data["conversation_version"] > held["version"]:
            held["message_version"] = data["conversation_version"]
            held["last_message"] = newest(held["last_message"], "patient", data)
            self._keep(moved(held, data, "open", data["received_at"]))

    async def _conversation(self, data: ConversationData) -> None:
        audience, reply, transcript = _staff_ids(data["audience"]), data["reply"], data["transcript"]
        held = await self._held(data["conversation_id"], data["status"], data["destination"], audience)
        if held is None or data["conversation_version"] <= held["version"]:
            return
        if data["change"] in {"replied", "closed"} and data["actor"]["kind"] == "staff":
            held["read_version"] = max(held["read_version"], data["conversation_version"])
        if reply is not None:
            held["last_message"] = newest(held["last_message"], "staff", {**reply, "received_at": data["occurred_at"]})
        last = held["last_message"]
        if transcript is not None and last is not None and last["message_id"] == transcript["message_id"]:
            last["body"] = transcript["text"][:EXCERPT]
        self._keep(moved(held, data, data["status"], data["occurred_at"]))

    async def _held(
        self, conversation_id: str, status: str, destination: Destination, audience: list[str]
    ) -> ConversationSummary | None:
        """What we hold of a conversation. If that is nothing, and it is ours now, it is read: its past is in no event."""
        held = self.conversations.get(conversation_id)
        if held is None and self._listed_in(status, destination, audience):
            try:
                found = await self._staff.conversation(conversation_id, thread=False)
            except ApiError as error:
                if error.status == HTTPStatus.NOT_FOUND:  # its patient was erased meanwhile
                    return None
                raise
            del found["messages"]  # type: ignore[misc]  # a summary has neither
            del found["linked_to"]  # type: ignore[misc]
            self._keep(found)
        return held

    def _keep(self, one: ConversationSummary) -> None:
        one["unread"] = one["status"] == "open" and one["message_version"] > one["read_version"]
        self.conversations[one["conversation_id"]] = one
        if not self._listed_in(one["status"], one["destination"], one["audience"]):
            del self.conversations[one["conversation_id"]]

    def _notified(self, data: NotificationData) -> None:
        held = self.conversations.get(data["conversation_id"])
        if held is not None and data["notification_id"] not in {*held["unseen"], *self._seen}:
            held["unseen"] = sorted([*held["unseen"], data["notification_id"]])

    def _saw(self, data: SeenData) -> None:
        if data["staff_id"] == self.practice["staff_id"]:
            gone = set(data.get("notification_ids", []))
            self._seen |= gone
            for one in self.conversations.values():
                if gone & set(one["unseen"]):
                    one["unseen"] = [
                        notification_id for notification_id in one["unseen"] if notification_id not in gone
                    ]
        held = self.conversations.get(data["conversation_id"] or "")
        if held is not None and data["read_version"] is not None:
            held["read_version"] = max(held["read_version"], data["read_version"])
            self._keep(held)

    async def _practice(self, event: StreamEvent) -> None:
        """What is about the practice as a whole."""
        if event.event == "settings":
            self.practice = await self._staff.practice()
        elif event.event == "duty":
            self.practice["duty"] = cast("DutyState", event.data)
        else:
            escalation = cast("Escalation", event.data)
            self.escalations[escalation["escalation_id"]] = escalation
            if escalation["ended"] is not None:
                del self.escalations[escalation["escalation_id"]]

    def _renamed(self, data: PatientData) -> None:
        held = self.conversations.get(data["conversation_id"])
        if held is not None:
            held["patient"] = data["patient"]

    def _listed_in(self, status: str, destination: Destination, audience: list[str]) -> set[str]:
        """Which of the caller's inboxes list a conversation."""
        if status == "closed":
            return set()
        me, inbox_id = self.practice["staff_id"], destination["id"]
        match destination["kind"]:
            case "unassigned":
                named = "unassigned"
            case "member":
                named = "assigned" if inbox_id == me else ""
            case "shared_inbox":
                named = f"shared:{inbox_id}"
        return {inbox for inbox in (named, "mine" if me in audience else "") if inbox in self.counts}


def moved(
    held: ConversationSummary, data: MessageData | ConversationData, status: Literal["open", "closed"], at: str
) -> ConversationSummary:
    """A conversation as it is labelled and listed after an event. A shared inbox shows no labels (rule V1)."""
    shows_labels = data["destination"]["kind"] != "shared_inbox"
    held["version"] = data["conversation_version"]
    held["status"] = status
    held["destination"] = data["destination"]
    held["audience"] = _staff_ids(data["audience"])
    held["reason"] = data["reason"] if shows_labels else None
    held["location"] = data["location"] if shows_labels else None
    held["provider"] = data["provider"] if shows_labels else None
    held["updated_at"] = max(held["updated_at"], at, key=_instant)
    return held


def newest(last: LastMessage | None, sender: Literal["patient", "staff"], said: Said) -> LastMessage:
    """The newer of the last message and one that was said now: a late message is older."""
    new: LastMessage = {
        "message_id": said["message_id"],
        "sender": sender,
        "channel": said["channel"],
        "body": said["body"][:EXCERPT],
        "sent_at": said["received_at"],
    }
    return new if last is None else max(last, new, key=lambda one: (_instant(one["sent_at"]), one["message_id"]))


def _staff_ids(audience: Sequence[Recipient]) -> list[str]:
    return [person["staff_id"] for person in audience]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
