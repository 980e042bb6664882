"""What the endpoints work with, and who may call them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends

from router.domain.facts import Place, PlaceId
from router.publishing import SettingsPublisher
from router.storage.facts import directory_of
from shared_web import Principal, administrator_of, member_of

if TYPE_CHECKING:
    from shared_database.pools import Pool

Administrator = Annotated[Principal, Depends(administrator_of)]
Member = Annotated[Principal, Depends(member_of)]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the endpoints work with."""

    pool: "Pool"
    publisher: SettingsPublisher
    clock: Callable[[], datetime]


Ask = Callable[[], Dependencies]


async def places_of(pool: "Pool", practice_id: str) -> tuple[Mapping[PlaceId, Place], Mapping[PlaceId, Place]]:
    """The locations and the providers that a practice has now."""
    directory = await directory_of(pool, practice_id)
    locations, providers = (
        {id_: place for id_, place in known.items() if not place.is_retired}
        for known in (directory.locations, directory.providers)
    )
    return locations, providers
