"""How a practice and its channels are set up: the forms of the API's bodies."""

import base64
import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from ingest.domain.answers import EMERGENCY_TEXT

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


MOST_TEXT = 480
"""Three parts of a text."""
Words = Annotated[str, Field(min_length=2, max_length=50, pattern=r"[^\W_]")]
"""At least one letter or digit."""


_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")
"""In JSON. Two backslashes are a backslash."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="after")
    def _can_be_stored(self) -> Self:
        if _NUL.search(self.model_dump_json()):
            message = "PostgreSQL keeps no NUL"
            raise ValueError(message)
        return self


WordsByLanguage = Annotated[
    dict[Literal["en", "es"], Annotated[str, Field(min_length=1, max_length=1000)]], Field(max_length=2)
]
"""A text by language."""


class Messenger(_Body):
    """How a practice's messenger looks, and what it always says."""

    colour: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")] = "#1f4e79"
    """Of the band at the top. The words on it are black or white, whichever can be read."""
    hours: WordsByLanguage = Field(default_factory=dict)
    """When the practice answers."""
    emergency_notice: WordsByLanguage = Field(default_factory=dict)
    """What to do in an emergency; where it is not given, to call 911."""


class Profile(_Body):
    """A practice: its address in the messenger, its name, the country of its phone numbers (ISO 3166), and what it answers
    by itself.
    """

    slug: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    help_text: Annotated[str | None, Field(min_length=1, max_length=MOST_TEXT)] = None
    """What HELP is answered with; None: a text with the practice's name."""
    emergency_words: Annotated[tuple[Words, ...], Field(max_length=100)] = ()
    """Words, or several in a row, that make a message urgent and are answered at once with `emergency_text`."""
    emergency_text: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)] = EMERGENCY_TEXT
    """What a patient in an emergency is to do."""
    messenger: Messenger = Messenger()


class TwilioSms(_Body):
    """Texts through Twilio."""

    kind: Literal["twilio-sms"]
    number: Number
    account_sid: str
    auth_token: str = Field(repr=False)
    answers_keywords: bool = True
    """Whether we answer STOP, START and HELP. False where Twilio does it: otherwise patients are answered twice."""


class TwilioVoice(_Body):
    """Voicemail through Twilio."""

    kind: Literal["twilio-voice"]
    number: Number
    account_sid: str
    auth_token: str = Field(repr=False)
    greeting: str = "Thank you for calling. Please press the number of your extension, or wait to leave a message."
    """Said to every caller. Where the practice has no extensions none is asked for, and the message follows at once."""


class TelnyxSms(_Body):
    """Texts through Telnyx. The public key is the one that Telnyx shows for its webhooks, base64; the API key is for
    sending, and without it nothing can be sent.
    """

    kind: Literal["telnyx-sms"]
    number: Number
    public_key: Annotated[str, AfterValidator(_is_ed25519_key)]
    api_key: str | None = Field(default=None, repr=False)
    answers_keywords: bool = True
    """Whether we answer STOP, START and HELP. False where Telnyx does it."""


class Adapter(_Body):
    """Somebody else's channel adapter, with a token of its own."""

    kind: Literal["adapter"]
    token: Annotated[str, Field(min_length=20, repr=False)]


Channel = Annotated[TwilioSms | TwilioVoice | TelnyxSms | Adapter, Field(discriminator="kind")]
CHANNEL: TypeAdapter[TwilioSms | TwilioVoice | TelnyxSms | Adapter] = TypeAdapter(
    Channel, config=ConfigDict(hide_input_in_errors=True)
)
SECRETS = frozenset({"auth_token", "token", "api_key"})
"""Written, never read back."""
