"""Providers' tokens at rest: sealed where there is a key, each bound to its channel."""

import base64
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from ingest.configuration import CHANNEL, SECRETS, Adapter, Channel
from shared_database.sealing import Sealer, Unopenable

if TYPE_CHECKING:
    from collections.abc import Mapping

_SEALED = "sealed"
"""The member of a stored configuration that has them, by name, in base64. An adapter's token is a digest, and no secret."""


def stored_form(channel: Channel, practice_id: str, channel_id: str, sealer: Sealer | None) -> str:
    """A channel's configuration as it is kept; without a sealer in the clear."""
    body = channel.model_dump(mode="json")
    if sealer is not None and not isinstance(channel, Adapter):
        secrets = {name: body.pop(name) for name in SECRETS & body.keys() if body[name] is not None}
        body[_SEALED] = {
            name: base64.b64encode(sealer.seal(value.encode(), practice_id, "channel", channel_id, name)).decode()
            for name, value in secrets.items()
        }
    return to_json(body).decode()


def read_channel(stored: str | bytes, practice_id: str, channel_id: str, sealer: Sealer | None) -> Channel:
    """The channel. Raises `Unopenable` where its secrets are sealed with a key that is not there."""
    body = from_json(stored)
    sealed: Mapping[str, str] = body.pop(_SEALED, {})
    if sealed and sealer is None:
        raise Unopenable
    for name, value in sealed.items():
        assert sealer is not None  # noqa: S101 - see above
        body[name] = sealer.open(base64.b64decode(value), practice_id, "channel", channel_id, name).decode()
    return CHANNEL.validate_python(body)


def without_secrets(stored: str | bytes) -> dict[str, Any]:
    """What may be shown of a channel, whether its secrets can be opened or not."""
    body = from_json(stored)
    hidden = {
        name: "." * 20 for name in (*body.pop(_SEALED, {}), *SECRETS & body.keys()) if body.get(name, "") is not None
    }
    return CHANNEL.validate_python(body | hidden).model_dump(mode="json", exclude=set(SECRETS))
