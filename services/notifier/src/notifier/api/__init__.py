"""The notifier's HTTP API: the staff stream, inboxes, conversations and what staff do with them."""

from notifier.api import acting, duty, escalating, preferences, reading, streaming, templates, webhooks
from notifier.api.dependencies import Dependencies

__all__ = [
    "Dependencies",
    "acting",
    "duty",
    "escalating",
    "preferences",
    "reading",
    "streaming",
    "templates",
    "webhooks",
]
