"""Which addresses we fetch from: a webhook's addresses come from outside, and must not make us ask our own network."""

from collections.abc import Collection
from urllib.parse import urlsplit


def origin_of(url: str) -> str:
    """Scheme, host and port; an empty text for what is no address of a host."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.hostname and not parts.username else ""


def is_trusted(url: str, hosts: Collection[str], api_urls: Collection[str]) -> bool:
    """Whether this may be fetched: from a provider's API, or over https from a host of the list or, where the list has a
    `.domain`, from below it.
    """
    origin = origin_of(url)
    if not origin:
        return False
    if origin in map(origin_of, api_urls):
        return True
    host = urlsplit(url).hostname or ""
    is_listed = any(host.endswith(one) if one.startswith(".") else host == one for one in hosts)
    return origin == f"https://{host}:443" and is_listed
