"""What is told of a text's channel and of its writer in one question is what each question by itself would tell."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from ingest.configuration import TwilioSms
from ingest.storage.channels import Arrival, Arrivals, forget_channel, save_channel
from ingest.storage.contacts import Writer, subject_of, writer_at
from ingest.storage.texts import save_consent
from shared_database import practice_scope
from tests.integration.ingest.test_contacts import NOW, OTHER_PHONE, PHONE, know, pool, practice

if TYPE_CHECKING:
    from shared_database.pools import Pool

__all__ = ["pool", "practice"]

AUTH_TOKEN = "made-up-token"  # noqa: S105 - of this test
SMS = TwilioSms(kind="twilio-sms", number="+12125550100", account_sid="AC1", auth_token=AUTH_TOKEN)


class Door:
    """A door with one channel."""

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.arrivals = Arrivals(pool, None)
        self.channel_id = "texts-" + secrets.token_hex(4)
        self.answers: list[bool] = []
        """Whether the one question told who wrote, each time."""

    async def text(self, phone: str) -> Writer:
        arrival = await self.arrivals.ask(self.channel_id, phone)
        assert arrival is not None
        at = arrival.at
        writer = await writer_at(self.pool, at.practice_id, at.contact_key, phone, self.channel_id, arrival.known)
        assert writer == await writer_at(self.pool, at.practice_id, at.contact_key, phone, self.channel_id, None)
        self.answers.append(arrival.known is not None and arrival.known.address_id == writer.sender.address_id)
        return writer


async def test_who_writes_is_told_with_the_channel_once_the_practice_is_known(pool: "Pool", practice: str) -> None:
    door = Door(pool)
    await save_channel(pool, practice, door.channel_id, SMS, None)
    await know(pool, practice, "pt-1", [PHONE])

    senders = [(await door.text(phone)).sender for phone in (PHONE, PHONE, OTHER_PHONE)]

    assert [(one.patient_id, one.identity) for one in senders[:2]] == [("pt-1", "matched")] * 2
    assert senders[2].identity == "unknown"
    assert door.answers == [False, False, True]  # the first made the key, the second heard of it


async def test_a_channel_that_became_another_practices_tells_nothing_of_the_one_before(
    pool: "Pool", practice: str
) -> None:
    door, neighbour = Door(pool), practice + "-neighbour"
    await save_channel(pool, practice, door.channel_id, SMS, None)
    await know(pool, practice, "pt-ours", [PHONE])
    await know(pool, neighbour, "pt-theirs", [])
    async with practice_scope(pool, neighbour) as connection:  # staff have found out whose phone it is
        contact = await subject_of(connection, neighbour, PHONE)
        await connection.execute(
            "INSERT INTO contact (practice_id, contact_id, phone, linked_to, linked_at) VALUES ($1, $2, $3, $4, $5)",
            neighbour, contact, PHONE, "pt-theirs", NOW,
        )  # fmt: skip
    before = [(await door.text(PHONE)).sender.patient_id for _ in range(3)]
    await forget_channel(pool, practice, door.channel_id)
    await save_channel(pool, neighbour, door.channel_id, SMS, None)

    after = [(await door.text(PHONE)).sender.patient_id for _ in range(3)]

    assert before == ["pt-ours"] * 3
    assert after == ["pt-theirs"] * 3
    assert door.answers == [False, False, True, False, True, True]


async def test_what_is_kept_of_a_phone_is_told_of_that_phone_alone(pool: "Pool", practice: str) -> None:
    door, other_channel = Door(pool), Door(pool)
    for one in (door, other_channel):
        await save_channel(pool, practice, one.channel_id, SMS, None)
    writers = {phone: (await door.text(phone)).sender.patient_id for phone in (PHONE, OTHER_PHONE)}
    async with practice_scope(pool, practice) as connection:
        await save_consent(connection, practice, PHONE, is_given=False, at=NOW)

    async def told(channel_id: str, phone: str) -> tuple[Sequence[str], bool]:
        await door.arrivals.ask(channel_id, phone)  # the channel is known from now on
        arrival = await door.arrivals.ask(channel_id, phone)
        assert arrival is not None
        assert arrival.known is not None
        return arrival.known.answered, arrival.known.has_opted_out

    assert await told(door.channel_id, PHONE) == ([writers[PHONE]], True)
    assert await told(door.channel_id, OTHER_PHONE) == ([writers[OTHER_PHONE]], False)
    assert await told(other_channel.channel_id, OTHER_PHONE) == ([], False)


@pytest.mark.parametrize("is_known", [False, True])
async def test_no_channel_is_no_arrival(pool: "Pool", practice: str, *, is_known: bool) -> None:
    door = Door(pool)
    if is_known:
        await save_channel(pool, practice, door.channel_id, SMS, None)
        await door.text(PHONE)
        await forget_channel(pool, practice, door.channel_id)

    assert await door.arrivals.ask(door.channel_id, PHONE) is None


async def test_each_of_many_at_once_is_told_of_its_own_channel_and_writer(pool: "Pool", practice: str) -> None:
    doors = [Door(pool) for _ in range(20)]
    arrivals = doors[0].arrivals
    for number, door in enumerate(doors):
        await save_channel(pool, f"{practice}-{number}", door.channel_id, SMS, None)
        await know(pool, f"{practice}-{number}", f"pt-{number}", [PHONE])
        await door.text(PHONE)  # the practice has a key from now on
    for door in doors:
        await arrivals.ask(door.channel_id, PHONE)  # which is known here, too

    told = await asyncio.gather(
        *(arrivals.ask(door.channel_id, PHONE) for door in doors),
        arrivals.ask("no-such-channel", PHONE),
        arrivals.ask(doors[0].channel_id, "\ud800"),  # no text: nothing can be asked of it
        return_exceptions=True,
    )

    found = [one for one in told if isinstance(one, Arrival)]
    assert [(one.at.practice_id, one.at.channel_id) for one in found] == [
        (f"{practice}-{number}", door.channel_id) for number, door in enumerate(doors)
    ]
    assert [one.known.patients for one in found if one.known is not None] == [
        [f"pt-{number}"] for number in range(len(doors))
    ]
    assert told[-2] is None
    assert isinstance(told[-1], ValueError)
