"""Only who the identity provider vouches for, now and to us, is let in: attacks on tokens, and a provider that fails."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from shared_web import Principal, Problem, TokenVerifier, signing_keys
from tests.security.conftest import AUDIENCE, Provider


def verifier(provider: Provider, *, jwks: str | None = None) -> TokenVerifier:
    return TokenVerifier(jwks, issuer=provider.issuer, audience=AUDIENCE)


async def refused(tokens: TokenVerifier, token: str) -> HTTPStatus:
    with pytest.raises(Problem) as raised:
        await tokens.verify(token)
    return raised.value.status


def _part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def unsigned(provider: Provider, _: Key) -> str:
    claims = {"iss": provider.issuer, "aud": AUDIENCE, "exp": time.time() + 60, "sub": "x", "practice_id": "p"}
    return f"{_part({'alg': 'none'})}.{_part(claims | {'role': 'administrator'})}."


def signed_with_the_public_key_as_a_secret(provider: Provider, key: Key) -> str:
    """RFC 8725 section 2.1."""
    signed = f"{_part({'alg': 'HS256', 'kid': key.kid})}.{_part(jwt_claims(provider))}"
    digest = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def signed_by(other: Key, **header: object) -> Callable[[Provider, Key], str]:
    def make(provider: Provider, key: Key) -> str:
        return jwt.encode({"alg": "ES256", "kid": key.kid, **header}, jwt_claims(provider), other)

    return make


def altered(provider: Provider, key: Key) -> str:
    header, claims, signature = provider.token(key).split(".")
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(claims + "=="))
    return f"{header}.{_part(content | {'role': 'administrator'})}.{signature}"


def weak_algorithm(provider: Provider, key: Key) -> str:
    del key
    rsa = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
    provider.keys.append(rsa)
    return jwt.encode({"alg": "RS512", "kid": "rsa"}, jwt_claims(provider), rsa, algorithms=["RS512"])


def jwt_claims(provider: Provider) -> dict[str, Any]:
    return {
        "iss": provider.issuer,
        "aud": AUDIENCE,
        "exp": int(time.time()) + 600,
        "sub": "somebody",
        "practice_id": "practice",
        "role": "administrator",
    }


STRANGER = ECKey.generate_key("P-256", parameters={"kid": "first"})
ATTACKS: dict[str, Callable[[Provider, Key], str]] = {
    "no signature": unsigned,
    "the public key as a secret": signed_with_the_public_key_as_a_secret,
    "a stranger's key under our key's name": signed_by(STRANGER),
    "a key that comes with the token": signed_by(STRANGER, jwk=STRANGER.as_dict(private=False)),
    "a key elsewhere": signed_by(STRANGER, jku="http://127.0.0.1:9/keys"),
    "a certificate elsewhere": signed_by(STRANGER, x5u="http://127.0.0.1:9/certificate"),
    "claims that were changed": altered,
    "an algorithm that is not on the list": weak_algorithm,
    "no token": lambda _provider, _key: "not.a.token",
    "nothing": lambda _provider, _key: "",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_token_that_the_provider_did_not_sign_lets_nobody_in(provider: Provider, attack: str) -> None:
    tokens, key = verifier(provider), provider.keys[0]
    token = ATTACKS[attack](provider, key)

    assert (await tokens.verify(provider.token(key))).role == "member"
    assert await refused(tokens, token) == HTTPStatus.UNAUTHORIZED
    assert set(provider.asked) == {signing_keys.DISCOVERY_PATH, "/keys"}


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "http://somebody-else.test"},
        {"iss": None},
        {"aud": "another-application"},
        {"aud": ["another", "and-another"]},
        {"aud": None},
        {"exp": 1},
        {"exp": "tomorrow"},
        {"exp": None},
        {"nbf": int(time.time()) + 3600},
        {"role": "owner"},
        {"role": None},
        {"role": "operator"},
        {"practice_id": None},
        {"sub": None},
    ],
    ids=str,
)
async def test_a_token_for_somebody_else_or_another_time_lets_nobody_in(
    provider: Provider, changed: dict[str, object]
) -> None:
    token = provider.token(provider.keys[0], **changed)

    assert await refused(verifier(provider), token) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -10), ("nbf", 10)])
async def test_clocks_may_differ_a_little(provider: Provider, claim: str, seconds: int) -> None:
    token = provider.token(provider.keys[0], **{claim: int(time.time()) + seconds})

    assert isinstance(await verifier(provider).verify(token), Principal)


async def test_a_token_may_be_for_several(provider: Provider) -> None:
    token = provider.token(provider.keys[0], aud=["another", AUDIENCE])

    assert isinstance(await verifier(provider).verify(token), Principal)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider may be asked again at once."""
    monkeypatch.setattr(signing_keys, "ASK_AGAIN_SECONDS", -1)


@pytest.mark.usefixtures("at_once")
async def test_a_new_key_works_with_its_first_token_and_a_withdrawn_one_no_longer(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, old = verifier(provider), provider.keys[0]
    before = await tokens.verify(provider.token(old))
    provider.keys.clear()
    new = provider.add_key("second")
    after = await tokens.verify(provider.token(new))
    withdrawn = await refused(tokens, provider.token(old))
    monkeypatch.setattr(signing_keys, "KEYS_LIVE_SECONDS", -1)
    provider.keys.clear()
    provider.add_key("third")

    assert before.staff_id == after.staff_id
    assert withdrawn == HTTPStatus.UNAUTHORIZED
    assert await refused(tokens, provider.token(new)) == HTTPStatus.UNAUTHORIZED


async def test_tokens_with_keys_that_nobody_has_do_not_make_us_ask_and_ask(provider: Provider) -> None:
    tokens = verifier(provider)
    await tokens.verify(provider.token(provider.keys[0]))
    asked = len(provider.asked)
    for number in range(20):
        stranger = ECKey.generate_key("P-256", parameters={"kid": f"made-up-{number}"})
        assert await refused(tokens, provider.token(stranger)) == HTTPStatus.UNAUTHORIZED

    assert len(provider.asked) == asked


@pytest.mark.usefixtures("at_once")
async def test_an_outage_of_the_provider_locks_nobody_out(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, key = verifier(provider), provider.keys[0]
    provider.is_away = True
    never_read = await refused(tokens, provider.token(key))
    provider.is_away = False
    await tokens.verify(provider.token(key))
    monkeypatch.setattr(signing_keys, "KEYS_LIVE_SECONDS", -1)
    provider.is_away = True
    asked = len(provider.asked)

    assert never_read == HTTPStatus.SERVICE_UNAVAILABLE
    assert (await tokens.verify(provider.token(key))).staff_id == "somebody"
    assert len(provider.asked) > asked


async def test_a_discovery_document_of_another_issuer_is_not_believed(provider: Provider) -> None:
    """OpenID Connect Discovery 1.0, section 4.3."""
    provider.named_issuer = "https://somebody-else.test"

    assert await refused(verifier(provider), provider.token(provider.keys[0])) == HTTPStatus.SERVICE_UNAVAILABLE


async def test_a_shared_secret_among_the_keys_is_no_key(provider: Provider) -> None:
    secret = OctKey.generate_key(256, parameters={"kid": "shared"})
    provider.keys.append(secret)
    token = jwt.encode({"alg": "HS256", "kid": "shared"}, jwt_claims(provider), secret, algorithms=["HS256"])

    assert await refused(verifier(provider, jwks=f"{provider.issuer}/keys"), token) == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("lives", "is_let_in"), [(3600, True), (60, True), (3601, False), (12 * 3600, False), (None, False)]
)
async def test_emergency_access_lasts_an_hour_at_most(
    provider: Provider, lives: int | None, *, is_let_in: bool
) -> None:
    now = int(time.time())
    moments = {"iat": None, "exp": now + 60} if lives is None else {"iat": now, "exp": now + lives}
    token = provider.token(provider.keys[0], role="emergency", **moments)

    if is_let_in:
        assert (await verifier(provider).verify(token)).is_administrator_of("practice")
    else:
        assert await refused(verifier(provider), token) == HTTPStatus.UNAUTHORIZED
