"""What is particular to each vendor's server, from `vendors.toml`."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared_schemas.practice_management import AppointmentStatus


class Vendor(BaseModel):
    """How a vendor's servers want to be asked, and what they mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    status: dict[str, AppointmentStatus] = {}
    """Their status to FHIR's, where they differ; the empty one is a status that is left out."""
    patients: Literal["all", "referenced"] = "all"
    """Whether patients can be listed, or only read by the ids that appointments name."""
    directory: bool = True
    """Whether locations and practitioners can be listed; else they are known by the appointments that name them."""
    last_updated: bool = True
    """Whether changes can be asked for with `_lastUpdated`; else the next days are read again instead."""
    include: bool = True
    """Whether `_include` brings what appointments refer to."""
    needs_locations: bool = False
    page_size: int = 200
    requests_per_second: float = 50.0
    """Of all connections to one host together."""


@cache
def vendor(name: str) -> Vendor:
    """Raises KeyError for a name that is not in the file."""
    told = tomllib.loads((files("pm_sync.adapters.fhir") / "vendors.toml").read_text("utf-8"))
    return Vendor.model_validate(told[name])
