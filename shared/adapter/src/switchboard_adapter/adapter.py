"""Publishing over HTTP: `POST /v1/messages`, a CloudEvent in binary mode, with the adapter's token."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Self

import httpx

from shared_schemas import ids
from shared_schemas.cloudevents import encode
from shared_schemas.patient_messages import MessageReceivedV1
from shared_schemas.values import Channel
from switchboard_adapter.buffer import Buffer

MOST_CHARACTERS = 50_000
"""Of a message's text; the rest is cut off, and the text says so. An endpoint takes 256 KiB."""
_CUT = "\n[cut off: the message was longer]"
_CLOCK_SKEW = timedelta(minutes=5)
_SOURCE = "/switchboard/adapter"
_WORTH_RETRYING = {HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
"""Besides every 5xx. A token that is refused is a setting to mend: nothing is lost meanwhile."""


class RefusedError(Exception):
    """Switchboard will never take this message. The text says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """What a patient sent through your channel."""

    key: str
    """Your channel's own id of the message: the same one again is the same message."""
    body: str
    sender: str
    """The address that it came from. It stays with you: Switchboard gets an id that stands for it."""
    patient_id: str | None = None
    """The practice-management system's id of the patient, where you are sure who it is."""
    received_at: datetime | None = None
    """When your channel received it (aware); now, where it does not say, or says a time to come."""
    channel: Channel = "web"
    """As which of Switchboard's channels the rules see it: `web` keeps a reason, `sms` and `voicemail` remove it."""


class Adapter:
    """Publishes messages in the order of `publish`. Those that cannot be sent wait in a file, for this process or the next.

    Not for several threads at once; one process for each file. A context manager.
    """

    def __init__(self, url: str, token: str, practice_id: str, buffer: Path, *, timeout: float = 10) -> None:
        """`url`: where Switchboard is; `token`: the one of this adapter; `timeout` in seconds for each request."""
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=timeout)
        self._key = token.encode()
        self._practice_id = practice_id
        self._buffer = Buffer(buffer)

    def __enter__(self) -> Self:
        """What waits is sent with the next message, or by `flush`."""
        return self

    def __exit__(self, *_: object) -> None:
        """What waits stays in the file."""
        self._http.close()
        self._buffer.close()

    def publish(self, message: IncomingMessage) -> str:
        """Hand a message over; returns its id once it is durable: at Switchboard, or in the file until it can be sent.

        Raises `RefusedError` when Switchboard will never take it; later messages are not held up by it.
        """
        event = self._event(message)
        headers, value = encode(event, _SOURCE, event.received_at)
        self._buffer.add(event.message_id, dict(_http_headers(headers)), value)
        if event.message_id in self.flush():
            raise RefusedError(self._buffer.refusal_of(event.message_id))
        return event.message_id

    def flush(self) -> set[str]:
        """Send what waits, in order, until something cannot be sent; returns the ids of what was refused for good."""
        refused: set[str] = set()
        for message_id, headers, value in self._buffer.waiting():
            try:
                answer = self._http.post("/v1/messages", content=value, headers=headers)
            except httpx.TransportError:
                break
            if answer.is_success:
                self._buffer.forget(message_id)
            elif answer.is_server_error or answer.status_code in _WORTH_RETRYING:
                break
            else:
                self._buffer.refuse(message_id, f"{answer.status_code} {_title(answer)}")
                refused.add(message_id)
        return refused

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent."""
        return len(self._buffer)

    def _event(self, message: IncomingMessage) -> MessageReceivedV1:
        now = datetime.now(UTC)
        received_at = message.received_at or now
        is_long = len(message.body) > MOST_CHARACTERS
        contact = ids.contact_id(self._key, self._practice_id, message.sender)
        return MessageReceivedV1(
            message_id=ids.message_id(message.channel, self._practice_id, message.key),
            practice_id=self._practice_id,
            patient_id=message.patient_id or contact,
            channel=message.channel,
            provider_message_id=message.key,
            received_at=now if received_at > now + _CLOCK_SKEW else received_at,
            body=message.body[: MOST_CHARACTERS - len(_CUT)] + _CUT if is_long else message.body,
            identity="matched" if message.patient_id else "unknown",
            from_address_id=contact,
        )


def _http_headers(headers: tuple[tuple[str, bytes], ...]) -> dict[str, str]:
    """Kafka's headers are `ce_…`, HTTP's `ce-…`; the rest is the same."""
    return {name.replace("_", "-"): value.decode() for name, value in headers}


def _title(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["title"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
