"""Sending a text, through whichever provider a channel is of."""

from dataclasses import dataclass

import httpx

from ingest.adapters import telnyx, twilio
from ingest.configuration import Channel, TelnyxSms, TwilioSms

TextChannel = TwilioSms | TelnyxSms


@dataclass(frozen=True, slots=True)
class Texting:
    """What texts are sent with: a client, and where the providers are (without a slash at the end)."""

    http: httpx.AsyncClient
    twilio_api_url: str
    telnyx_api_url: str

    async def send(self, channel: TextChannel, to: str, body: str) -> str:
        """Send a text; returns the provider's id of it.

        Raises `SendFailed` for a refusal, httpx's errors when the provider cannot be reached.
        """
        match channel:
            case TwilioSms():
                return await twilio.send_text(self.http, self.twilio_api_url, channel, to, body)
            case TelnyxSms():
                return await telnyx.send_text(self.http, self.telnyx_api_url, channel, to, body)


def can_text(channel: Channel) -> bool:
    """Whether texts can be sent through it."""
    return isinstance(channel, TwilioSms) or (isinstance(channel, TelnyxSms) and channel.api_key is not None)
