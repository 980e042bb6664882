"""The router's HTTP API."""

from router.api import decisions, settings, subscriptions

__all__ = ["decisions", "settings", "subscriptions"]
