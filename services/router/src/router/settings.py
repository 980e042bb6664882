"""The router's settings: environment variables, or files of the same names in /run/secrets."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from shared_web.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="SWITCHBOARD_ROUTER_"):
    """See `ServiceSettings`."""

    decision_retention: Annotated[timedelta, Field(ge=timedelta(days=30))] = timedelta(days=365)
    """How long decision records and the changes to conversations are kept: at least 30 days, dropped week by week."""
