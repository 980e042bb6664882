"""The port to providers of texts: what each of them can do, in our words. One file each, held to one contract suite."""

from dataclasses import dataclass
from typing import Literal, Protocol

from shared_schemas.conversation_changes import DeliveryFailure


@dataclass(frozen=True, slots=True)
class Media:
    """A file that came with a text: where the provider keeps it, and what it is said to be."""

    url: str
    content_type: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What a provider says became of a text that we sent."""

    provider_message_id: str
    status: Literal["sent", "delivered", "failed"]
    failure: DeliveryFailure | None = None
    """Why it failed."""
    provider_code: str | None = None
    """The same in the provider's words."""


class TextProvider(Protocol):
    """Sends texts from one channel."""

    async def send(self, to: str, body: str, *, text_id: str, status_url: str) -> str | None:
        """Send a text to a phone (E.164). Returns the provider's id of it, None where it took it without saying one. What
        becomes of it is told to `status_url`.

        Raises `SendFailed` for a refusal, httpx's errors when the provider cannot be reached.
        """
        ...
