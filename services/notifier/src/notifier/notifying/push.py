"""Push messages to browsers: Web Push (RFC 8030), encrypted (RFC 8291), under our own key (VAPID, RFC 8292).

What is sent says nothing of a patient, not even to the push service, which could not read it anyway.
"""

import base64
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

import http_ece
import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl
from pydantic_core import to_json

SECONDS = 10.0
LIVES = timedelta(hours=4)
"""A browser that is away for longer is not told: the inbox is there when it is back."""
_TOKEN_LIVES = timedelta(hours=12)
_KEY_BYTES, _AUTH_BYTES = 65, 16

_CURVE = ec.SECP256R1()


class SubscriptionGone(Exception):  # noqa: N818 - it says what happened
    """The browser takes nothing any more."""


class PushFailed(Exception):  # noqa: N818 - it says what happened
    """The push service did not take it now."""


def unpadded(content: bytes) -> str:
    """Base64 for URLs, as browsers and push services write it."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def padded(text: str) -> bytes:
    """The bytes of `unpadded`. Raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _public_key(text: str) -> str:
    if len(padded(text)) != _KEY_BYTES:
        raise ValueError("the key must be an uncompressed point of P-256")
    ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, padded(text))
    return text


def _auth_secret(text: str) -> str:
    if len(padded(text)) != _AUTH_BYTES:
        raise ValueError("the authentication secret must be 16 bytes")
    return text


class SubscriptionKeys(BaseModel):
    """The browser's keys, as it gives them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    p256dh: Annotated[str, Field(max_length=120), AfterValidator(_public_key)]
    auth: Annotated[str, Field(max_length=40), AfterValidator(_auth_secret)]


class BrowserSubscription(BaseModel):
    """What `PushSubscription.toJSON()` gives: https://www.w3.org/TR/push-api/"""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)
    endpoint: HttpUrl
    keys: SubscriptionKeys


class Pushing:
    """Sends push messages. `private_key` is a number of the curve P-256; `contact` is where push services complain."""

    def __init__(
        self, http: httpx.AsyncClient, private_key: bytes, contact: str, clock: Callable[[], datetime]
    ) -> None:
        self._http = http
        self._key = ec.derive_private_key(int.from_bytes(private_key), _CURVE)
        self._signing = ECKey.import_key(self._key)
        self._contact = contact
        self._clock = clock
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = unpadded(point)
        """What browsers subscribe with (`applicationServerKey`)."""

    async def push(self, subscription: BrowserSubscription, conversations: int, *, urgent: bool) -> None:
        """Tell a browser. Raises `SubscriptionGone` and `PushFailed`."""
        url = str(subscription.endpoint)
        content = to_json({"conversations": conversations, "urgent": urgent})
        headers = {
            "authorization": f"vapid t={self._token(url)}, k={self.public_key}",
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(int(LIVES.total_seconds())),
            "topic": "switchboard",  # the newest takes the place of one that waits (RFC 8030, section 5.4)
            "urgency": "high" if urgent else "normal",
        }
        try:
            answer = await self._http.post(
                url, headers=headers, content=_encrypted(content, subscription.keys), timeout=SECONDS
            )
        except httpx.HTTPError:
            raise PushFailed from None
        if answer.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise SubscriptionGone
        if not answer.is_success:
            raise PushFailed

    def _token(self, url: str) -> str:
        parts = urlsplit(url)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "exp": int((self._clock() + _TOKEN_LIVES).timestamp()),
            "sub": self._contact,
        }
        return jwt.encode({"alg": "ES256", "typ": "JWT"}, claims, self._signing)


def new_identity() -> bytes:
    """A private key for `Pushing`."""
    return ec.generate_private_key(_CURVE).private_numbers().private_value.to_bytes(32)


def _encrypted(content: bytes, keys: SubscriptionKeys) -> bytes:
    encrypted: bytes = http_ece.encrypt(
        content,
        salt=secrets.token_bytes(16),
        private_key=ec.generate_private_key(_CURVE),
        dh=padded(keys.p256dh),
        auth_secret=padded(keys.auth),
        version="aes128gcm",
    )
    return encrypted
