"""A client of the router's settings API, for the command line."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from shared_schemas.practice_settings import RoutingSettingsPublishedV1
from switchboard_cli.failures import Failed


@dataclass(frozen=True, slots=True)
class PracticeApi:
    """Where the installation is, and who asks. The token is an operator's or an administrator's."""

    url: str
    token: str

    def settings(self, practice_id: str) -> tuple[RoutingSettingsPublishedV1, str | None]:
        """The settings of a practice and their ETag; the defaults and None for a practice that has none yet.

        Raises `Failed` when the installation cannot be reached or refuses.
        """
        answer = self._request("GET", practice_id)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return RoutingSettingsPublishedV1(practice_id=practice_id), None
        self._check(answer)
        return RoutingSettingsPublishedV1.model_validate_json(answer.content), answer.headers.get("etag")

    def save(self, settings: RoutingSettingsPublishedV1, etag: str | None) -> int:
        """Save over the version that `etag` names, and return the new version. Raises `Failed`."""
        condition = {"If-Match": etag} if etag else {"If-None-Match": "*"}
        answer = self._request("PUT", settings.practice_id, settings.model_dump_json(), condition)
        if answer.status_code == HTTPStatus.PRECONDITION_FAILED:
            message = "somebody else saved these settings meanwhile: look at the difference again with --dry-run"
            raise Failed(message)
        self._check(answer)
        return RoutingSettingsPublishedV1.model_validate_json(answer.content).version

    def decision(self, practice_id: str, message_id: str, staff_id: str | None) -> dict[str, Any]:
        """The decision record of a message, with its explanation; with `staff_id` also why that person was not told.

        Raises `Failed`, for a message that was never decided too.
        """
        query = f"?staff_id={quote(staff_id)}" if staff_id else ""
        answer = self._request("GET", practice_id, path=f"decisions/{quote(message_id)}{query}")
        self._check(answer)
        record: dict[str, Any] = answer.json()
        return record

    def what_if(self, practice_id: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The lines of a what-if as they come: the last one is the summary. Raises `Failed`, halfway too."""
        url = f"{self.url.rstrip('/')}/v1/practices/{quote(practice_id)}/what-if"
        headers = self._authorization()
        timeout = httpx.Timeout(30, read=300)
        try:
            with httpx.stream("POST", url, json=wanted, headers=headers, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    self._check(answer)
                yield from map(json.loads, answer.iter_lines())
        except httpx.HTTPError as error:
            message = f"{self.url} does not answer to the end: check --url, and that the system runs"
            raise Failed(message) from error

    def _request(
        self,
        method: str,
        practice_id: str,
        body: str | None = None,
        headers: dict[str, str] | None = None,
        *,
        path: str = "routing-settings",
    ) -> httpx.Response:
        own = self._authorization() | {"Content-Type": "application/json"}
        try:
            return httpx.request(
                method,
                f"{self.url.rstrip('/')}/v1/practices/{quote(practice_id)}/{path}",
                content=body,
                headers=own | (headers or {}),
                timeout=30,
            )
        except httpx.HTTPError as error:
            message = f"{self.url} cannot be reached: check --url, and that the system runs"
            raise Failed(message) from error

    def _authorization(self) -> dict[str, str]:
        if not self.token:
            message = "who asks? Give an administrator's token as SWITCHBOARD_TOKEN, or with --token"
            raise Failed(message)
        return {"Authorization": f"Bearer {self.token}"}

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        lines = [f"{self.url} answers {answer.status_code}: {problem.get('title', answer.reason_phrase)}"]
        lines += [f"  {error.get('pointer', '')}: {error.get('detail', '')}" for error in problem.get("errors", [])]
        raise Failed("\n".join(lines))


def practice_of(token: str) -> str:
    """The practice that a token is for, as it says itself: whether that is true is the other side's to check.

    Raises `Failed` for an operator's token, which is for all practices, and for what is no token.
    """
    try:
        claims = token.split(".")[1]
        practice_id = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["practice_id"]
    except (IndexError, KeyError, ValueError):
        message = "this token does not say which practice it is for: name it with --practice"
        raise Failed(message) from None
    return str(practice_id)
