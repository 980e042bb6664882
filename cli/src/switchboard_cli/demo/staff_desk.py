"""What the demo's staff do with a message: look at its files, read a voicemail's words, answer and see it arrive."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from switchboard_cli.demo.scenario import Step

_SECONDS = 15.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class StaffDesk:
    """The staff API, used as each of the staff."""

    http: httpx.AsyncClient
    tokens: Mapping[str, str]

    async def problems(self, step: Step, staff_id: str, routed: Mapping[str, Any]) -> list[str]:
        """What should follow this message and does not, in words."""
        found: list[str] = []
        if step.has_file and not await self._has_file(staff_id, routed):
            found.append("its file cannot be read")
        if step.channel == "voicemail" and not await self._shown(staff_id, routed, _has_words):
            found.append("its words did not come")
        if step.answer is not None and not await self._answered(staff_id, routed, step.answer):
            found.append("the answer was not delivered")
        return found

    async def _has_file(self, staff_id: str, routed: Mapping[str, Any]) -> bool:
        shown = await self._shown(staff_id, routed, _has_ready_file)
        if shown is None:
            return False
        (file,) = shown["attachments"]
        content = await self.http.get(file["url"], headers=self._headers(staff_id))
        return content.is_success and len(content.content) == file["size"]

    async def _answered(self, staff_id: str, routed: Mapping[str, Any], body: str) -> bool:
        path = f"/v1/conversations/{routed['conversation_id']}/reply"
        answer = await self.http.post(path, json={"body": body}, headers=self._headers(staff_id))
        message_id = answer.raise_for_status().json()["conversation"]["reply"]["message_id"]
        return await self._shown(staff_id, {**routed, "message_id": message_id}, _is_delivered) is not None

    async def _shown(
        self, staff_id: str, routed: Mapping[str, Any], is_it: Callable[[Mapping[str, Any]], bool]
    ) -> dict[str, Any] | None:
        """The message in its thread, once it is as it should be; None when that takes too long."""
        path = f"/v1/conversations/{routed['conversation_id']}"
        for _ in range(int(_SECONDS / _LOOK_SECONDS)):
            thread = (await self.http.get(path, headers=self._headers(staff_id))).raise_for_status().json()
            for one in thread["messages"]:
                if one["message_id"] == routed["message_id"] and is_it(one):
                    return dict(one)
            await asyncio.sleep(_LOOK_SECONDS)
        return None

    def _headers(self, staff_id: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[staff_id]}"}


def _has_ready_file(message: Mapping[str, Any]) -> bool:
    return [file["state"] for file in message["attachments"]] == ["ready"]


def _has_words(message: Mapping[str, Any]) -> bool:
    return bool(message["transcript"])


def _is_delivered(message: Mapping[str, Any]) -> bool:
    return bool(message["delivery"]) and message["delivery"]["status"] == "delivered"
