"""Who calls a webhook: the provider of the channel, or nobody that we listen to."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.routing import APIRoute

from ingest.adapters import twilio
from ingest.configuration import TelnyxSms, TwilioSms, TwilioVoice
from ingest.domain.phones import e164
from ingest.publishing import Doors
from ingest.storage.channels import Arrival, PlacedChannel
from shared_web import Problem, bounded_body

MOST_BYTES = 256 * 1024
LONGEST_SECONDS = 10.0
TWIML = "application/xml"

C = TypeVar("C", TwilioSms, TwilioVoice, TelnyxSms)


@dataclass(frozen=True, slots=True)
class Signed:
    """A Twilio request whose signature was checked."""

    arrival: Arrival
    form: dict[str, str]

    @property
    def at(self) -> PlacedChannel:
        """The channel that it came in through."""
        return self.arrival.at

    def get(self, name: str) -> str:
        """A parameter that Twilio always sends. Raises a 400 problem when it is missing all the same."""
        if name not in self.form:
            raise Problem(HTTPStatus.BAD_REQUEST, f"The parameter {name} is missing")
        return self.form[name]

    @property
    def phone(self) -> str:
        """Who texts or calls, as E.164 where that can be."""
        return e164(self.get("From"), self.at.country)


class Prompt(APIRoute):
    """Gives up in time for the answer to be heard: Twilio listens for fifteen seconds."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler with a bound on its time."""
        handle = super().get_route_handler()

        async def handle_in_time(request: Request) -> Response:
            async with asyncio.timeout(LONGEST_SECONDS):
                return await handle(request)

        return handle_in_time


async def from_twilio(parts: Doors, channel_id: str, request: Request, kind: type[C]) -> tuple[Signed, C]:
    """The parameters of a request that Twilio signed for this channel. Raises a 403 problem for any other."""
    body = await bounded_body(request, MOST_BYTES)
    try:
        form = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body))
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "This is no form") from None
    words = {name: value.replace("\0", "\ufffd") for name, value in form}  # PostgreSQL keeps no NUL
    arrival, channel = await channel_for(parts, channel_id, kind, words.get("From", ""))
    query = f"?{request.url.query}" if request.url.query else ""
    url = f"{parts.public_url}{request.url.path}{query}"
    token = getattr(channel, "auth_token", "")
    if not twilio.is_signed(token, url, form, request.headers.get("x-twilio-signature", "")):
        raise not_signed()
    return Signed(arrival, words), channel


async def channel_for(parts: Doors, channel_id: str, kind: type[C], phone: str) -> tuple[Arrival, C]:
    """A channel of this kind, as something arrives there from a phone, and by itself. Raises a 404 problem."""
    arrival = await parts.arrivals.ask(channel_id, phone)
    if arrival is None or not isinstance(arrival.at.channel, kind):
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such channel")
    return arrival, arrival.at.channel


def not_signed() -> Problem:
    """Somebody else than the provider."""
    return Problem(HTTPStatus.FORBIDDEN, "The signature is not the provider's")
