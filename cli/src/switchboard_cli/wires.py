"""Whether somebody could listen between here and Kafka or PostgreSQL, as far as this end can tell."""

import os
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

Safety = tuple[Literal["ok", "warning"], str]
"""How that is, and what to say of it: without a host or a password."""

_CHECKED: Safety = ("ok", "encrypted, and the certificate is checked")
_UNCHECKED: Safety = (
    "warning",
    "encrypted, but anybody could be at the other end: sslmode=verify-full&sslrootcert=FILE",
)
_NEAR: Safety = ("ok", "not encrypted: within this host, or a network of its own")
_OPEN: Safety = ("warning", "not encrypted, and the other end is another machine: docs/guides/hardening.md")


def safety_of_postgres(dsn: str, *, is_encrypted: bool) -> Safety:
    """Of a connection by this DSN, of which the server says whether it is encrypted."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    mode = query.get("sslmode", [os.environ.get("PGSSLMODE", "")])[0]
    if is_encrypted:
        return _CHECKED if mode == "verify-full" else _UNCHECKED
    named = parts.netloc.rpartition("@")[2] or query.get("host", [""])[0]
    return _NEAR if all(map(_is_near, _hosts(named))) else _OPEN


def safety_of_kafka(bootstrap_servers: str, options: Mapping[str, Any]) -> Safety:
    """Of a connection with what aiokafka is given."""
    if str(options.get("security_protocol", "PLAINTEXT")).endswith("SSL"):
        return _CHECKED if options["ssl_context"].check_hostname else _UNCHECKED
    return _NEAR if all(map(_is_near, _hosts(bootstrap_servers))) else _OPEN


def _hosts(named: str) -> Iterable[str]:
    for one in named.split(","):
        yield one if one.startswith("/") else urlsplit(f"//{one}").hostname or ""


def _is_near(host: str) -> bool:
    """A socket's folder, this machine, or a name without a dot, as containers call each other."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.startswith("/") or "." not in host
