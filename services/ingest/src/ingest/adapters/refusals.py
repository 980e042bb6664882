"""What a provider answers to a text, and what it means that it did not take it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from shared_schemas.conversation_changes import DeliveryFailure

A = TypeVar("A", bound=BaseModel)


class SendFailed(Exception):  # noqa: N818 - the caller decides whether it is an error
    """The provider did not take a text. `code` is the provider's error code, else the HTTP status."""

    def __init__(self, code: int, failure: DeliveryFailure | None) -> None:
        super().__init__(f"the provider refused: {code}")
        self.code = code
        self.failure: DeliveryFailure | None = failure
        """Why trying again would change nothing; None where it may help."""


def refusal(answer: httpx.Response, code: int | None, final: Mapping[int, DeliveryFailure]) -> SendFailed:
    """What an answer other than success means. 429 and 5xx are worth another attempt, whatever the code says."""
    is_temporary = answer.status_code == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error
    if is_temporary:
        return SendFailed(code or answer.status_code, None)
    return SendFailed(code or answer.status_code, final.get(code) if code is not None else "refused")


def read_answer(kind: type[A], answer: httpx.Response) -> A:
    """What an answer says. One that cannot be read, a proxy's page for example, says nothing: all of `kind` has defaults."""
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError:
        return kind()
