"""A text that a provider did not take."""

from collections.abc import Set as AbstractSet
from http import HTTPStatus

import httpx


class SendFailed(Exception):  # noqa: N818 - the caller decides whether it is an error
    """The provider did not take a text. `code` is the provider's error code, else the HTTP status."""

    def __init__(self, code: int, *, is_final: bool) -> None:
        super().__init__(f"the provider refused: {code}")
        self.code = code
        self.is_final = is_final
        """Trying again would change nothing: the number is none, or its owner wants no texts."""


def refusal(answer: httpx.Response, code: int | None, final: AbstractSet[int]) -> SendFailed:
    """What an answer other than success means. 429 and 5xx are worth another attempt, whatever the code says."""
    is_temporary = answer.status_code == HTTPStatus.TOO_MANY_REQUESTS or answer.is_server_error
    return SendFailed(code or answer.status_code, is_final=not is_temporary and (code in final or code is None))
