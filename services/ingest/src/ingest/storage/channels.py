"""Channels: where messages of a practice come in, and what its texts go out through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ingest.configuration import Adapter, Channel, Profile
from ingest.domain.phones import e164
from ingest.storage.asking import AskedTogether
from ingest.storage.channel_secrets import read_channel, stored_form, without_secrets
from ingest.storage.contacts import Known
from ingest.storage.owners import claim, digest, give_up
from ingest.storage.practices import Taken, read_profile
from shared_database import UNKEEPABLE, practice_scope
from shared_database.pools import columns
from shared_database.sealing import Sealer
from shared_schemas import ids

if TYPE_CHECKING:
    from shared_database.pools import Connection, Pool, Row

_ARRIVALS = "SELECT *, NOT EXISTS (SELECT FROM spooled) AS is_spool_empty FROM arrivals_at($1, $2, $3)"
_REMEMBERED = 10_000
"""Channels that are remembered from the last time."""

NOTED_EVERY = timedelta(minutes=1)
"""How exactly it is known when an adapter's token was used last."""


@dataclass(frozen=True, slots=True)
class PlacedChannel:
    """A channel where it is: of which practice, and what a door needs to know of that."""

    practice_id: str
    channel_id: str
    channel: Channel
    profile: Profile | None
    """None before it is set up."""
    contact_key: bytes | None
    """What the ids of the practice's contacts are made with; None before it has any."""

    @property
    def country(self) -> str:
        """Of the practice's phone numbers."""
        return self.profile.country if self.profile else "US"

    def address_of(self, phone: str) -> tuple[str | None, str]:
        """What stands for a phone, None before the practice has any contacts, and the phone as E.164 where that can be."""
        spelled = e164(phone, self.country)
        return ids.contact_id(self.contact_key, self.practice_id, spelled) if self.contact_key else None, spelled


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where something came in, and what was told together with that."""

    at: PlacedChannel
    known: Known | None
    """Of the phone that it came from."""
    is_spool_empty: bool
    """No event waited for Kafka when this was asked."""


@dataclass(frozen=True, slots=True)
class ShownChannel:
    """A channel without its secrets."""

    channel_id: str
    form: Mapping[str, Any]
    used_at: datetime | None
    """When an adapter's token was used last."""


async def save_channel(
    pool: "Pool", practice_id: str, channel_id: str, channel: Channel, sealer: Sealer | None
) -> None:
    """Make or change a channel. Providers' tokens are sealed; of an adapter's own only a digest is kept.

    Raises `Taken` when its id or token is another practice's.
    """
    async with practice_scope(pool, practice_id) as connection:
        if not await claim(connection, "channel", channel_id, practice_id):
            raise Taken
        await _release_token(connection, practice_id, channel_id)
        kept = channel
        if isinstance(channel, Adapter):
            token = digest(channel.token)
            kept = channel.model_copy(update={"token": token})
            if not await claim(connection, "adapter", token, practice_id):
                raise Taken
        await connection.execute(
            "INSERT INTO channel (practice_id, channel_id, kind, configuration) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT (practice_id, channel_id) "
            "DO UPDATE SET kind = excluded.kind, configuration = excluded.configuration, used_at = NULL",
            practice_id,
            channel_id,
            channel.kind,
            stored_form(kept, practice_id, channel_id, sealer),
        )


async def forget_channel(pool: "Pool", practice_id: str, channel_id: str) -> None:
    """Delete a channel: its webhooks are answered 404 from now on."""
    async with practice_scope(pool, practice_id) as connection:
        await _release_token(connection, practice_id, channel_id)
        await give_up(connection, "channel", channel_id, practice_id)
        await connection.execute(
            "DELETE FROM channel WHERE practice_id = $1 AND channel_id = $2", practice_id, channel_id
        )


async def shown_channels(pool: "Pool", practice_id: str) -> Mapping[str, ShownChannel]:
    """All channels of a practice, by id. Those whose secrets cannot be opened are shown, too."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT channel_id, configuration, used_at FROM channel WHERE practice_id = $1 ORDER BY channel_id",
            practice_id,
        )
    return {
        row["channel_id"]: ShownChannel(row["channel_id"], without_secrets(row["configuration"]), row["used_at"])
        for row in rows
    }


async def channels_of(pool: "Pool", practice_id: str, sealer: Sealer | None) -> Mapping[str, Channel]:
    """All channels of a practice, by id. Raises `Unopenable`."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT channel_id, configuration FROM channel WHERE practice_id = $1 ORDER BY channel_id", practice_id
        )
    return {
        row["channel_id"]: read_channel(row["configuration"], practice_id, row["channel_id"], sealer) for row in rows
    }


class Arrivals:
    """Asks about what arrives from a phone, all in one round trip: its channel, whose phone it is, what waits for Kafka.
    What arrives while others are asked about shares the next round trip.

    What stands for a phone is made with a key of the practice, and the answer says of which practice the channel is. So the
    question is asked with what it was at the last time; what is told of another address is of no use to `writer_at`, which
    then asks itself.
    """

    def __init__(self, pool: "Pool", sealer: Sealer | None) -> None:
        self._pool = pool
        self._sealer = sealer
        self._last: dict[str, PlacedChannel] = {}
        self._rows = AskedTogether(self._ask, spoilt_by=(*UNKEEPABLE, ValueError))

    async def ask(self, channel_id: str, phone: str) -> Arrival | None:
        """About this channel, whichever practice has it, and this phone, as the provider spells it; "" is nobody's.

        None when no practice has such a channel. Raises `Unopenable`.
        """
        address_id, spelled = self._last[channel_id].address_of(phone) if channel_id in self._last else (None, phone)
        row = await self._rows.ask((channel_id, address_id, spelled))
        if row["configuration"] is None:
            return None
        at = _placed(
            row["practice"], channel_id, row["configuration"], row["profile"], row["contact_key"], self._sealer
        )
        if len(self._last) >= _REMEMBERED:
            self._last.clear()
        self._last[channel_id] = at
        return Arrival(at, Known.of(address_id, row) if address_id else None, is_spool_empty=row["is_spool_empty"])

    async def _ask(self, questions: "Sequence[tuple[str, str | None, str]]") -> "Sequence[Row]":
        return await self._pool.fetch(_ARRIVALS, *columns(questions, 3))


async def reseal_channels(pool: "Pool", practice_id: str, sealer: Sealer) -> int:
    """Seal the secrets of a practice's channels with the newest key; how many channels. Raises `Unopenable`.

    One that somebody changes meanwhile is left as they saved it.
    """
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT channel_id, configuration FROM channel WHERE practice_id = $1 AND kind <> 'adapter'", practice_id
        )
        for row in rows:
            channel = read_channel(row["configuration"], practice_id, row["channel_id"], sealer)
            await connection.execute(
                "UPDATE channel SET configuration = $4 WHERE practice_id = $1 AND channel_id = $2 AND configuration = $3",
                practice_id, row["channel_id"], row["configuration"],
                stored_form(channel, practice_id, row["channel_id"], sealer),
            )  # fmt: skip
    return len(rows)


async def note_use(pool: "Pool", practice_id: str, token: str, now: datetime) -> None:
    """An adapter's token (its digest) is used; noted once in `NOTED_EVERY`."""
    async with practice_scope(pool, practice_id) as connection:
        await connection.execute(
            "UPDATE channel SET used_at = $3 WHERE practice_id = $1 AND kind = 'adapter' "
            "AND configuration ->> 'token' = $2 AND (used_at IS NULL OR used_at < $4)",
            practice_id, token, now, now - NOTED_EVERY,
        )  # fmt: skip


@lru_cache(maxsize=1_000)
def _placed(
    practice_id: str,
    channel_id: str,
    configuration: str,
    profile: str | None,
    contact_key: bytes | None,
    sealer: Sealer | None,
) -> PlacedChannel:
    """What is stored is read with every webhook, and mostly as it was: then it is not checked and unsealed anew."""
    channel = read_channel(configuration, practice_id, channel_id, sealer)
    return PlacedChannel(practice_id, channel_id, channel, read_profile(profile), contact_key)


async def _release_token(connection: "Connection", practice_id: str, channel_id: str) -> None:
    token = await connection.fetchval(
        "SELECT configuration ->> 'token' FROM channel WHERE practice_id = $1 AND channel_id = $2",
        practice_id,
        channel_id,
    )
    if token is not None:
        await give_up(connection, "adapter", token, practice_id)
