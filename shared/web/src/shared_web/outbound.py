"""Calls to addresses that a customer names: they must not reach what is ours (server-side request forgery).

A name is resolved here, every address that it has is checked, and the connection goes to the address that was checked:
a name that resolves differently a moment later (DNS rebinding) gains nothing. Redirects are not followed. See
https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

import httpx
from pydantic import BeforeValidator
from pydantic.networks import IPvAnyNetwork
from pydantic_settings import NoDecode

LOOKUPS_AT_ONCE = 64
"""Names whose servers do not answer hold a thread for long: the event loop's own are too few to wait in."""
_NAT64 = IPv6Network("64:ff9b::/96")


def _networks(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


AllowedNetworks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_networks)]
"""A setting: networks in CIDR form, with commas between them."""


class ForbiddenAddress(httpx.ConnectError):
    """The address is not one that a customer may make us call."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """For an `httpx.AsyncClient`. Raises `ForbiddenAddress` for what is not on the public internet, or not https.

    Networks in `allowed` may be called all the same, and without TLS.
    """

    def __init__(self, allowed: Sequence[IPvAnyNetwork] = ()) -> None:
        self._allowed = [ip_network(str(one)) for one in allowed]
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}
        self._tls = httpx.create_ssl_context()
        """One for all: each would hold all certificate authorities, a megabyte."""
        self._resolving = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "resolving")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Resolve, check, and send to the checked address under the name that was asked for."""
        host, url = request.url.host, request.url
        address = await self._checked(host, url.port or (443 if url.scheme == "https" else 80))
        if url.scheme != "https" and not self._is_allowed(address):
            raise ForbiddenAddress("only https is allowed to this address", request=request)
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = url.copy_with(host=str(address))  # the Host header was made from the name already
        # A transport for each name: two names on one address must not share a connection that TLS checked for one.
        transport = self._transports.get(host)
        if transport is None:
            transport = self._transports[host] = httpx.AsyncHTTPTransport(verify=self._tls)
        return await transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        self._resolving.shutdown(wait=False, cancel_futures=True)
        for transport in self._transports.values():
            await transport.aclose()

    async def _checked(self, host: str, port: int) -> IPv4Address | IPv6Address:
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._resolving, look_up)
        except OSError:
            raise httpx.ConnectError("the name cannot be resolved") from None
        addresses = [ip_address(str(one[4][0]).split("%")[0]) for one in found]
        if not addresses or not all(is_public(one) or self._is_allowed(one) for one in addresses):
            raise ForbiddenAddress("this address may not be called")
        return addresses[0]

    def _is_allowed(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._allowed)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is on the public internet, the address inside a translated one included."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast
