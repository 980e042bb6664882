"""How a connection is set up: the form of the API's body."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        message = "this is no time zone like America/New_York"
        raise ValueError(message) from error
    return name


class CsvConnection(BaseModel):
    """Files that somebody uploads or drops."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Literal["csv"]
    time_zone: Annotated[str, AfterValidator(_known_zone)]
    """IANA name: the zone of times that come without one."""
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    """ISO 3166: the country of phone numbers that come without a prefix."""
    columns: dict[str, str] = {}
    """Our column names to the file's, where they differ."""
    most_removed: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of the upcoming appointments that one file may remove; beyond it the file is refused."""
