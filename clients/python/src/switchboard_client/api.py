"""The staff API."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Self, cast

import httpx

from switchboard_client.backoff import delays
from switchboard_client.types import (
    Conversation,
    ConversationData,
    ConversationPage,
    ConversationSummary,
    Escalation,
    FoundConversation,
    FoundPage,
    Inbox,
    PracticeView,
    ReplyTemplate,
)

TIMEOUT_SECONDS = 20.0
PATIENCE_SECONDS = 60.0
"""How long a request is repeated that gets no answer, or a 5xx: the system may be starting anew."""


class ApiError(Exception):
    """The API said no. `title` and `detail` are for people (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str, more: Mapping[str, Any]) -> None:
        said = f"{title}: {detail}" if detail else title
        super().__init__(f"{status} {said}" if status else said)
        self.status = status
        self.title = title
        self.detail = detail
        self.more = more
        """Further members of the problem, e.g. `rejection`."""


class Refused(ApiError):  # noqa: N818 - what happened to the action
    """An action was refused: somebody was faster, or it makes no sense any more. The conversation is as it was."""


class NoAnswer(ApiError):  # noqa: N818 - as above
    """Nobody answered, however often it was asked; the status is 0. Whether an action was taken is not known."""

    def __init__(self) -> None:
        super().__init__(0, "No answer", "The system is away. Try again.", {})


class StaffClient:
    """One person's access. An asynchronous context manager.

    Requests that get no answer are repeated: reading harms nobody, and actions carry a key that makes them one. Raises
    `NoAnswer` when that did not help, and `ApiError` for an answer that is a no.
    """

    def __init__(self, base_url: str, token: str) -> None:
        self.http = httpx.AsyncClient(
            base_url=base_url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_SECONDS
        )

    async def __aenter__(self) -> Self:
        """Nothing is sent yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.http.aclose()

    async def practice(self) -> PracticeView:
        """Names, reasons, locations and inboxes of the practice, and who the caller is."""
        return cast("PracticeView", await self._get("/v1/practice"))

    async def inboxes(self) -> list[Inbox]:
        """The inboxes that the caller sees, with their counts."""
        return cast("list[Inbox]", await self._get("/v1/inboxes"))

    async def conversations(
        self, inbox: str = "mine", *, reason: str | None = None, location: str | None = None
    ) -> AsyncIterator[ConversationSummary]:
        """All conversations of an inbox, the newest first; of the closed ones with `closed`."""
        query = {"inbox": inbox, "reason": reason, "location": location}
        cursor: str | None = None
        while True:
            page = cast("ConversationPage", await self._get("/v1/conversations", **query, cursor=cursor))
            for one in page["conversations"]:
                yield one
            cursor = page["cursor"]
            if cursor is None:
                return

    async def conversation(self, conversation_id: str, *, thread: bool = True) -> Conversation:
        """A conversation with its thread, or without."""
        query = "true" if thread else "false"
        return cast("Conversation", await self._get(f"/v1/conversations/{conversation_id}", thread=query))

    async def search(self, words: str) -> AsyncIterator[FoundConversation]:
        """Conversations by the patient's name or by words of one message."""
        cursor: str | None = None
        while True:
            body = {"words": words, "cursor": cursor}
            page = cast("FoundPage", (await self._request("POST", "/v1/search", json=body)).json())
            for one in page["conversations"]:
                yield one
            cursor = page["cursor"]
            if cursor is None:
                return

    async def reply_templates(self) -> list[ReplyTemplate]:
        """Words that the practice answers with often."""
        return cast("list[ReplyTemplate]", await self._get("/v1/reply-templates"))

    async def escalations(self, conversation_id: str | None = None) -> list[Escalation]:
        """The practice's escalations that go on; of one conversation those that have ended too."""
        return cast("list[Escalation]", await self._get("/v1/escalations", conversation_id=conversation_id))

    async def act(
        self, conversation_id: str, action: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> ConversationData:
        """Do something to a conversation, once, and return how it is then.

        Actions: assign, take, move, reply, close, reopen, label, new-topic, link. `key` makes a repetition recognisable
        beyond this call. Raises `Refused` when it was refused.
        """
        path = f"/v1/conversations/{conversation_id}/{action}"
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}
        answer = await self._request("POST", path, json=body or {}, headers=headers)
        waiting = delays()
        while answer.status_code == HTTPStatus.ACCEPTED:
            await asyncio.sleep(next(waiting))
            answer = await self._request("GET", f"/v1/actions/{answer.json()['change_id']}")
        return cast("ConversationData", answer.json()["conversation"])

    async def seen(self, conversation_id: str, version: int) -> None:
        """Say that the caller has read a conversation as of this version of it."""
        await self._request("POST", f"/v1/conversations/{conversation_id}/seen", json={"version": version})

    async def _get(self, path: str, **query: str | None) -> object:
        params = {name: value for name, value in query.items() if value is not None}
        return (await self._request("GET", path, params=params)).json()

    async def _request(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        waiting, until = delays(), time.monotonic() + PATIENCE_SECONDS
        while True:
            is_last = time.monotonic() > until
            try:
                answer = await self.http.request(method, path, **more)
            except httpx.TransportError as error:
                if is_last:
                    raise NoAnswer from error
            else:
                if not answer.is_server_error or is_last:
                    return check(answer)
            await asyncio.sleep(next(waiting))


def check(answer: httpx.Response) -> httpx.Response:
    """The answer, if it is a good one. Raises `Refused` or another `ApiError`."""
    if answer.is_success:
        return answer
    try:
        problem: dict[str, Any] = answer.json()
    except ValueError:
        problem = {}
    kind = Refused if answer.status_code == HTTPStatus.CONFLICT else ApiError
    raise kind(answer.status_code, problem.get("title", answer.reason_phrase), problem.get("detail", ""), problem)
