"""How a practice and its channels are set up: the forms of the API's bodies."""

import base64
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

Number = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]
"""E.164."""


def _is_ed25519_key(text: str) -> str:
    try:
        is_key = len(base64.b64decode(text, validate=True)) == 32  # noqa: PLR2004 - RFC 8032
    except ValueError:
        is_key = False
    if not is_key:
        message = "this is no Ed25519 public key in base64"
        raise ValueError(message)
    return text


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Profile(_Body):
    """A practice: its address in the messenger, its name, the country of its phone numbers (ISO 3166)."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"


class TwilioSms(_Body):
    """Texts through Twilio."""

    kind: Literal["twilio-sms"]
    number: Number
    account_sid: str
    auth_token: str = Field(repr=False)


class TwilioVoice(_Body):
    """Voicemail through Twilio."""

    kind: Literal["twilio-voice"]
    number: Number
    account_sid: str
    auth_token: str = Field(repr=False)
    greeting: str = "Thank you for calling. Please press the number of your extension, or wait to leave a message."


class TelnyxSms(_Body):
    """Texts through Telnyx. The public key is the one that Telnyx shows for its webhooks, base64; the API key is for
    sending, and without it nothing can be sent.
    """

    kind: Literal["telnyx-sms"]
    number: Number
    public_key: Annotated[str, AfterValidator(_is_ed25519_key)]
    api_key: str | None = Field(default=None, repr=False)


class Adapter(_Body):
    """Somebody else's channel adapter, with a token of its own."""

    kind: Literal["adapter"]
    token: Annotated[str, Field(min_length=20, repr=False)]


Channel = Annotated[TwilioSms | TwilioVoice | TelnyxSms | Adapter, Field(discriminator="kind")]
CHANNEL: TypeAdapter[TwilioSms | TwilioVoice | TelnyxSms | Adapter] = TypeAdapter(Channel)
SECRETS = frozenset({"auth_token", "token", "api_key"})
"""Written, never read back."""
