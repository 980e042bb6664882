"""SMART Backend Services: the assertion, and what can be configured."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, import_key
from pydantic import ValidationError

from pm_sync.adapters.fhir.smart import assertion
from pm_sync.configuration import CONNECTION, FhirConnection, SmartBackend, with_secret, without_secrets

NOW = datetime(2026, 11, 24, 18, tzinfo=UTC)
TOKEN_URL = "https://ehr.example.com/token"  # noqa: S105 - an address
PUBLISHED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("smart_keys.json").read_text("utf-8"))
"""The guide's keys, and what it signs with them as an example:
https://hl7.org/fhir/smart-app-launch/authorization-example-jwks-and-signatures.html
"""
KEYS: dict[str, dict[str, Any]] = {name: one["private"] for name, one in PUBLISHED.items()}
VERIFYING: dict[str, dict[str, Any]] = {
    name: {part: key[part] for part in ("kty", "kid", "n", "e", "crv", "x", "y") if part in key}
    for name, key in KEYS.items()
}
"""Their public halves, as a vendor has them."""


def connection(key: dict[str, Any] | None) -> FhirConnection:
    auth = {"kind": "smart-backend", "client_id": "switchboard", "private_key_jwk": key}
    body = {"kind": "fhir-r4", "base_url": "https://ehr.example.com/fhir/", "time_zone": "UTC", "auth": auth}
    made = CONNECTION.validate_python(body)
    assert isinstance(made, FhirConnection)
    return made


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_assertion_is_one_that_the_server_can_verify_for_itself_and_once(algorithm: str) -> None:
    auth = connection(KEYS[algorithm]).auth
    assert isinstance(auth, SmartBackend)
    public = import_key(VERIFYING[algorithm])
    tokens = [jwt.decode(assertion(auth, TOKEN_URL, NOW), public, [algorithm]) for _ in range(2)]
    example = jwt.decode(PUBLISHED[algorithm]["example"], public, [algorithm])

    claims = tokens[0].claims
    assert tokens[0].header == example.header == {"alg": algorithm, "typ": "JWT", "kid": KEYS[algorithm]["kid"]}
    assert example.claims.keys() <= claims.keys()
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("switchboard", "switchboard", TOKEN_URL)
    assert 0 < claims["exp"] - NOW.timestamp() <= 300
    assert claims["jti"] != tokens[1].claims["jti"]


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "bWFkZS11cCBzZWNyZXQgb2YgYSB0ZXN0"},
        ECKey.generate_key("P-256").as_dict(private=True),
        ECKey.generate_key("P-384").as_dict(private=False),
        {"kty": "nonsense"},
    ],
    ids=["shared secret", "another curve", "public", "no key"],
)
def test_a_key_that_smart_does_not_allow_is_refused_without_being_repeated(key: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        connection(key)

    assert json.dumps(key)[1:-1] not in str(refused.value)


def test_a_secret_is_apart_from_what_is_stored_and_shown() -> None:
    whole = connection(KEYS["ES384"])
    shown, secret = without_secrets(whole)

    assert 'private_key_jwk":null' in shown.model_dump_json()
    assert KEYS["ES384"]["d"] not in shown.model_dump_json() + repr(whole)
    assert with_secret(shown, secret) == whole


@pytest.mark.parametrize("url", ["ftp://x", "https://user:secret@x/fhir", "https://x/fhir?a=1", "https:///fhir", "x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        CONNECTION.validate_python({"kind": "fhir-r4", "base_url": url, "time_zone": "UTC"})
