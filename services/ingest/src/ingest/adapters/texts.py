"""Sending a text, through whichever provider a channel is of."""

from dataclasses import dataclass
from typing import assert_never
from urllib.parse import urlencode

import httpx

from ingest.adapters.telnyx import TelnyxTexts
from ingest.adapters.text_provider import TextProvider
from ingest.adapters.twilio import TwilioTexts
from ingest.configuration import Channel, TelnyxSms, TwilioSms

TextChannel = TwilioSms | TelnyxSms


@dataclass(frozen=True, slots=True)
class Texting:
    """What texts are sent with: a client, where the providers are, and where we are (without a slash at the end)."""

    http: httpx.AsyncClient
    twilio_api_url: str
    telnyx_api_url: str
    public_url: str

    async def send(self, channel_id: str, channel: TextChannel, to: str, body: str, *, text_id: str) -> str | None:
        """Send a text; returns the provider's id of it, if it said one. `text_id` comes back with what becomes of it.

        Raises `SendFailed` for a refusal, httpx's errors when the provider cannot be reached.
        """
        path = "twilio/sms/{}/status" if isinstance(channel, TwilioSms) else "telnyx/sms/{}"
        status_url = f"{self.public_url}/hooks/{path.format(channel_id)}?{urlencode({'text_id': text_id})}"
        return await self._provider(channel).send(to, body, text_id=text_id, status_url=status_url)

    def _provider(self, channel: TextChannel) -> TextProvider:
        match channel:
            case TwilioSms():
                return TwilioTexts(self.http, self.twilio_api_url, channel)
            case TelnyxSms():
                return TelnyxTexts(self.http, self.telnyx_api_url, channel)
            case _:
                assert_never(channel)


def can_text(channel: Channel) -> bool:
    """Whether texts can be sent through it."""
    return isinstance(channel, TwilioSms) or (isinstance(channel, TelnyxSms) and channel.api_key is not None)
