"""For channel adapters: hand patient messages to Switchboard, each once, in order, whatever happens between.

    with Adapter("https://switchboard.example", token, "maple-street", Path("waiting.sqlite")) as adapter:
        adapter.publish(IncomingMessage("mail-17", "A question", sender="pat@example.com"))

`docs/guides/adapters.md` has a whole adapter; `switchboard_adapter.conformance` tries yours out.
"""

from switchboard_adapter.adapter import Adapter, IncomingMessage, RefusedError

__all__ = ["Adapter", "IncomingMessage", "RefusedError"]
