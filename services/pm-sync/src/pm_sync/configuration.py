"""How a connection is set up: the form of the API's body."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

SMALLEST_RSA_BITS = 2048


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        message = "this is no time zone like America/New_York"
        raise ValueError(message) from error
    return name


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        message = "this is no address like https://ehr.example.com/fhir"
        raise ValueError(message)
    return url.rstrip("/")


def _signing_key(jwk: dict[str, Any]) -> dict[str, Any]:
    """SMART allows RS384 and ES384: https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html"""
    try:
        key = import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        message = "this is no JSON web key"
        raise ValueError(message) from error
    is_rsa = isinstance(key, RSAKey) and key.raw_value.key_size >= SMALLEST_RSA_BITS
    is_ec = isinstance(key, ECKey) and key.curve_name == "P-384"
    if not key.is_private or not (is_rsa or is_ec):
        message = "the key must be a private one: RSA with 2048 bits or more, or EC with P-384"
        raise ValueError(message)
    return jwk


WebAddress = Annotated[str, AfterValidator(_web_address)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Connection(_Form):
    time_zone: Annotated[str, AfterValidator(_known_zone)]
    """IANA name: the zone of times that come without one."""
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"
    """ISO 3166: the country of phone numbers that come without a prefix."""
    most_removed: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of the upcoming appointments that one reading may remove; beyond it nothing is removed."""


class CsvConnection(_Connection):
    """Files that somebody uploads or drops."""

    kind: Literal["csv"]
    columns: dict[str, str] = {}
    """Our column names to the file's, where they differ."""


class NoAuth(_Form):
    """A server that asks nobody who they are."""

    kind: Literal["none"] = "none"


class SmartBackend(_Form):
    """SMART Backend Services: https://hl7.org/fhir/smart-app-launch/backend-services.html"""

    kind: Literal["smart-backend"]
    client_id: Annotated[str, Field(min_length=1, max_length=200)]
    token_url: WebAddress | None = None
    """None: as the server's .well-known/smart-configuration says."""
    scope: str = " ".join(f"system/{one}.read" for one in ("Appointment", "Patient", "Location", "Practitioner"))
    private_key_jwk: Annotated[dict[str, Any], AfterValidator(_signing_key)] | None = Field(default=None, repr=False)
    """Kept encrypted and never shown. None in a change: the one that there is."""


class FhirConnection(_Connection):
    """A FHIR R4 server that is asked."""

    kind: Literal["fhir-r4"]
    base_url: WebAddress
    vendor: Literal["generic", "openemr", "athenahealth", "oracle", "epic"] = "generic"
    auth: Annotated[NoAuth | SmartBackend, Field(discriminator="kind")] = NoAuth()
    poll: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] = timedelta(seconds=30)
    """How often to ask for what has changed."""
    reread: Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=2))] = timedelta(hours=1)
    """How often to read everything again: only that shows what is gone."""
    window: Annotated[timedelta, Field(ge=timedelta(days=1), le=timedelta(days=400))] = timedelta(days=60)
    """How far ahead appointments are read."""
    locations: Annotated[tuple[str, ...], Field(max_length=200)] = ()
    """Read the appointments of these FHIR locations only, one after the other; none: all at once."""


class Hl7Connection(_Connection):
    """Scheduling messages (HL7 v2 SIU) that an interface engine sends over MLLP."""

    kind: Literal["hl7v2-mllp"]
    sending_application: Annotated[str, Field(max_length=180)] = ""
    """MSH-3 of the connection's messages; empty: any."""
    sending_facility: Annotated[str, Field(max_length=180)] = ""
    """MSH-4; empty: any."""
    location_component: Literal[1, 4] = 1
    """The component of AIL-3 that is the location: 1, the point of care, or 4, the facility."""


Connection = CsvConnection | FhirConnection | Hl7Connection
AnyConnection = Annotated[Connection, Field(discriminator="kind")]
CONNECTION: TypeAdapter[Connection] = TypeAdapter(AnyConnection, config=ConfigDict(hide_input_in_errors=True))


def without_secrets(connection: Connection) -> tuple[Connection, str | None]:
    """The connection as it may be stored and shown, and its secret (a JSON web key), if it has one."""
    if not isinstance(connection, FhirConnection) or not isinstance(connection.auth, SmartBackend):
        return connection, None
    key = connection.auth.private_key_jwk
    open_auth = connection.auth.model_copy(update={"private_key_jwk": None})
    secret = None if key is None else TypeAdapter(dict[str, Any]).dump_json(key).decode()
    return connection.model_copy(update={"auth": open_auth}), secret


def needs_secret(connection: Connection) -> bool:
    """Whether it cannot work without a secret."""
    return isinstance(connection, FhirConnection) and isinstance(connection.auth, SmartBackend)


def with_secret(connection: Connection, secret: str | None) -> Connection:
    """The connection as it works."""
    if secret is None or not isinstance(connection, FhirConnection) or not isinstance(connection.auth, SmartBackend):
        return connection
    key = TypeAdapter(dict[str, Any], config=ConfigDict(hide_input_in_errors=True)).validate_json(secret)
    return connection.model_copy(update={"auth": connection.auth.model_copy(update={"private_key_jwk": key})})
