"""Providers' tokens are sealed at rest, those from before too once somebody says so, and under the newest key then."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from ingest.app import SCHEMA
from ingest.configuration import Adapter, Channel, TelnyxSms, TwilioSms
from ingest.storage.channels import (
    NOTED_EVERY,
    Arrivals,
    channels_of,
    note_use,
    reseal_channels,
    save_channel,
    shown_channels,
)
from ingest.storage.owners import digest
from shared_database import DatabaseLogin, create_pool, practice_scope
from shared_database.migrations import migrate
from shared_database.sealing import Sealer, Unopenable, new_key

if TYPE_CHECKING:
    from shared_database.pools import Pool

TOKEN = "made-up-token-of-a-provider"  # noqa: S105
KEY, NEWER = new_key(), new_key()
NOW = datetime(2026, 11, 25, tzinfo=UTC)
SMS = TwilioSms(kind="twilio-sms", number="+12125550100", account_sid="AC1", auth_token=TOKEN)
TELNYX = TelnyxSms(kind="telnyx-sms", number="+12125550101", public_key="A" * 43 + "=", api_key=TOKEN)
MUTE = TelnyxSms(kind="telnyx-sms", number="+12125550102", public_key="A" * 43 + "=")


@dataclass
class Place:
    pool: "Pool"
    practice_id: str

    def id(self, name: str) -> str:
        return f"{self.practice_id}-{name}"

    async def save(self, name: str, channel: Channel, sealer: Sealer | None) -> None:
        await save_channel(self.pool, self.practice_id, self.id(name), channel, sealer)

    async def stored(self) -> str:
        async with practice_scope(self.pool, self.practice_id) as connection:
            rows = await connection.fetch(
                "SELECT channel::text AS one FROM channel WHERE practice_id = $1", self.practice_id
            )
        return "\n".join(row["one"] for row in rows)

    async def used(self, name: str) -> datetime | None:
        return (await shown_channels(self.pool, self.practice_id))[self.id(name)].used_at

    async def read(self, sealer: Sealer | None) -> set[Channel]:
        return set((await channels_of(self.pool, self.practice_id, sealer)).values())


@pytest.fixture
async def place(postgres_dsn: str) -> AsyncGenerator[Place]:
    migrate(postgres_dsn, [SCHEMA])
    async with await create_pool(DatabaseLogin(postgres_dsn, SCHEMA.schema), min_size=0) as pool:
        yield Place(pool, f"p-{uuid4().hex[:12]}")


async def test_a_providers_token_is_in_no_row_and_works_all_the_same(place: Place) -> None:
    sealer = Sealer.of(KEY)
    for name, channel in (("sms", SMS), ("telnyx", TELNYX), ("mute", MUTE)):
        await place.save(name, channel, sealer)
    arrival = await Arrivals(place.pool, sealer).ask(place.id("sms"), "")

    assert "twilio-sms" in await place.stored()
    assert TOKEN not in await place.stored()
    assert await place.read(sealer) == {SMS, TELNYX, MUTE}
    assert arrival is not None
    assert arrival.at.channel == SMS


async def test_a_token_from_before_there_was_a_key_works_and_is_sealed_when_somebody_says_so(place: Place) -> None:
    await place.save("sms", SMS, None)
    before = await place.stored()
    sealer = Sealer.of(KEY)
    read = await place.read(sealer)
    count = await reseal_channels(place.pool, place.practice_id, sealer)

    assert TOKEN in before
    assert (read, count) == ({SMS}, 1)
    assert TOKEN not in await place.stored()
    assert await place.read(sealer) == {SMS}


async def test_after_sealing_anew_the_old_key_is_needed_no_more(place: Place) -> None:
    await place.save("sms", SMS, Sealer.of(KEY))
    with pytest.raises(Unopenable):
        await place.read(Sealer.of(NEWER))
    await reseal_channels(place.pool, place.practice_id, Sealer.of(f"{NEWER},{KEY}"))

    assert await place.read(Sealer.of(NEWER)) == {SMS}


@pytest.mark.parametrize("sealer", [None, Sealer.of(NEWER)])
async def test_without_its_key_a_token_lets_nobody_in_and_its_channel_is_still_shown(
    place: Place, sealer: Sealer | None
) -> None:
    await place.save("sms", SMS, Sealer.of(KEY))
    with pytest.raises(Unopenable):
        await Arrivals(place.pool, sealer).ask(place.id("sms"), "")
    (shown,) = (await shown_channels(place.pool, place.practice_id)).values()

    assert shown.form == {"kind": "twilio-sms", "number": SMS.number, "account_sid": "AC1", "answers_keywords": True}


async def test_a_sealed_token_is_of_no_use_in_another_channel(place: Place) -> None:
    sealer = Sealer.of(KEY)
    await place.save("sms", SMS, sealer)
    await place.save("other", SMS.model_copy(update={"auth_token": "another"}), sealer)
    async with practice_scope(place.pool, place.practice_id) as connection:
        await connection.execute(
            "UPDATE channel SET configuration = "
            "(SELECT configuration FROM channel WHERE practice_id = $1 AND channel_id = $3) "
            "WHERE practice_id = $1 AND channel_id = $2",
            place.practice_id, place.id("other"), place.id("sms"),
        )  # fmt: skip
    with pytest.raises(Unopenable):
        await Arrivals(place.pool, sealer).ask(place.id("other"), "")


async def test_of_an_adapters_token_the_last_use_is_known_and_a_new_token_was_never_used(place: Place) -> None:
    adapter = Adapter(kind="adapter", token="made-up-token-of-an-adapter")  # noqa: S106
    sealer = Sealer.of(KEY)
    await place.save("mail", adapter, sealer)
    uses = [await place.used("mail")]
    for now in (NOW, NOW + NOTED_EVERY / 2, NOW + 2 * NOTED_EVERY):
        await note_use(place.pool, place.practice_id, digest(adapter.token), now)
        uses.append(await place.used("mail"))
    await place.save("mail", adapter.model_copy(update={"token": "another-made-up-token-here"}), sealer)
    uses.append(await place.used("mail"))

    assert uses == [None, NOW, NOW, NOW + 2 * NOTED_EVERY, None]
    assert adapter.token not in await place.stored()
