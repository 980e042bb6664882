"""The practice's identity provider, as the console signs people in with it: OpenID Connect's authorization code flow.

OAuth 2.0 (RFC 6749) with PKCE (RFC 7636); addresses come from the provider's discovery document
(https://openid.net/specs/openid-connect-discovery-1_0.html).
"""

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

SECONDS = 10


@dataclass(frozen=True, slots=True)
class Client:
    """How the console is known to the provider."""

    discovery_url: str
    client_id: str
    client_secret: SecretStr | None
    scope: str
    redirect_uri: str


class Tokens(BaseModel):
    """What the provider gives for a code. The access token is a JWT with the claims of `shared_web.principals`."""

    model_config = ConfigDict(hide_input_in_errors=True)
    access_token: str
    refresh_token: str | None = None


class _Discovered(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)
    authorization_endpoint: str
    token_endpoint: str


class ProviderFailed(Exception):  # noqa: N818 - a fact about the provider
    """The provider cannot be reached, or refuses. Says which of the two, and nothing of what was sent."""


class IdentityProvider:
    """Asks the provider. Raises `ProviderFailed` from each method."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._found: _Discovered | None = None

    async def authorize_url(self, state: str, verifier: str) -> str:
        """Where to send the browser. `verifier` stays with us until the code is exchanged."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.redirect_uri,
            "scope": self._client.scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = (await self._discovered()).authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def exchange(self, code: str, verifier: str) -> Tokens:
        """The tokens for a code that the browser came back with."""
        form = {"code": code, "code_verifier": verifier, "redirect_uri": self._client.redirect_uri}
        return await self._tokens({"grant_type": "authorization_code", **form})

    async def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for a person who is still at work."""
        return await self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def _tokens(self, form: dict[str, str]) -> Tokens:
        endpoint = (await self._discovered()).token_endpoint
        secret = self._client.client_secret
        more = {} if secret is None else {"client_secret": secret.get_secret_value()}
        answer = await self._ask("POST", endpoint, {**form, **more, "client_id": self._client.client_id})
        try:
            return Tokens.model_validate_json(answer)
        except ValidationError:
            raise ProviderFailed("its answer has no access token") from None

    async def _discovered(self) -> _Discovered:
        if self._found is None:
            try:
                self._found = _Discovered.model_validate_json(await self._ask("GET", self._client.discovery_url))
            except ValidationError:
                raise ProviderFailed("its discovery document names no endpoints") from None
        return self._found

    @staticmethod
    async def _ask(method: str, url: str, form: dict[str, str] | None = None) -> bytes:
        try:
            async with httpx.AsyncClient(timeout=SECONDS) as http:
                answer = await http.request(method, url, data=form)
        except httpx.HTTPError:
            raise ProviderFailed("it does not answer") from None
        if not answer.is_success:
            raise ProviderFailed("it refused")
        return answer.content
